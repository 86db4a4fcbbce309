"""Jobs and runs for Python: what `from jobs import Job` gives, in scripts and in notebooks."""
