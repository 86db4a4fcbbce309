"""scikit-learn by ``partial_fit``: partition by partition into one estimator."""
