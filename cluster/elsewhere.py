"""What differs on a cluster that others started, and matters to what runs on it.

Dask's settings are read when a scheduler or a worker starts, and native libraries read theirs when
they are loaded: from here they can only be looked at. Functions of Python and Dask do the asking,
because ours may not be there yet.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import dask
from dask.utils import parse_timedelta
from distributed import Client

from cluster.settings import SETTINGS, THREAD_VARIABLES
from cluster.variables import as_variables

OF_SCHEDULER = {
    "distributed.scheduler.allowed-failures": "how many deaths of workers a task may see",
    "distributed.scheduler.worker-ttl": "how long a frozen worker is waited for",
    "distributed.scheduler.no-workers-timeout": "how long a task waits when no worker is left",
}
OF_WORKERS = {
    "distributed.worker.memory.target": "results move to disk at this part of the memory",
    "distributed.worker.memory.spill": "results move to disk at this part of the memory",
    "distributed.worker.memory.pause": "no more tasks at this part of it, at times for good",
    "distributed.worker.memory.terminate": "a worker is ended at this part of its memory",
}
"""Settings of `cluster.settings.SETTINGS` that change what becomes of a run, and what they say."""


def told(client: Client, workers: Mapping[str, Any], threads: int) -> tuple[str, ...]:
    """Compare a cluster with those that we start.

    Args:
        client: A client of it.
        workers: The scheduler's record of each worker.
        threads: Threads of one worker that compute at once.

    Returns:
        What the user should know, a sentence each; nothing for a cluster that we started.
    """
    return (
        *_sizes(workers),
        *_unguarded(workers),
        *_settings(client),
        *_variables(client, threads),
    )


def variables() -> dict[str, str]:
    """Return settings to start a scheduler and workers with, as variables that Dask reads."""
    return as_variables({name: SETTINGS[name] for name in (*OF_SCHEDULER, *OF_WORKERS)})


def _sizes(workers: Mapping[str, Any]) -> Iterator[str]:
    sizes = Counter((int(w["nthreads"]), int(w["memory_limit"])) for w in workers.values())
    if len(sizes) > 1:
        kinds = ", ".join(
            f"{count} of {threads} threads and {memory / 2**30:.2f} GiB"
            for (threads, memory), count in sorted(sizes.items())
        )
        yield (
            f"the workers are not alike ({kinds}): work is planned for the fewest threads and the "
            "least memory"
        )


def _unguarded(workers: Mapping[str, Any]) -> Iterator[str]:
    bare = sum(not worker.get("nanny") for worker in workers.values())
    if bare:
        yield (
            f"{bare} of {len(workers)} workers have no nanny: one that dies is not started anew, "
            "and none is ended for its memory"
        )


def _settings(client: Client) -> Iterator[str]:
    found = [(name, client.run_on_scheduler(dask.config.get, name)) for name in OF_SCHEDULER]
    for name in OF_WORKERS:
        found += [
            (name, value)
            for value in set(client.run(dask.config.get, name, on_error="ignore").values())
        ]
    meanings = OF_SCHEDULER | OF_WORKERS
    other = [
        f"{name.removeprefix('distributed.')} is {value}, not {SETTINGS[name]} ({meanings[name]})"
        for name, value in found
        if _plain(value) != _plain(SETTINGS[name])
    ]
    if other:
        yield (
            f"the cluster has other settings than jobs are tested with: {'; '.join(other)}. "
            "docs/clusters.md has the variables to start it with"
        )


def _plain(value: object) -> object:
    """Return spans of time in seconds, so that ``60s`` and ``1 minute`` are the same."""
    return parse_timedelta(value) if isinstance(value, str) else value


def _variables(client: Client, threads: int) -> Iterator[str]:
    other = [
        name
        for name in THREAD_VARIABLES
        if set(client.run(os.getenv, name, on_error="ignore").values()) != {str(threads)}
    ]
    if other:
        yield (
            f"the workers were not started with {', '.join(f'{n}={threads}' for n in other)}: each "
            "may take all cores of its machine at once, and more memory than is planned"
        )
