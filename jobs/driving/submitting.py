"""A run handed over to a driver that goes on without us."""

from __future__ import annotations

import time

from cluster.errors import ClusterError
from cluster.spec import AddressCluster
from jobs.driving import detached, hosted
from jobs.driving.drive import adopted, asked
from jobs.runs.folder import Run
from jobs.runs.state import State
from jobs.runs.store import Store

BEGIN_SECONDS = 60.0
"""So long is waited for the driver to begin; it goes on to begin afterwards too."""

LOOK_SECONDS = 0.2


def submit(store: Store, run: Run, *, here: bool = False) -> State:
    """Start a driver for a run: on the cluster if that is there without us, else on this machine.

    Args:
        store: Where the run folders are; a driver on the cluster must see it too.
        run: A new run, or one that is to go on.
        here: Start it on this machine in any case.

    Returns:
        The state after the driver has begun, or PENDING if it has not begun yet.

    Raises:
        ClusterError: The cluster cannot be reached, or no worker can host a driver.
        SpecError: The run has ended well, or its driver lives.
    """
    seen = adopted(run)
    job, _ = asked(run)
    if isinstance(job.cluster, AddressCluster) and not here:
        try:
            with hosted.handed_over(job, store, run, seen.number):
                return _begun(run, seen.number)
        except ClusterError:
            if seen.number == 0 and run.log.last().number == 0:
                run.remove()  # a new run that nobody has heard of is none
            raise
    detached.start(store, run, seen.number)
    return _begun(run, seen.number)


def _begun(run: Run, before: int) -> State:
    deadline = time.monotonic() + BEGIN_SECONDS
    while time.monotonic() < deadline:
        last = run.log.last()
        if last.number > before and last.state != State.STARTING:
            return run.stands(last)
        time.sleep(LOOK_SECONDS)
    return run.state()
