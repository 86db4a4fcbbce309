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
from distributed import Client

from cluster.errors import ClusterError
from cluster.resources import Resources
from cluster.settings import SETTINGS, environment, worker_environment
from cluster.spec import LocalCluster

LOOPBACK = "127.0.0.1"
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
        ClusterError: The workers do not start.
    """
    with ExitStack() as stack:
        stack.enter_context(environment(worker_environment(resources)))
        # Only the dashboard shows the profile.
        profile = {"distributed.worker.profile.enabled": spec.dashboard}
        stack.enter_context(dask.config.set(SETTINGS | profile))
        cluster = stack.enter_context(_started(resources, dashboard=spec.dashboard))
        yield stack.enter_context(Client(cluster, timeout=30))


@contextmanager
def _started(resources: Resources, *, dashboard: bool) -> Iterator[distributed.LocalCluster]:
    try:
        cluster = distributed.LocalCluster(
            n_workers=resources.workers,
            threads_per_worker=resources.held,
            memory_limit=resources.memory,
            processes=True,
            host=LOOPBACK,
            # Given here because LocalCluster turns the dashboard on with any address, and without
            # one takes the fixed port 8787 also for the scheduler's plain HTTP server.
            scheduler_kwargs={"dashboard": dashboard, "dashboard_address": f"{LOOPBACK}:0"},
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
