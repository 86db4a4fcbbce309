"""The one way in which partitions are worked on: a bounded map over Dask workers.

One task a partition, a few more under way than there are threads, small results back in the order
in which they finish. What every task needs (the `work`) goes to the cluster once, as a task of its
own, so that Dask can make it again when a worker dies; frames never travel.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from distributed import Client, Future, as_completed
from distributed.scheduler import KilledWorker

from engine import cores, process
from engine.errors import MillraceError, TaskFailed
from engine.plan import Partition

W = TypeVar("W")
R = TypeVar("R")

RETRIES = 2
"""Runs of a task after an exception that is not a `MillraceError` (those are never retried)."""

AHEAD = 2
"""Tasks under way for each thread: one runs, one waits beside it."""


@dataclass(frozen=True)
class Done(Generic[R]):
    """A finished partition.

    Attributes:
        partition: The partition.
        result: What the function returned.
        worker: Process of the worker, ``host:pid``.
        peak: Peak resident bytes of that process since the pass began.
    """

    partition: Partition
    result: R
    worker: str
    peak: int


@dataclass(frozen=True)
class Failed:
    """A partition that could not be worked on.

    Attributes:
        partition: The partition.
        error: Why: what the call raised, or a `TaskFailed` after all retries.
    """

    partition: Partition
    error: MillraceError


def over_partitions(
    client: Client,
    function: Callable[[W, Partition], R],
    work: W,
    partitions: Sequence[Partition],
    *,
    threads: int,
) -> Iterator[Done[R]]:
    """Run a function once for every partition and yield the results as they finish.

    Closing the iterator (an exception, Ctrl-C) cancels what is under way.

    Args:
        client: An open Dask client.
        function: Importable on workers; called with the work and a partition.
        work: What all calls share; picklable.
        partitions: What to work on.
        threads: Threads of all workers together.

    Raises:
        MillraceError: The one that a call raised; it names its place itself.
        TaskFailed: A call failed three times, or took several workers down.
    """
    outcomes = attempted(client, function, work, partitions, under_way=threads * AHEAD)
    with closing(outcomes):
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                raise outcome.error
            yield outcome


def attempted(
    client: Client,
    function: Callable[[W, Partition], R],
    work: W,
    partitions: Sequence[Partition],
    *,
    under_way: int,
) -> Generator[Done[R] | Failed]:
    """Do what `over_partitions` does, but hand back a partition that fails and go on.

    Args:
        client: An open Dask client.
        function: Importable on workers; called with the work and a partition.
        work: What all calls share; picklable.
        partitions: What to work on.
        under_way: Most partitions that are submitted at once.
    """
    client.run(process.begin, function.__module__)
    shared = client.submit(pickle.loads, pickle.dumps(work), pure=False, retries=RETRIES)
    client.replicate([shared])  # Dask gives tasks to workers that hold what they need
    waiting = iter(partitions)
    running: dict[Future[Any], Partition] = {}

    def start(count: int) -> list[Future[Any]]:
        fresh = {
            client.submit(_call, function, shared, part, pure=False, retries=RETRIES): part
            for _, part in zip(range(count), waiting, strict=False)
        }
        running.update(fresh)
        return list(fresh)

    try:
        finished = as_completed(start(under_way))
        for future in finished:
            outcome = _outcome(future, running.pop(future))
            finished.update(start(1))
            yield outcome
    finally:
        client.cancel([shared, *running], force=True)


def _call(function: Callable[[Any, Partition], Any], work: Any, partition: Partition) -> Any:
    """Run one partition in a worker; an error that must not be retried is returned, not raised."""
    try:
        with cores.held():
            result = function(work, partition)
    except MillraceError as error:
        return error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return TaskFailed(f"the reader gave up: {error}", where=_place(partition))
    return Done(partition, result, process.name(), process.peak())


def _outcome(future: Future[Any], partition: Partition) -> Done[Any] | Failed:
    try:
        result = future.result()
    except KilledWorker as error:
        result = TaskFailed(
            "this partition took several workers down",
            where=_place(partition),
            hint="it ran out of memory or crashed: give the workers more memory, see their log",
        )
        result.__cause__ = error
    except Exception as error:
        result = TaskFailed(
            f"{type(error).__name__}: {error}",
            where=_place(partition),
            hint="it failed three times; --debug shows the traceback",
        )
        result.__cause__ = error
    if isinstance(result, MillraceError):
        return Failed(partition, result)
    assert isinstance(result, Done)
    return result


def _place(partition: Partition) -> str:
    first = partition.slices[0]
    return f"partition {partition.index}, {partition.rows:,} rows from row {first.first:,}"


def in_order(done: Iterable[Done[R]], partitions: Sequence[Partition]) -> Iterator[Done[R]]:
    """Yield finished partitions in the order of the plan, so that merging gives the same bits.

    Args:
        done: Results in any order, one for each partition.
        partitions: The order wanted.
    """
    early: dict[int, Done[R]] = {}
    order = iter(partitions)
    due = next(order, None)
    for result in done:
        early[result.partition.index] = result
        while due is not None and due.index in early:
            yield early.pop(due.index)
            due = next(order, None)
