"""The cluster on this machine: worker processes under Dask's nanny, on the loopback interface.

Dask's scheduler runs whatever a connection sends it, so nothing may listen on another interface
(CVE-2021-42343 was a LocalCluster that did).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dask
import distributed
from distributed import Client, Security

from cluster.errors import ClusterError
from cluster.pages import LOOPBACK, pages
from cluster.resources import Resources
from cluster.security.material import security
from cluster.settings import SETTINGS, environment, worker_environment
from cluster.spec import LocalCluster

CLOSE_SECONDS = 10


@contextmanager
def opened(spec: LocalCluster, resources: Resources) -> Iterator[Client]:
    """Start worker processes, connect to them, and end them on the way out.

    Args:
        spec: The section of the job file.
        resources: How many workers, and what each may use.

    Yields:
        The connected client.

    Raises:
        ClusterError: The certificates are not good, or the workers do not start.
    """
    with ExitStack() as stack:
        stack.enter_context(environment(worker_environment(resources)))
        shown, address = pages(dashboard=spec.dashboard)
        stack.enter_context(dask.config.set(SETTINGS | shown))
        certificates = security(spec.tls) if spec.tls else None
        cluster = stack.enter_context(_started(spec, resources, certificates, address))
        yield stack.enter_context(Client(cluster, timeout=30))


@contextmanager
def _started(
    spec: LocalCluster, resources: Resources, certificates: Security | None, address: str
) -> Iterator[distributed.LocalCluster]:
    try:
        cluster = distributed.LocalCluster(
            n_workers=resources.workers,
            threads_per_worker=resources.held,
            memory_limit=resources.memory,
            processes=True,
            host=LOOPBACK,
            security=certificates,
            # Given here because LocalCluster turns the dashboard on with any address, and without
            # one takes the fixed port 8787 also for the scheduler's plain HTTP server.
            scheduler_kwargs={"dashboard": spec.dashboard, "dashboard_address": address},
            silence_logs=logging.ERROR,
        )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise ClusterError(
            f"the local cluster did not start: {error}",
            "look for a limit on processes, memory or ports; `workers = 1` needs least of them",
        ) from error
    try:
        yield cluster
    finally:
        cluster.close(timeout=CLOSE_SECONDS)
