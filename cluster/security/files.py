"""Names of the files in a folder of certificates."""

from __future__ import annotations

from datetime import timedelta

AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca-key.pem"

ROLES = ("scheduler", "worker", "client")
"""Roles in a Dask cluster; nannies have the workers' certificate."""

LEAST = timedelta(days=1)
"""Certificates that end sooner are refused: a job would lose its cluster on the way."""


def certificate(role: str) -> str:
    """Return the file of a role's certificate."""
    return f"{role}.pem"


def key(role: str) -> str:
    """Return the file of a role's private key."""
    return f"{role}-key.pem"
