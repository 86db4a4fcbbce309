"""Blocks of coded rows put together into a dataset of LightGBM's.

Bins go into a file of LightGBM's own, which LightGBM then loads: a byte a cell on disk (half of
that up to 16 bins) until it has been loaded.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.block import Stored
from engine.boosting.bins.coder import Binned, Coder
from engine.boosting.bins.columns import Column
from engine.boosting.bins.layout import Unsupported, filled, sections, stored_size
from engine.boosting.native import lightgbm

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Piece:
    """Some stored rows, one after the other."""

    block: Stored
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many."""
        return self.stop - self.start


def dataset(coder: Coder, reference: Any, params: dict[str, Any], pieces: Sequence[Piece]) -> Any:
    """Return LightGBM's dataset of some rows, without labels.

    Args:
        coder: How the cells were coded.
        reference: Dataset that holds the bins.
        params: LightGBM's parameters.
        pieces: The rows; at least one.
    """
    if isinstance(coder, Binned):
        return _loaded(coder, reference, params, pieces)
    parts = [_sequence(coder, piece) for piece in pieces if piece.rows]
    return lightgbm().Dataset(parts, reference=reference, params=params).construct()


def _loaded(coder: Binned, reference: Any, params: dict[str, Any], pieces: Sequence[Piece]) -> Any:
    with tempfile.TemporaryDirectory(prefix="millrace-rows-") as folder:
        path = Path(folder) / "rows.bin"
        filled(reference, sum(p.rows for p in pieces), np.zeros((1, coder.width)), path)
        # Written, not mapped: mapped pages would count as memory of this process.
        with path.open("r+b", buffering=0) as file:
            path = _nameless(path, file.fileno())
            _Filling(coder.columns, file.fileno(), path, sum(p.rows for p in pieces)).fill(pieces)
            return lightgbm().Dataset(str(path), params=params).construct()


def _nameless(path: Path, file: int) -> Path:
    """Take the name away where the file can be opened without: a killed rank leaves nothing."""
    nameless = Path(f"/proc/self/fd/{file}")
    if not nameless.exists():
        return path
    path.unlink()
    return nameless


class _Filling:
    """Fills the file of a dataset of so many rows."""

    def __init__(self, columns: list[Column], file: int, path: Path, rows: int) -> None:
        """Find where each column goes."""
        self._columns, self._file, self._done = columns, file, 0
        found = sections(path)
        for c in columns:
            if found[2 + c.group][1] != c.prefix + stored_size(rows, c.bits):
                raise Unsupported("sections have other sizes")
        self._at = [found[2 + c.group][0] + c.prefix for c in columns]

    def fill(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            cells = piece.block.cells(piece.start, piece.stop)
            for column, at, numbers in zip(self._columns, self._at, cells, strict=True):
                self._put(column, at, numbers)
            self._done += piece.rows

    def _put(self, column: Column, at: int, numbers: Array) -> None:
        if column.bits != 4:
            self._write(numbers, at + self._done * numbers.itemsize)
            return
        at += self._done // 2
        if self._done % 2 and len(numbers):
            before = os.pread(self._file, 1, at)[0] & 15
            self._write(numbers[:1] << 4 | before, at)
            at, numbers = at + 1, numbers[1:]
        pairs = np.append(numbers, np.zeros(len(numbers) % 2, np.uint8)).reshape(-1, 2)
        self._write(pairs[:, 0] | (pairs[:, 1] << 4), at)

    def _write(self, numbers: Array, at: int) -> None:
        view = np.ascontiguousarray(numbers).view(np.uint8).data
        if os.pwrite(self._file, view, at) != len(view):
            raise OSError(f"the disk with {tempfile.gettempdir()} is full")


def _sequence(coder: Coder, piece: Piece) -> Any:
    """Return rows as what LightGBM reads from; defined late, as its base class is."""

    class Part(lightgbm().Sequence):  # type: ignore[misc]
        batch_size = piece.rows

        def __len__(self) -> int:
            return piece.rows

        def __getitem__(self, index: slice) -> npt.NDArray[np.float32]:
            return coder.decode(list(piece.block.cells(piece.start, piece.stop)))

    return Part()
