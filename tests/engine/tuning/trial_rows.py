"""Rows with folds for the tests of trials; a module beside them, as workers import it too."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "boosting"))

from boosting_rows import Drawn

from engine.boosting import Rows, RowSource
from engine.plan import Partition
from engine.split import TEST, TRAIN, VALID
from engine.tuning.boosted.marks import MarkedRows


@dataclass(frozen=True)
class Dealt(Drawn):
    """Training rows dealt to folds by turns; every tenth row is in no fold.

    Attributes:
        folds: How many folds.
        reads: Folder with a file for each read of a partition.
    """

    valid: int = 0
    folds: int = 3
    reads: Path | None = None

    @property
    def unfolded(self) -> RowSource:
        return Drawn(self.rows, self.valid, self.task)

    def read(self, partition: Partition, part: str) -> MarkedRows:
        if self.reads is not None:
            (self.reads / f"{partition.index}-{os.getpid()}-{time.monotonic_ns()}").touch()
        return MarkedRows(**vars(super().read(partition, part)), marks=self.marks())

    def marks(self) -> np.ndarray:
        turn = np.arange(self.rows)
        folds = range(self.folds)
        marks = np.stack([np.where(turn % self.folds == fold, VALID, TRAIN) for fold in folds])
        marks[:, turn % 10 == 9] = TEST
        return marks.astype(np.uint8)

    def all_in_memory(self, count: int) -> tuple[Rows, np.ndarray]:
        """Return the rows of some partitions, and their marks."""
        parts = [self.all_rows(index) for index in range(count)]
        x, y = (np.concatenate([getattr(part, name) for part in parts]) for name in "xy")
        return Rows(x, y), np.concatenate([self.marks()] * count, axis=1)


@dataclass(frozen=True)
class Queries(Dealt):
    """Queries of ten rows, whole in a fold, with weights."""

    task: str = "ranking"
    vectors: frozenset[str] = frozenset({"query", "weight"})

    @property
    def unfolded(self) -> RowSource:
        return Queries(self.rows, self.valid, self.task, vectors=self.vectors)

    def all_rows(self, index: int) -> Rows:
        rows = super().all_rows(index)
        query = (index * self.rows + np.arange(self.rows)) // 10
        y = np.clip(np.round(rows.y + 1), 0, 4).astype(np.float32)
        weight = 1 + (query % 3).astype(np.float32)
        return Rows(rows.x, y, weight, None, query.astype(np.uint64))

    def read(self, partition: Partition, part: str) -> MarkedRows:
        return MarkedRows(**vars(self.all_rows(partition.index)), marks=self.marks())

    def marks(self) -> np.ndarray:
        turn = np.arange(self.rows) // 10 % self.folds
        marks = [np.where(turn == fold, VALID, TRAIN) for fold in range(self.folds)]
        return np.stack(marks).astype(np.uint8)
