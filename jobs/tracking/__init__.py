"""Runs recorded beside others: MLflow."""
