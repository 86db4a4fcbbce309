"""Rows with folds; a module beside the tests, as workers and ranks import it too."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from boosting_rows import Drawn

from engine.boosting import Rows, RowSource, ShardPart
from engine.boosting.bins.marks import MarkedRows, UnderFold
from engine.plan import Partition
from engine.split import TEST, TRAIN, VALID


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

    def under(self, count: int, fold: int) -> tuple[UnderFold, list[ShardPart]]:
        """Return the rows of some partitions under a fold, and their numbers."""
        kept = [int((self.marks()[fold] == mark).sum()) for mark in (TRAIN, VALID)]
        parts = [ShardPart(partition, *kept) for partition in self.partitions(count)]
        return UnderFold.of(self, fold, self.parts(count)), parts

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


@dataclass(frozen=True)
class Alone:
    """The rows of a fold, which is not known to be one: nothing is shared."""

    source: UnderFold

    @property
    def features(self) -> tuple[str, ...]:
        return self.source.features

    @property
    def categorical(self) -> tuple[int, ...]:
        return self.source.categorical

    @property
    def vectors(self) -> frozenset[str]:
        return self.source.vectors

    def read(self, partition: Partition, part: str) -> Rows:
        return self.source.read(partition, part)
