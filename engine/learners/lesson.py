"""What a learner is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.boosting.source import RowSource, ShardPart
from engine.learners.estimator import Estimator, Task
from engine.models.learned import Learned
from engine.place.kept import Kept

Progress = Callable[[int, Mapping[str, int]], None]
"""Hears of rows that were worked on since the last call, and the peak bytes of workers by name."""


@dataclass(frozen=True)
class Assignment:
    """What is to be learned, the rows apart: known before anything is read.

    Attributes:
        estimator: What learns.
        task: What is learned.
        params: The user's parameters of the estimator.
        classes: Number of classes of a binary (2) or multiclass task; 0 where it is not known yet,
            or there are none.
        seed: Of everything that draws.
        sample_rows: Rows of a sample, where one is drawn, at most.
        memory: Bytes that a worker may take.
        weighted: Whether rows count differently: by a weight, or by their class.
    """

    estimator: Estimator
    task: Task
    params: Mapping[str, Any] = field(default_factory=dict)
    classes: int = 0
    seed: int = 42
    sample_rows: int = 200_000
    memory: int = 0
    weighted: bool = False


@dataclass(frozen=True)
class Lesson:
    """An assignment and its rows: all that a learner needs beside an open client.

    Attributes:
        assignment: What is to be learned.
        source: Reads the training and validation rows of a partition as matrices, in a task.
        parts: All partitions, with their numbers of training and validation rows.
        threads: Tasks that all workers may have at once.
        checkpoint: Where a training that is not finished is kept; ``None``: nowhere.
    """

    assignment: Assignment
    source: RowSource
    parts: tuple[ShardPart, ...]
    threads: int = 1
    checkpoint: Kept | None = None

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return sum(part.train for part in self.parts)


@dataclass(frozen=True)
class Learnt:
    """What a learner returns.

    Attributes:
        model: The fitted model.
        history: What was measured on the way, an entry for each pass or epoch.
        notes: What the user has to know, in words: on which sample it was trained, that it has
            not converged.
        told: The same and more as plain JSON, for the provenance.
        peak_memory: Highest bytes of a worker, its child processes included.
    """

    model: Learned
    history: tuple[Mapping[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    peak_memory: int = 0
