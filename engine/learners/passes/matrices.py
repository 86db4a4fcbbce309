"""The training rows as matrices on the disks of the workers, read block by block in every pass.

A partition is read and prepared once, and kept as a float32 matrix in a ``.npy`` file beside its
labels, on the disk of the machine whose worker prepared it. A worker that finds no file prepares
the partition again. Nothing of it stays in memory: a block is copied out of the file, and the
mapping closed (the pages of an open one would count as memory of the process).
"""

from __future__ import annotations

import os
import shutil
import uuid
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from distributed import get_worker

from engine.boosting.gang import scratch
from engine.boosting.source import Rows, RowSource, ShardPart
from engine.errors import InputChanged
from engine.plan import MIB, Partition

Floats = npt.NDArray[np.float64]

BLOCK_BYTES = 16 * MIB
"""Of the float64 rows that a task works on at once. Blocks are counted from the first row, not by
partitions, so that sums of dask-ml are the same bits however the data were cut."""

CELL = 4
"""Bytes a cell on disk: the float32 that the pipeline makes."""

_ENDED: Final[set[str]] = set()
"""Names of the trainings that this worker was told have ended. Dask does not stop a task that
runs: one that goes on after its training was cancelled must not leave its files behind."""


def block_rows(features: int) -> int:
    """Return the rows of a block: at least twice as many as there are features.

    A QR decomposition of a block (`engine.learners.passes.projection`) makes features x features
    numbers of it: fewer rows would make the stack of them as large as the data.
    """
    return max(BLOCK_BYTES // (8 * max(1, features)), 2 * features)


@dataclass(frozen=True)
class Looked:
    """What the first look at the rows of a partition has found.

    Attributes:
        rows: How many.
        low: Least value of each feature, NaN where one is missing; shape (features,).
        high: Greatest value, infinite where one is; shape (features,).
        labels: Least and greatest label.
    """

    rows: int
    low: Floats
    high: Floats
    labels: tuple[float, float]

    def merge(self, other: Looked) -> Looked:
        """Return what both have found."""
        return Looked(
            self.rows + other.rows,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            (min(self.labels[0], other.labels[0]), max(self.labels[1], other.labels[1])),
        )


@dataclass(frozen=True)
class Matrices:
    """The training rows of all partitions, as one matrix that is nowhere as a whole.

    Attributes:
        source: Reads a partition.
        parts: The partitions with training rows, in order.
        name: Of the folder on the workers' disks.
    """

    source: RowSource
    parts: tuple[ShardPart, ...]
    name: str = field(default_factory=lambda: f"rows-{uuid.uuid4().hex}")

    @classmethod
    def of(cls, source: RowSource, parts: tuple[ShardPart, ...]) -> Matrices:
        """Leave out partitions without training rows."""
        return cls(source, tuple(part for part in parts if part.train))

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(part.train for part in self.parts)

    @property
    def features(self) -> int:
        """Number of columns."""
        return len(self.source.features)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Those with training rows."""
        return tuple(part.partition for part in self.parts)

    def look(self, partition: Partition) -> Looked:
        """Prepare a partition, keep it, and tell what its cells are like."""
        rows = self._prepare(partition)
        with np.errstate(invalid="ignore"):  # NaN is what is looked for
            low, high = rows.x.min(axis=0), rows.x.max(axis=0)
        labels = (float(rows.y.min()), float(rows.y.max()))
        return Looked(len(rows.x), low.astype(float), high.astype(float), labels)

    def read(self, start: int, stop: int) -> Floats:
        """Return some rows, shape (stop - start, features), counted over all partitions."""
        out = np.empty((stop - start, self.features))
        return self._filled(out, start, "x")

    def labels(self, start: int, stop: int) -> Floats:
        """Return the labels of some rows, shape (stop - start,)."""
        return self._filled(np.empty(stop - start), start, "y")

    def blocks(self, partition: Partition) -> Iterator[tuple[Floats, Floats]]:
        """Yield the rows of a partition and their labels, some at a time."""
        index = next(i for i, part in enumerate(self.parts) if part.partition == partition)
        start = sum(part.train for part in self.parts[:index])
        bounds = [*range(0, self.parts[index].train, block_rows(self.features))]
        for low, high in pairwise([*bounds, self.parts[index].train]):
            rows = start + low, start + high
            yield self.read(*rows), self.labels(*rows)

    def _filled(self, out: Floats, start: int, what: str) -> Floats:
        """Copy rows, or labels, out of the files that they lie in."""
        bounds = [0, *accumulate(part.train for part in self.parts)]
        done, number = 0, bisect_right(bounds, start) - 1
        while done < len(out):
            first = start + done - bounds[number]
            kept = self._kept(self.parts[number].partition, what)[first : first + len(out) - done]
            out[done : done + len(kept)] = kept
            done, number = done + len(kept), number + 1
        return out

    def _kept(self, partition: Partition, what: str) -> npt.NDArray[np.float32]:
        path = self._path(partition, what)
        if not path.exists():
            self._prepare(partition)
        array: npt.NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        return array

    def _prepare(self, partition: Partition) -> Rows:
        """Read the training rows of a partition and keep them on this machine's disk."""
        rows = self.source.read(partition, "train")
        counted = next(part.train for part in self.parts if part.partition == partition)
        if len(rows.x) != counted:
            raise InputChanged(
                f"partition {partition.index} had {counted:,} training rows and now has "
                f"{len(rows.x):,}",
                hint="the data were changed while they were read: run the job again",
            )
        root = self._folder().parent
        with scratch.in_use(root, self.name, keep=False):
            for what, array in (("x", rows.x), ("y", rows.y)):
                self._put(self._path(partition, what), array)
        if self.name in _ENDED:
            shutil.rmtree(self._folder(), ignore_errors=True)
        return rows

    def _put(self, path: Path, array: npt.NDArray[np.float32]) -> None:
        """Write a file that is there as a whole or not at all: two workers may write the same."""
        part = path.with_suffix(f".{uuid.uuid4().hex}")
        try:
            with part.open("wb") as file:
                np.save(file, array.astype(np.float32, copy=False), allow_pickle=False)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    def _path(self, partition: Partition, what: str) -> Path:
        return self._folder() / f"{partition.index}.{what}.npy"

    def _folder(self) -> Path:
        return scratch.root(get_worker()) / self.name


def looked(matrices: Matrices, partition: Partition) -> Looked:
    """Prepare one partition: what a task of the first pass does."""
    return matrices.look(partition)


def removed(name: str, dask_worker: Any) -> None:
    """Remove the files of a training from a worker's disk, even while one of its tasks runs."""
    _ENDED.add(name)
    shutil.rmtree(scratch.root(dask_worker) / name, ignore_errors=True)
