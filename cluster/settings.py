"""Dask's settings on the clusters that we start, and the environment of their workers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cluster.resources import CORES, Resources

PRELOAD = """
from contextlib import suppress
with suppress(ImportError):
    from cluster.quiet import dask_setup
"""
"""Loads `cluster.quiet` where it is: a worker elsewhere may have no millrace when it starts. Dask
takes what holds a space for the text of a module."""

SETTINGS: dict[str, object] = {
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
    "distributed.worker.preload": [PRELOAD],
    # Looking after themselves took the processes of two idle workers 0.1 CPU s a second, 5 % of two
    # cores; with these, 0.013 (measured): stacks that nobody looks at were sampled every 10 ms, the
    # loops timed every 20 ms, and memory read every 100 ms by the nanny, which still ends a worker.
    "distributed.admin.tick.interval": "1 s",
    "distributed.admin.system-monitor.interval": "5 s",
    "distributed.worker.memory.monitor-interval": "500 ms",
    "distributed.admin.tick.limit": "30 s",  # a native call that holds the GIL is no news
}

THREAD_VARIABLES = (
    "POLARS_MAX_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
"""Libraries read these when they are loaded, so they must stand before a worker starts."""


def worker_environment(resources: Resources) -> dict[str, str]:
    """Return the variables of a worker."""
    # Polars' allocator (jemalloc) keeps freed pages until the machine runs short of memory; a
    # worker that has read a partition would look 50 to 140 MiB larger than what it holds.
    allocator = {"_RJEM_MALLOC_CONF": "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0"}
    cores = {CORES: str(resources.threads)}
    return dict.fromkeys(THREAD_VARIABLES, str(resources.threads)) | cores | allocator


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the workers, and put back what was there (the nanny changes some too)."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
