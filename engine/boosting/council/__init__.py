"""Where the ranks agree: one decision for all."""
