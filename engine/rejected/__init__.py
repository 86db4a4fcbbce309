"""Rows that break the contract, and parts that could not be read: kept apart, or the end."""
