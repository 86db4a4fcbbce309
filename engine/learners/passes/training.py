"""What the adapters of dask-ml's estimators are given, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from engine.learners.lesson import Assignment
from engine.learners.passes.arrays import Arrays
from engine.learners.passes.computing import Computing
from engine.learners.passes.matrices import Looked, Matrices
from engine.models.learned import Learned
from engine.plan import Partition
from engine.tasks.execute import in_order, over_partitions

W = TypeVar("W")
R = TypeVar("R")


@dataclass(frozen=True)
class Training:
    """One training, its rows prepared and looked at.

    Attributes:
        assignment: What is to be learned.
        matrices: The rows.
        looked: What was found of them.
        computing: Runs what dask-ml computes.
        threads: Tasks that all workers may have at once.
    """

    assignment: Assignment
    matrices: Matrices
    looked: Looked
    computing: Computing
    threads: int

    @property
    def columns(self) -> tuple[int, ...]:
        """Positions of all features."""
        return tuple(range(self.matrices.features))

    @property
    def varying(self) -> tuple[int, ...]:
        """Positions of the features that are not the same number in all rows."""
        return tuple(int(place) for place in np.flatnonzero(self.looked.low < self.looked.high))

    def arrays(self, columns: tuple[int, ...]) -> Arrays:
        """Return the rows as Dask arrays, some of the features."""
        return Arrays(self.matrices, columns)

    def mapped(self, function: Callable[[W, Partition], R], work: W) -> Iterator[R]:
        """Run a function over all partitions and yield its results in their order."""
        yield from passed(self.computing, self.matrices, function, work, self.threads)


@dataclass(frozen=True)
class Fitted:
    """What an adapter returns; see `engine.learners.lesson.Learnt`."""

    model: Learned
    history: tuple[Mapping[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


def passed(
    computing: Computing,
    matrices: Matrices,
    function: Callable[[W, Partition], R],
    work: W,
    threads: int,
    rows_of: Callable[[Partition], int] = lambda _: 0,
) -> Iterator[R]:
    """Make one pass over the partitions, with an eye on the cancel flag.

    Args:
        computing: Counts passes and hears of peaks.
        matrices: The rows.
        function: Called in a worker with the work and a partition.
        work: What all calls share.
        threads: Tasks that all workers may have at once.
        rows_of: Rows of a partition that count as progress.
    """
    computing.look()
    run = partial(over_partitions, computing.client, function, work, matrices.partitions)
    with closing(run(threads=threads)) as outcomes:  # type: ignore[type-var]
        for done in in_order(outcomes, matrices.partitions):
            computing.told({done.worker: done.peak}, rows_of(done.partition))
            computing.look()
            yield done.result
    computing.passes += 1
