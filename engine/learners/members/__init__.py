"""Ensembles: members that learn from the same features, and what combines them."""
