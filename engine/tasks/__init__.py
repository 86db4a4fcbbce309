"""Partitions worked on over Dask: the bounded map, its attempts, second runs, free workers."""
