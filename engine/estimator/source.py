"""Rows that were spooled to files, as the ranks read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.source import Rows
from engine.errors import InputError
from engine.plan import Partition

Codes = Mapping[int, npt.NDArray[np.float32]]
"""Code among the levels of all files for each code in this one, by position of the feature."""


@dataclass(frozen=True)
class SpoolFile:
    """A file of rows; its codes are its own until it is read.

    Attributes:
        path: An Arrow file as `engine.estimator.spool` writes it.
        labels: Class of all files for each class of this one; empty where labels are numbers.
        codes: The same for the categories of levelled features.
    """

    path: Path
    labels: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    codes: Codes = field(default_factory=dict)

    def matrix(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the features of some rows, shape (rows, features), as a matrix of its own."""
        return self._matrix(self._stored()["x"], chosen)

    def rows(self) -> Rows:
        """Return all rows."""
        stored = self._stored()
        y = stored["y"][:, 0].copy()
        return Rows(
            self._matrix(stored["x"], slice(None)),
            self.labels[y.astype(np.int64)] if len(self.labels) else y,
            stored["weight"][:, 0].copy() if "weight" in stored else None,
            _flat(stored["init"]) if "init" in stored else None,
            stored["query"][:, 0].copy() if "query" in stored else None,
        )

    def _matrix(
        self, x: npt.NDArray[np.float32], chosen: npt.NDArray[np.int64] | slice
    ) -> npt.NDArray[np.float32]:
        # Arrow's memory is read-only, and would be paged in again for the next round of reading.
        made = np.array(x[chosen], np.float32, order="C")
        for column, mapped in self.codes.items():
            known = ~np.isnan(made[:, column])
            made[known, column] = mapped[made[known, column].astype(np.int64)]
        return made

    def _stored(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns of the file, each with two dimensions; mapped, not read."""
        import pyarrow as pa

        try:
            table = pa.ipc.open_file(pa.memory_map(str(self.path))).read_all()
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                f"a file of training rows cannot be read: {error}",
                where=str(self.path),
                hint="give scratch= a folder that the client and all workers see",
            ) from error
        columns = zip(table.column_names, table.columns, strict=True)
        return {name: _array(column.chunk(0)) for name, column in columns}


def _array(column: Any) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = column.flatten().to_numpy()
    return values.reshape(-1, column.type.list_size)


def _flat(init: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return init[:, 0].copy() if init.shape[1] == 1 else init.copy()


@dataclass(frozen=True)
class SpooledRows:
    """Training and validation rows in files: a `RowSource` of one file a partition and part.

    Attributes:
        features: Names of the features.
        categorical: Positions of those that hold codes.
        vectors: Which of ``weight``, ``init`` and ``query`` the rows have.
        files: Of each part (``train``, ``valid``), by partition; none where it has no rows.
        class_weight: Weight of each class in training; empty: all the same.
        outputs: Columns of ``init``.
    """

    features: tuple[str, ...]
    categorical: tuple[int, ...]
    vectors: frozenset[str]
    files: Mapping[str, Mapping[int, SpoolFile]]
    class_weight: tuple[float, ...] = ()
    outputs: int = 1

    def read(self, partition: Partition, part: str) -> Rows:
        """Return the rows of one part of a partition, with all vectors that any rows have."""
        rows = self.files[part][partition.index].rows()
        weight = self._weight(rows, part) if "weight" in self.vectors else None
        init = self._init(rows) if "init" in self.vectors else None
        return Rows(rows.x, rows.y, weight, init, rows.query)

    def _weight(self, rows: Rows, part: str) -> npt.NDArray[np.float32]:
        weight = np.ones(len(rows.y), np.float32) if rows.weight is None else rows.weight
        if self.class_weight and part == "train":
            weight = weight * np.array(self.class_weight, np.float32)[rows.y.astype(np.int64)]
        return weight

    def _init(self, rows: Rows) -> npt.NDArray[np.float64]:
        if rows.init is not None:
            return rows.init
        shape = (len(rows.y), self.outputs) if self.outputs > 1 else len(rows.y)
        return np.zeros(shape, np.float64)
