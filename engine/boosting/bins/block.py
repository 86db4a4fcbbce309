"""The coded rows of one part of one partition, in a file on the disk of its worker.

A file holds the columns of cells one after another, then labels, and weights, first scores and
queries where rows have them. Its name says how many rows; it appears as a whole or not at all.
Training and validation rows of a partition are two blocks.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.boosting.source import Rows
from engine.errors import TrainingFailed

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Form:
    """What the blocks of a training hold of each row.

    Attributes:
        cells: Type of each coded column.
        vectors: Which of ``weight``, ``init`` and ``query`` rows have.
        outputs: Raw scores of a row.
    """

    cells: tuple[np.dtype[Any], ...]
    vectors: frozenset[str]
    outputs: int = 1

    @property
    def extras(self) -> list[tuple[str, np.dtype[Any], int]]:
        """Name, type and numbers a row of what follows the cells."""
        kinds: list[tuple[str, np.dtype[Any], int]] = [
            ("y", np.dtype(np.float32), 1),
            ("weight", np.dtype(np.float32), 1),
            ("init", np.dtype(np.float64), self.outputs),
            ("query", np.dtype(np.uint64), 1),
        ]
        return [kind for kind in kinds if kind[0] == "y" or kind[0] in self.vectors]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        extras = sum(dtype.itemsize * count for _, dtype, count in self.extras)
        return sum(dtype.itemsize for dtype in self.cells) + extras


class Stored(Protocol):
    """Coded rows that are on disk: those of a block, or some of them as if there were no others."""

    @property
    def rows(self) -> int:
        """How many."""

    @property
    def form(self) -> Form:
        """What there is of each row."""

    def cells(self, start: int, stop: int) -> Iterator[Array]:
        """Yield the coded columns of some rows."""

    def vector(self, name: str, start: int, stop: int) -> Array:
        """Return ``y``, ``weight``, ``init`` or ``query`` of some rows."""


@dataclass(frozen=True)
class Block:
    """A file of coded rows.

    Attributes:
        path: Where it is.
        rows: How many.
        form: What it holds.
    """

    path: Path
    rows: int
    form: Form

    @classmethod
    def at(cls, folder: Path, partition: int, part: str, rows: int, form: Form) -> Block:
        """Return the block of a part of a partition; it need not be there."""
        return cls(folder / f"{partition:06d}-{part}-{rows}.rows", rows, form)

    @property
    def there(self) -> bool:
        """Whether it is there, in full."""
        try:
            return self.path.stat().st_size == self.rows * self.form.row_bytes
        except OSError:
            return False

    def write(self, cells: list[Array], rows: Rows) -> None:
        """Write the file.

        Args:
            cells: Coded columns.
            rows: Where labels, weights, first scores and queries come from.

        Raises:
            TrainingFailed: The disk is full.
        """
        scratch = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            with scratch.open("wb", buffering=0) as file:
                for column in [*cells, *self._extras(rows)]:
                    _write(file.fileno(), column)
            scratch.replace(self.path)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise TrainingFailed(
                f"the disk with {self.path.parent} is full",
                where=f"{self.rows * self.form.row_bytes:,} bytes of binned rows",
                hint="free some space, or give the workers a local directory on a larger disk",
            ) from error
        finally:
            scratch.unlink(missing_ok=True)

    def _extras(self, rows: Rows) -> Iterator[Array]:
        for name, dtype, _ in self.form.extras:
            yield np.ascontiguousarray(getattr(rows, name), dtype)

    def cells(self, start: int, stop: int) -> Iterator[Array]:
        """Yield the coded columns of some rows."""
        with self.path.open("rb", buffering=0) as file:
            at = 0
            for dtype in self.form.cells:
                yield _read(file.fileno(), at, dtype, start, stop, 1)
                at += dtype.itemsize * self.rows

    def vector(self, name: str, start: int, stop: int) -> Array:
        """Return ``y``, ``weight``, ``init`` or ``query`` of some rows."""
        at = sum(dtype.itemsize for dtype in self.form.cells) * self.rows
        with self.path.open("rb", buffering=0) as file:
            for extra, dtype, count in self.form.extras:
                if extra == name:
                    found = _read(file.fileno(), at, dtype, start, stop, count)
                    return found.reshape(-1, count) if count > 1 else found
                at += dtype.itemsize * count * self.rows
        raise KeyError(name)


def _read(file: int, at: int, dtype: np.dtype[Any], start: int, stop: int, count: int) -> Array:
    found = np.empty((stop - start) * count, dtype)
    view, done = found.view(np.uint8).data, 0
    at += start * count * dtype.itemsize
    while done < len(view):
        got = os.preadv(file, [view[done:]], at + done)
        if not got:
            raise OSError(f"a file of binned rows ends too early, at byte {at + done}")
        done += got
    return found


def _write(file: int, column: Array) -> None:
    view, done = np.ascontiguousarray(column).reshape(-1).view(np.uint8).data, 0
    while done < len(view):
        done += os.write(file, view[done:])
