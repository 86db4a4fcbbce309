"""What each section of a job works on: data opened, columns and features checked against it."""
