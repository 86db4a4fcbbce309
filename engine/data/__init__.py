"""A data set: opened, its files laid out, its partitions read, as a Dask DataFrame and taken in."""
