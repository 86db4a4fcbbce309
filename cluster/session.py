"""An open connection to a cluster, and the promise that nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cluster.resources import Resources
from cluster.spec import ClusterSpec, LocalCluster
from cluster.spec.base import Own

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Session:
    """An open cluster.

    Args:
        client: Dask's client; it is closed with the session.
        resources: What the cluster offers; equal for all workers.
        dashboard: Address of Dask's dashboard, or None when it is off.
    """

    client: Client
    resources: Resources
    dashboard: str | None


@contextmanager
def connect(spec: ClusterSpec, *, remote: bool = False) -> Iterator[Session]:
    """Open the cluster that ``spec`` describes; use it with ``with``.

    On the way out, also after an exception or Ctrl-C, the client is closed and every process that
    was started for the session has ended.

    Args:
        spec: The cluster to open.
        remote: Whether tasks read from a store or write to one.

    Yields:
        The open session.

    Raises:
        ClusterError: The cluster does not start, or asks for more than there is.
    """
    resources = offered(spec, remote=remote)
    with _provider(spec.kind).opened(spec, resources) as client:
        shown = not isinstance(spec, Own) or spec.dashboard
        yield Session(client, resources, client.dashboard_link if shown else None)


def offered(spec: ClusterSpec, *, remote: bool = False) -> Resources:
    """Return what the cluster offers; one that runs already is asked.

    Args:
        spec: The cluster.
        remote: Whether tasks read from a store or write to one.

    Raises:
        ClusterError: It cannot be had.
    """
    if isinstance(spec, LocalCluster):
        return spec.resources(remote=remote)
    found: Resources = _provider(spec.kind).offered(spec)
    return found


def _provider(kind: str) -> Any:
    return import_module(f"cluster.providers.{kind}")
