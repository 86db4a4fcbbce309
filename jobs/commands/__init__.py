"""Arguments and exit codes of the commands, a module for each thing that they are about."""
