"""Training rows: surveyed, cut, fitted, as matrices; under folds, and under models of a stack."""
