"""dask-ml and dask-glm: several passes over all rows, whose sums are put together."""
