"""Rows binned by ourselves into a file of LightGBM's, which LightGBM then loads.

LightGBM 4.7 pushes a row of 28 features in 2.2 us; this takes about a tenth. The file takes a byte
a cell on disk (half of that up to 16 bins) until it has been loaded.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.columns import Column, learn, stored_bytes
from engine.boosting.bins.layout import Unsupported, block, filled, sections
from engine.boosting.native import lightgbm

Array = npt.NDArray[Any]

BLOCK = 16384  # rows binned at a time; what a column of them needs stays in the cache
CHECKED = 2000


class BinFile:
    """A dataset file of so many rows that is filled from the first row on.

    Args:
        reference: Dataset that holds the bins.
        rows: Rows in all.
        first: The first rows, on which our bytes are compared with LightGBM's.
        folder: Where the file goes.

    Raises:
        Unsupported: LightGBM stores rows in another way than we would.
    """

    def __init__(self, reference: Any, rows: int, first: Array, folder: Path) -> None:
        """Learn, compare, make room."""
        self.columns = learn(reference, first.shape[1], folder)
        self._compare(reference, first[:CHECKED], folder / "learn.bin")
        self.path, self._done, self._rows = folder / "rows.bin", 0, rows
        filled(reference, rows, first[:1], self.path)
        found = sections(self.path)
        for c in self.columns:
            if found[2 + c.group][1] != c.prefix + block(rows, c.packed):
                raise Unsupported("sections have other sizes")
        self._at = [found[2 + c.group][0] + c.prefix for c in self.columns]
        # Written, not mapped: mapped pages would count as memory of this process.
        self._file = os.open(self.path, os.O_RDWR)
        self._unlink()

    def _unlink(self) -> None:
        """Take the name away where the file can be opened without: a killed rank leaves nothing."""
        nameless = Path(f"/proc/self/fd/{self._file}")
        if not nameless.exists():
            return
        self.path.unlink()
        self.path.with_name("learn.bin").unlink()
        self.path.parent.rmdir()
        self.path = nameless

    def _compare(self, reference: Any, x: Array, file: Path) -> None:
        filled(reference, len(x), x, file)
        for column, stored in zip(
            self.columns, stored_bytes(self.columns, file, len(x)), strict=True
        ):
            if not np.array_equal(column.bytes_of(x[:, column.feature].copy()), stored):
                raise Unsupported(f"feature {column.feature} would get other bins")

    def add(self, x: Array) -> None:
        """Bin the next rows, shape (n, features) float32."""
        for start in range(0, len(x), BLOCK):
            turned = np.ascontiguousarray(x[start : start + BLOCK].T)
            for column, at in zip(self.columns, self._at, strict=True):
                self._put(column, at, column.bytes_of(turned[column.feature]))
            self._done += turned.shape[1]

    def _put(self, column: Column, at: int, stored: Array) -> None:
        if not column.packed:
            self._write(stored, at + self._done)
            return
        at += self._done // 2
        if self._done % 2:
            before = os.pread(self._file, 1, at)[0] & 15
            self._write(stored[:1] << 4 | before, at)
            at, stored = at + 1, stored[1:]
        pairs = np.append(stored, np.zeros(len(stored) % 2, np.uint8)).reshape(-1, 2)
        self._write(pairs[:, 0] | (pairs[:, 1] << 4), at)

    def _write(self, stored: Array, at: int) -> None:
        if os.pwrite(self._file, np.ascontiguousarray(stored).data, at) != len(stored):
            raise OSError(f"the disk with {tempfile.gettempdir()} is full")

    def dataset(self, params: dict[str, Any]) -> Any:
        """Return LightGBM's dataset, without labels; the file is no longer needed then."""
        if self._done != self._rows:
            raise Unsupported(f"{self._done} rows of {self._rows}")
        try:
            return lightgbm().Dataset(str(self.path), params=params).construct()
        finally:
            os.close(self._file)
