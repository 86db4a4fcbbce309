"""A section that fails for a reason that passes is run again; what it had finished is kept.

What a store, a disk or the machine refuse to a task is waited for there (`engine.outages`). Here it
is what happens to the driver itself: its own requests to a store, and the loss of the scheduler.
A mistake in the job, the data or the model is told at once: it would only be made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from engine.errors import Cancelled, ClusterLost, MillraceError, Outage
from engine.outages import Pause, next_pause
from jobs.sections.context import Context

T = TypeVar("T")

LOOK_SECONDS = 0.5

STEADY_SECONDS = 60.0
"""A cluster that was lost after so long is waited for as long as the first time."""


def retried(context: Context, section: str, work: Callable[[], T]) -> T:
    """Run a section until it ends for good.

    Args:
        context: The run.
        section: Its name.
        work: Does it; finished parts are not done again.

    Raises:
        Outage: What failed has failed for longer than it is waited for.
        MillraceError: It failed for another reason.
    """
    pause: Pause | None = None
    while True:
        began = time.monotonic()
        try:
            return work()
        except Exception as error:
            lost = context.session.lost or isinstance(error, ClusterLost)
            failed = _passing(error, lost)
            if failed is None:
                raise
            now = time.monotonic()
            pause = next_pause(None if lost and now - began > STEADY_SECONDS else pause, now)
            if pause is None:
                raise failed from error
            context.reporter.warning(f"{section}: {failed.what} It is tried again.")
            context.session.drop()
            _wait(context, pause.until)


def _passing(error: Exception, lost: bool) -> Outage | None:
    """Return what may be gone when the section is tried again; None for what will not be."""
    if isinstance(error, Cancelled):
        return None
    if lost:
        return Outage(
            f"The cluster was lost ({_first(error)}).",
            where="[cluster]",
            hint="`millrace resume` goes on with what is finished, when the cluster is there again",
        )
    return error if isinstance(error, Outage) else None


def _first(error: Exception) -> str:
    told = error.what if isinstance(error, MillraceError) else str(error)
    return (told.strip().splitlines() or [type(error).__name__])[0]


def _wait(context: Context, until: float) -> None:
    while time.monotonic() < until:
        context.look()
        time.sleep(LOOK_SECONDS)
