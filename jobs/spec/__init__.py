"""The job file: one frozen model per section, and the rules between them."""
