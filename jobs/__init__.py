"""How a job lives: the job file, its steps in order, its run folder, and the command line."""
