"""What a job will read, hold in memory and write, known before it runs."""
