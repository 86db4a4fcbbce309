"""The side of driver and Dask workers: who trains where, and what happens when one is lost."""
