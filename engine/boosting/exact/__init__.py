"""Training whose sums are exact, so that the model does not depend on the number of workers."""
