"""Statistics of columns, gathered in one pass over partitions and merged in their order."""
