"""One call of a function for one partition, in a worker, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from distributed import Future
from distributed.scheduler import KilledWorker

from engine import cores, process
from engine.errors import ClusterLost, MillraceError, TaskFailed
from engine.outages import outage_of
from engine.plan import Partition

R = TypeVar("R")

FETCH_SECONDS = 10.0
"""A result is a few kilobytes: a worker that does not send it by then hangs."""


@dataclass(frozen=True)
class Done(Generic[R]):
    """A finished partition.

    Attributes:
        partition: The partition.
        result: What the function returned.
        worker: Process of the worker, ``host:pid``.
        peak: Peak resident bytes of that process since the pass began.
        seconds: What the call took in the worker.
    """

    partition: Partition
    result: R
    worker: str
    peak: int
    seconds: float = 0.0


@dataclass(frozen=True)
class Failed:
    """A partition that could not be worked on.

    Attributes:
        partition: The partition.
        error: Why: what the call raised, or a `TaskFailed` after all retries.
        alone: It failed with nothing beside it in the whole cluster.
    """

    partition: Partition
    error: MillraceError
    alone: bool = False

    @property
    def killed(self) -> bool:
        """Whether workers died while they had it: it, or what else they had, or nothing in them."""
        return isinstance(self.error.__cause__, KilledWorker)


def call(function: Callable[[Any, Partition], Any], work: Any, partition: Partition) -> Any:
    """Run one partition in a worker.

    Returns:
        `Done`; or the error that Dask must not retry at once: a `MillraceError`, an `Outage` that
        the call met, a panic.
    """
    began = time.perf_counter()
    try:
        with cores.held():
            result = function(work, partition)
    except MillraceError as error:
        return outage_of(error, place(partition)) or error
    except BaseException as error:
        if outage := outage_of(error, place(partition)):
            return outage
        if type(error).__name__ != "PanicException":
            raise
        return TaskFailed(f"the reader gave up: {error}", where=place(partition))
    return Done(partition, result, process.name(), process.peak(), time.perf_counter() - began)


def outcome(future: Future[Any], partition: Partition) -> Done[Any] | Failed | None:
    """Return what came of a call that has ended; ``None`` when its worker does not hand it over.

    A result waits in the process that made it until it is fetched, and that may freeze meanwhile.

    Raises:
        ClusterLost: The scheduler does not know the call any more.
    """
    try:
        result = future.result(timeout=FETCH_SECONDS)
    except KilledWorker as error:
        result = TaskFailed(
            "this partition took several workers down",
            where=place(partition),
            hint="it ran out of memory or crashed: give the workers more memory, see their log",
        )
        result.__cause__ = error
    except CancelledError as error:  # not by us: what we give up is not asked for
        raise ClusterLost(
            "the scheduler is gone, or another one has come in its place",
            hint="`millrace resume` goes on with what is finished",
        ) from error
    except Exception as error:
        if isinstance(error, TimeoutError) and future.status != "error":
            return None
        result = TaskFailed(
            f"{type(error).__name__}: {error}",
            where=place(partition),
            hint="it failed three times; --debug shows the traceback",
        )
        result.__cause__ = error
    if isinstance(result, MillraceError):
        return Failed(partition, result)
    assert isinstance(result, Done)
    return result


def place(partition: Partition) -> str:
    """Return where a partition is, for messages."""
    first = partition.slices[0]
    return f"partition {partition.index}, {partition.rows:,} rows from row {first.first:,}"
