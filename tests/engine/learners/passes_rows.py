"""Rows of a file as a row source, importable in workers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.boosting.source import Rows, ShardPart
from engine.plan import Partition, RowGroup, partitions


@dataclass(frozen=True)
class FileRows:
    """Rows of a ``.npy`` file, features and then the label; notes each partition it reads.

    Attributes:
        path: The file.
        width: Number of features.
        log: Gets a letter for every partition that is read.
        gate: Where given, all reads but the first partition's go on when this file is there.
    """

    path: Path
    width: int
    log: Path
    categorical: tuple[int, ...] = ()
    vectors: frozenset[str] = frozenset()
    gate: Path | None = None

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(f"f{place}" for place in range(self.width))

    def read(self, partition: Partition, part: str) -> Rows:
        with self.log.open("a") as log:
            log.write("x")
        while self.gate is not None and partition.index and not self.gate.exists():
            time.sleep(0.01)
        first = partition.slices[0].first
        found = np.load(self.path, mmap_mode="r")[first : first + partition.rows]
        return Rows(np.array(found[:, :-1]), np.array(found[:, -1]))

    @property
    def reads(self) -> int:
        """Partitions read so far."""
        return len(self.log.read_text()) if self.log.exists() else 0


def file_rows(folder: Path, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> FileRows:
    """Write rows and return their source."""
    np.save(folder / "rows.npy", np.column_stack([x, y]).astype(np.float32))
    return FileRows(folder / "rows.npy", x.shape[1], folder / "log")


def parts(rows: int, each: int) -> tuple[ShardPart, ...]:
    """Cut rows into partitions of so many training rows."""
    cut = partitions([RowGroup(0, 0, rows, 0, rows, rows)], each)
    return tuple(ShardPart(one, one.rows, 0) for one in cut)
