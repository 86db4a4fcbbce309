"""The one way in which partitions are worked on: a bounded map over Dask workers.

One task a partition, a few more under way than there are threads, small results back in the order
in which they finish. What every task needs (the `work`) goes to the cluster once, as a task of its
own, so that Dask can make it again when a worker dies; frames never travel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

from distributed import Client

from engine import process
from engine.plan import Partition
from engine.tasks.calls import Done, Failed
from engine.tasks.underway import UnderWay

__all__ = ["AHEAD", "Done", "Failed", "Notice", "attempted", "in_order", "log", "over_partitions"]

W = TypeVar("W")
R = TypeVar("R")

AHEAD = 2
"""Tasks under way for each thread: one runs, one waits beside it."""


Notice = Callable[[str], None]
"""Hears what a user should know and what stops nothing: an outage, a second run."""

log: Notice = logging.getLogger("millrace").warning
"""Who hears it where nobody else is named."""


def over_partitions(
    client: Client,
    function: Callable[[W, Partition], R],
    work: W,
    partitions: Sequence[Partition],
    *,
    threads: int,
    notice: Notice = log,
) -> Iterator[Done[R]]:
    """Run a function for every partition and yield one result of each as they finish.

    It may run more than once for a partition, also at the same time: when a worker dies, after an
    outage, and when a partition is late (`engine.tasks.stragglers`). So it must be safe to run
    twice, as what stages a part or only computes is. Closing the iterator (an exception, Ctrl-C)
    cancels what is under way.

    Args:
        client: An open Dask client.
        function: Importable on workers; called with the work and a partition.
        work: What all calls share; picklable.
        partitions: What to work on.
        threads: Threads of all workers together.
        notice: Hears of second runs and outages; may raise to end the pass.

    Raises:
        MillraceError: The one that a call raised; it names its place itself.
        Outage: A store, a disk or the machine failed for longer than it is waited for.
        TaskFailed: A call failed three times, or took several workers down with nothing beside it.
    """
    outcomes = attempted(
        client, function, work, partitions, under_way=threads * AHEAD, notice=notice
    )
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
    notice: Notice = log,
) -> Generator[Done[R] | Failed]:
    """Do what `over_partitions` does, but hand back a partition that fails and go on.

    Args:
        client: An open Dask client.
        function: Importable on workers; called with the work and a partition.
        work: What all calls share; picklable.
        partitions: What to work on.
        under_way: Most partitions that are submitted at once.
        notice: Hears of second runs and outages; may raise to end the pass.
    """
    # A worker that dies now starts at its own peak.
    client.run(process.begin, function.__module__, on_error="ignore")
    under = UnderWay(client, function, work, partitions, under_way, notice)
    try:
        yield from under.outcomes()
    finally:
        under.cancel()


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
