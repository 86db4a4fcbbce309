"""A driver on the cluster: a task that holds a process, kept by the scheduler.

When the worker dies, the process ends with it, and the scheduler gives the task to another worker:
there a new driver waits until the old one counts as dead, and goes on with what is left.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cluster.hosting import Hosted
from cluster.session import connect
from engine.storage import Access
from jobs.driving.detached import command, environment
from jobs.planning.needs import needs_of
from jobs.runs.folder import Run
from jobs.runs.state import Entry, State
from jobs.runs.store import Store
from jobs.spec.job import JobSpec

LOOK_SECONDS = 2.0
"""So often is looked whether the driver before this one is dead."""


@contextmanager
def handed_over(job: JobSpec, store: Store, run: Run, after: int) -> Iterator[None]:
    """Submit the task, and leave it to the scheduler on the way out.

    The scheduler takes up what is submitted in its own time, and only what it knows can be left to
    it: so the body waits for the driver to begin.

    Args:
        job: The job; its cluster runs already.
        store: Where the run folders are; all workers see it.
        run: The run.
        after: Number of the newest entry of its state log.

    Yields:
        Once, when the task is submitted.

    Raises:
        ClusterError: The cluster cannot be reached, or is not fit for the job.
    """
    from distributed import fire_and_forget

    with connect(job.cluster, needs=needs_of(job, store.location)) as session:
        # A name of its own: the scheduler would take a second task of one name for the first.
        key = f"millrace-driver-{run.id}-{after}"
        future = session.client.submit(
            host, store.location, store.access.options, run.id, after, key=key, pure=False
        )
        try:
            yield
        finally:
            fire_and_forget(future)


def host(location: str, options: Sequence[tuple[str, str]], name: str, after: int) -> int:
    """Hold a driver, in a task.

    Args:
        location: Of the store.
        options: How it is reached.
        name: Id of the run.
        after: Number of the newest entry of its state log when it was handed over.

    Returns:
        The driver's exit code; 0 when there is nothing to drive any more.
    """
    from distributed import get_worker, secede

    worker = get_worker()
    secede()  # the thread is free for parts
    store = Store.at(location, Access(tuple((str(n), str(v)) for n, v in options)))
    run = store.find(name)
    if (last := _free(run)).number != after and run.stands(last) != State.LOST:
        return 0  # this is not the first try, and the run has ended meanwhile
    driver = subprocess.Popen(
        [*command(store, run, last.number), "--held"],
        stdin=subprocess.PIPE,  # closed when this process ends, however it ends
        env=environment(),
    )
    assert driver.stdin is not None
    driver.stdin.write(_way(worker).line())
    driver.stdin.flush()
    return driver.wait()


def _free(run: Run) -> Entry:
    """Wait until the run has no driver that lives; return the newest entry of its log."""
    while run.stands(last := run.log.last()).active:
        time.sleep(LOOK_SECONDS)
    return last


def _way(worker: object) -> Hosted:
    security = worker.security  # type: ignore[attr-defined]
    tls = security.get_connection_args("worker")["ssl_context"] is not None
    material = (security.tls_ca_file, security.tls_worker_cert, security.tls_worker_key)
    address = worker.scheduler.address  # type: ignore[attr-defined]
    return Hosted(address, *material) if tls else Hosted(address)
