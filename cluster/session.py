"""An open connection to a cluster, and the promise that nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cluster.preflight.needs import Needs
from cluster.preflight.verdict import Verdict
from cluster.resources import Resources
from cluster.spec import AddressCluster, ClusterSpec, LocalCluster
from cluster.spec.base import Own

if TYPE_CHECKING:
    from distributed import Client


_MODULES = dict.fromkeys(("slurm", "pbs", "lsf", "sge", "htcondor"), "jobqueue")
"""Providers of several kinds; the others are named as their kind."""


@dataclass(frozen=True)
class Session:
    """An open cluster.

    Args:
        client: Dask's client; it is closed with the session.
        resources: What the cluster offers; equal for all workers.
        dashboard: Address of Dask's dashboard, or None when it is off.
        verdicts: What the checks of the cluster said, none of them a refusal; nothing of workers
            on this machine, which are this process's children.
    """

    client: Client
    resources: Resources
    dashboard: str | None
    verdicts: tuple[Verdict, ...] = ()


@contextmanager
def connect(
    spec: ClusterSpec, *, remote: bool = False, needs: Needs | None = None
) -> Iterator[Session]:
    """Open the cluster that ``spec`` describes; use it with ``with``.

    A cluster elsewhere is looked at first: whether it can do the job, and whether its workers have
    millrace, which is brought to those that lack it.

    On the way out, also after an exception or Ctrl-C, the client is closed and every process that
    was started for the session has ended.

    Args:
        spec: The cluster to open.
        remote: Whether tasks read from a store or write to one.
        needs: What the job needs of its workers.

    Yields:
        The open session.

    Raises:
        ClusterError: The cluster does not start, asks for more than there is, or is not fit.
    """
    with _opened(spec, remote) as session:
        if isinstance(spec, LocalCluster):
            yield session
            return
        from cluster.preflight.examination import made_fit

        found = made_fit(session.client, spec, session.resources, needs or Needs())
        yield replace(session, verdicts=tuple(found))


def examined(spec: ClusterSpec, needs: Needs) -> list[Verdict]:
    """Open a cluster and look whether it is fit for a job; nothing is changed there.

    Args:
        spec: The cluster.
        needs: What the job needs of its workers.

    Raises:
        ClusterError: The cluster does not start, or asks for more than there is.
    """
    with _opened(spec) as session:
        from cluster.preflight.examination import examined

        return examined(session.client, spec, session.resources, needs)


@contextmanager
def _opened(spec: ClusterSpec, remote: bool = False) -> Iterator[Session]:
    with _connected(spec, remote) as (client, resources):
        shown = not isinstance(spec, Own) or spec.dashboard
        yield Session(client, resources, client.dashboard_link if shown else None)


@contextmanager
def _connected(spec: ClusterSpec, remote: bool) -> Iterator[tuple[Client, Resources]]:
    provider = _provider(spec.kind)
    if isinstance(spec, AddressCluster):
        with provider.opened(spec) as client:
            yield client, provider.offered(spec, client)
        return
    resources = spec.resources(remote=remote)
    with provider.opened(spec, resources) as client:
        yield client, resources


def offered(spec: ClusterSpec, *, remote: bool = False) -> Resources:
    """Return what the cluster offers; one that runs already is asked.

    Args:
        spec: The cluster.
        remote: Whether tasks read from a store or write to one.

    Raises:
        ClusterError: It cannot be had.
    """
    if not isinstance(spec, AddressCluster):
        return spec.resources(remote=remote)
    with _connected(spec, remote) as (_, resources):
        return resources


def _provider(kind: str) -> Any:
    return import_module(f"cluster.providers.{_MODULES.get(kind, kind)}")
