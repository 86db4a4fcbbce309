"""Workers that come when their machines are there."""

from __future__ import annotations

import time
from collections.abc import Callable

from distributed import Client

from cluster.errors import ClusterError

START_SECONDS = 600.0
"""So long workers are waited for: a node that is started, an image that is loaded. As long as Dask
holds tasks for which there is no worker (`cluster.settings`)."""

LOOK_SECONDS = 1.0
"""Pause between two looks at what keeps the workers from starting."""


def wait_for_workers(
    client: Client,
    workers: int,
    hint: str,
    look: Callable[[], None] = lambda: None,
    seconds: float = START_SECONDS,
) -> None:
    """Wait until there are workers.

    Args:
        client: Connected to their scheduler.
        workers: How many.
        hint: What the user can do where they do not come.
        look: Called now and then; raises where waiting is of no use.
        seconds: How long to wait.

    Raises:
        ClusterError: They did not come in time.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            client.wait_for_workers(workers, timeout=LOOK_SECONDS)
            return
        except TimeoutError:
            look()
        if time.monotonic() > end:
            there = len(client.scheduler_info(n_workers=-1)["workers"])
            raise ClusterError(f"{there} of {workers} workers came within {seconds:.0f} s", hint)
