"""What a row becomes on disk: a number for each of its bins, or where that does not go, itself."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.columns import Column, learn, stored
from engine.boosting.bins.layout import Unsupported, filled

Array = npt.NDArray[Any]

TILE = 16384
"""Rows coded at a time: what a column of them needs stays in the processor's cache."""

CHECKED = 2000
"""Rows of a rank's first partition on which our bytes are compared with LightGBM's."""


class Coder(Protocol):
    """Turns rows into columns of cells and back; both ways alike in all ranks."""

    @property
    def cells(self) -> tuple[np.dtype[Any], ...]:
        """Type of each stored column."""

    def encode(self, x: npt.NDArray[np.float32]) -> list[Array]:
        """Return the stored columns of rows, shape (n, features)."""

    def decode(self, columns: list[Array]) -> npt.NDArray[np.float32]:
        """Return rows that trees cannot tell from those that were encoded."""


@dataclass(frozen=True)
class Binned:
    """Bins as LightGBM stores them, one or two bytes a cell.

    Attributes:
        columns: The features that LightGBM uses.
        width: All features.
    """

    columns: list[Column]
    width: int

    @property
    def cells(self) -> tuple[np.dtype[Any], ...]:
        """Type of each stored column."""
        return tuple(column.table.dtype for column in self.columns)

    def encode(self, x: npt.NDArray[np.float32]) -> list[Array]:
        """Return the bins of rows; features that LightGBM does not use are left out."""
        coded = [np.empty(len(x), dtype) for dtype in self.cells]
        for start in range(0, len(x), TILE):
            turned = np.ascontiguousarray(x[start : start + TILE].T)
            for column, cells in zip(self.columns, coded, strict=True):
                cells[start : start + TILE] = column.stored(turned[column.feature])
        return coded

    def decode(self, columns: list[Array]) -> npt.NDArray[np.float32]:
        """Return a value of its bin for each cell; NaN for features that are not used."""
        x = np.full((len(columns[0]) if columns else 0, self.width), np.nan, np.float32)
        for column, cells in zip(self.columns, columns, strict=True):
            x[:, column.feature] = column.values.take(cells)
        return x


@dataclass(frozen=True)
class Plain:
    """Values as they are, four bytes a cell: LightGBM bins them when it loads them.

    Attributes:
        width: Features.
    """

    width: int

    @property
    def cells(self) -> tuple[np.dtype[Any], ...]:
        """Type of each stored column."""
        return (np.dtype(np.float32),) * self.width

    def encode(self, x: npt.NDArray[np.float32]) -> list[Array]:
        """Return the columns of rows."""
        return list(np.ascontiguousarray(x.T))

    def decode(self, columns: list[Array]) -> npt.NDArray[np.float32]:
        """Return the rows, C order."""
        return np.ascontiguousarray(np.stack(columns, axis=1))


def coder_for(reference: Any, width: int) -> Coder:
    """Return how rows are stored, the same in all ranks.

    LightGBM 4.7 pushes a row of 28 features in 2.2 us, we take about a tenth of that.

    Args:
        reference: Dataset that holds the bins.
        width: Features.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="millrace-learn-") as folder:
            return Binned(learn(reference, width, Path(folder)), width)
    except Exception as error:  # whatever it is, LightGBM's own way is right
        print(f"LightGBM bins the rows itself, which is slower: {error}", file=sys.stderr)
        return Plain(width)


def compare(coder: Coder, reference: Any, x: npt.NDArray[np.float32]) -> None:
    """Hold the bins of some rows against those that LightGBM gives them.

    Raises:
        Unsupported: They differ.
    """
    if not isinstance(coder, Binned) or not len(x):
        return
    with tempfile.TemporaryDirectory(prefix="millrace-compare-") as folder:
        file = Path(folder) / "rows.bin"
        filled(reference, len(x), x, file)
        theirs = stored(coder.columns, file, len(x))
    for column, ours, right in zip(coder.columns, coder.encode(x), theirs, strict=True):
        if not np.array_equal(ours, right):
            raise Unsupported(f"feature {column.feature} would get other bins than LightGBM's")
