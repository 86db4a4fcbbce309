"""Libraries that only some kinds of clusters need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cluster.errors import ClusterError


def library(module: str, extra: str) -> Any:
    """Return a module of an extra of millrace.

    Args:
        module: What to import.
        extra: The extra that brings it.

    Raises:
        ClusterError: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ClusterError(
            f'kind = "{extra}" needs the package {error.name}, which is not installed',
            f"pip install 'millrace[{extra}]'",
        ) from error
