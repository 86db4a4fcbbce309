"""LightGBM's parameters: what a user may say, and what millrace adds."""
