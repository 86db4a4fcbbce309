"""An open connection to a cluster, and the promise that nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from distributed import Client

from cluster.local import local_client
from cluster.resources import Resources
from cluster.spec import ClusterSpec


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
    resources = spec.resources(remote=remote)
    with local_client(resources, dashboard=spec.dashboard) as client:
        yield Session(client, resources, client.dashboard_link if spec.dashboard else None)
