"""What a run does: one module per section of the job file."""
