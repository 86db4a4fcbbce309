"""The child process that trains, one on each Dask worker."""
