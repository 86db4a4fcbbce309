"""What Dask's scheduler knows of workers: which tasks each was given, and who has a free thread."""

from __future__ import annotations

from distributed import Client

QUIET_SECONDS = 8.0
"""A worker tells how it is every 0.5 s (every 5 s where there are hundreds): one that has not for
so long, while another has, may be frozen."""


def homes(client: Client) -> dict[object, str]:
    """Return the worker of each task that was given to one, by key."""
    return {key: name for name, keys in client.processing().items() for key in keys}


def free_workers(client: Client) -> list[str]:
    """Return the workers that run fewer tasks than they have threads.

    What waits there does not count: it may wait for good, for what a frozen worker should send.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    newest = max((each["last_seen"] for each in workers.values()), default=0.0)
    return [
        name
        for name, each in workers.items()
        if each["metrics"].get("task_counts", {}).get("executing", 0) < each["nthreads"]
        and newest - each["last_seen"] < QUIET_SECONDS
    ]
