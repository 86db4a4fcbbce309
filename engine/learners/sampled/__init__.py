"""Any scikit-learn estimator, on a sample that fits in memory."""
