"""Rows that are drawn by their number alone, so that they can be cut anyhow; nothing is on disk.

A module beside the tests, because workers must be able to import what their source is made of.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.boosting.source import Rows, ShardPart
from engine.plan import Partition, Slice
from engine.split import uniform

VALID = 6
"""Of so many rows one is for validation."""


@dataclass(frozen=True)
class Numbered:
    """Rows with a known signal.

    Attributes:
        task: Kind of labels.
        weighted: Whether rows have weights.
        gone: Row whose feature ``b`` is missing.
        deadly: File without which a worker that reads row ``at`` dies, once it has made it.
        at: See ``deadly``.
    """

    task: str = "binary"
    weighted: bool = False
    gone: int = -1
    deadly: Path | None = None
    at: int = -1
    features: tuple[str, ...] = ("a", "b", "c")
    categorical: tuple[int, ...] = ()

    @property
    def vectors(self) -> frozenset[str]:
        return frozenset({"weight"} if self.weighted else ())

    def rows(self, numbers: npt.NDArray[np.uint64]) -> Rows:
        drawn = [uniform(numbers, seed) for seed in range(5)]
        x = np.column_stack(drawn[:3]).astype(np.float32) * 2 - 1
        signal_ = x[:, 0] + 0.5 * x[:, 1] + 0.3 * (drawn[3] - 0.5)
        match self.task:
            case "binary":
                y = signal_ > 0
            case "multiclass":
                y = np.digitize(signal_, [-0.4, 0.4])
            case _:
                y = signal_
        x[numbers == self.gone, 1] = np.nan
        weight = drawn[4].astype(np.float32) if self.weighted else None
        return Rows(np.ascontiguousarray(x), np.asarray(y, np.float32), weight)

    def read(self, partition: Partition, part: str) -> Rows:
        first = partition.slices[0].first
        if self.deadly and first <= self.at < first + partition.rows and not self.deadly.exists():
            self.deadly.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.rows(numbers_of(partition, part))

    def all(self, total: int, part: str) -> Rows:
        """Return the rows of a part of so many rows in all."""
        return self.rows(numbers_of(cut(total, [total])[0].partition, part))


def numbers_of(partition: Partition, part: str) -> npt.NDArray[np.uint64]:
    first = partition.slices[0].first
    numbers = np.arange(first, first + partition.rows, dtype=np.uint64)
    return numbers[(numbers % VALID == 0) == (part == "valid")]


def cut(total: int, cuts: list[int]) -> tuple[ShardPart, ...]:
    """Return rows 0 to ``total`` as partitions that end at these rows."""
    parts, first = [], 0
    for index, last in enumerate(sorted({*cuts, total})):
        rows = last - first
        partition = Partition(index, (Slice(0, first, rows, first),), rows, rows * 12, 0, 0)
        valid = len(numbers_of(partition, "valid"))
        parts.append(ShardPart(partition, rows - valid, valid))
        first = last
    return tuple(parts)
