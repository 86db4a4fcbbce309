"""Where the work runs: specs of clusters, and sessions on them.

``connect(spec)`` opens a session and leaves no process behind. This package knows neither the data
(``engine``) nor the job (``jobs``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cluster.errors import ClusterError

if TYPE_CHECKING:
    from cluster.resources import Resources, machine_cores, machine_memory
    from cluster.session import Session, connect
    from cluster.spec import ClusterSpec, LocalCluster

__all__ = [
    "ClusterError",
    "ClusterSpec",
    "LocalCluster",
    "Resources",
    "Session",
    "connect",
    "machine_cores",
    "machine_memory",
]

_LATER = {
    "ClusterSpec": "cluster.spec",
    "LocalCluster": "cluster.spec",
    "Resources": "cluster.resources",
    "Session": "cluster.session",
    "connect": "cluster.session",
    "machine_cores": "cluster.resources",
    "machine_memory": "cluster.resources",
}


def __getattr__(name: str) -> object:
    """Import on first use: a worker needs only the resources, the command line only the errors."""
    if name not in _LATER:
        raise AttributeError(f"module 'cluster' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
