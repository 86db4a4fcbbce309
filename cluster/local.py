"""The cluster on this machine: worker processes under Dask's nanny, on the loopback interface.

Dask's scheduler runs whatever a connection sends it, so nothing may listen on another interface
(CVE-2021-42343 was a LocalCluster that did).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import dask
import distributed
from distributed import Client

from cluster.errors import ClusterError
from cluster.resources import CORES, Resources

LOOPBACK = "127.0.0.1"
CLOSE_SECONDS = 10

CONFIG: dict[str, object] = {
    # Results are tiny and tasks are planned within the memory: nothing to spill. A paused worker
    # may stay paused for good (dask/distributed#5999), so a worker is only ever ended.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # Counts every task that was assigned to a worker that died, also those that did not run there:
    # more than Dask's 3, and few enough that a task that kills its workers is told in a minute.
    "distributed.scheduler.allowed-failures": 5,
    # The defaults wait five minutes for a silent worker and for ever for a missing one. Dask looks
    # every 60 s, so a frozen one is killed after one to two minutes, and its nanny starts another.
    # Less than that would kill a worker for a native call that holds the GIL.
    "distributed.scheduler.worker-ttl": "60 s",
    "distributed.scheduler.no-workers-timeout": "10 minutes",
    # Dask's own value of MALLOC_TRIM_THRESHOLD_ costs 5-23 % CPU in tasks like ours.
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.worker.preload": ["cluster.quiet"],
    # Looking after themselves took the processes of two idle workers 0.1 CPU s a second, 5 % of two
    # cores; with these, 0.013 (measured): stacks that nobody looks at were sampled every 10 ms, the
    # loops timed every 20 ms, and memory read every 100 ms by the nanny, which still ends a worker.
    "distributed.admin.tick.interval": "1 s",
    "distributed.admin.system-monitor.interval": "5 s",
    "distributed.worker.memory.monitor-interval": "500 ms",
    "distributed.admin.tick.limit": "30 s",  # a native call that holds the GIL is no news
    # Dask allows "*": any page in the user's browser could read the dashboard.
    "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin": [
        "127.0.0.1:*",
        "localhost:*",
    ],
}


@contextmanager
def local_client(resources: Resources, *, dashboard: bool) -> Iterator[Client]:
    """Start worker processes, connect to them, and end them on the way out.

    Args:
        resources: How many workers, and what each may use.
        dashboard: Serve Dask's dashboard, on the loopback interface.

    Yields:
        The connected client.

    Raises:
        ClusterError: The workers do not start.
    """
    with ExitStack() as stack:
        stack.enter_context(_environment(_worker_environment(resources)))
        # Only the dashboard shows the profile.
        profile = {"distributed.worker.profile.enabled": dashboard}
        stack.enter_context(dask.config.set(CONFIG | profile))
        cluster = stack.enter_context(_started(resources, dashboard=dashboard))
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


def _worker_environment(resources: Resources) -> dict[str, str]:
    # Libraries read these when they are loaded, so they must stand before a worker starts.
    names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    # Polars' allocator (jemalloc) keeps freed pages until the machine runs short of memory; a
    # worker that has read a partition would look 50 to 140 MiB larger than what it holds.
    allocator = {"_RJEM_MALLOC_CONF": "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0"}
    cores = {CORES: str(resources.threads)}
    return dict.fromkeys(names, str(resources.threads)) | cores | allocator


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the workers, and put back what was there (the nanny changes some too)."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
