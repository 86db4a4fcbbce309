"""`millrace ui`: a page of the runs of a store, and their figures for Prometheus. Read only."""
