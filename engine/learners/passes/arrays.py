"""The prepared rows as Dask arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import DataNode, Task, TaskRef

from engine.learners.passes.computing import READS
from engine.learners.passes.matrices import Floats, Matrices, block_rows


@dataclass(frozen=True)
class Arrays:
    """Dask arrays of the training rows, with known chunks.

    Attributes:
        matrices: Where the rows are.
        columns: Positions of the features that are taken.
    """

    matrices: Matrices
    columns: tuple[int, ...]

    @property
    def x(self) -> Any:
        """The features, float64, shape (rows, columns)."""
        return self._array("x", _rows, (len(self.columns),), self.columns)

    @property
    def y(self) -> Any:
        """The labels, float64, shape (rows,), in the same chunks."""
        return self._array("y", _labels, ())

    def _array(self, what: str, function: Any, width: tuple[int, ...], *more: Any) -> Any:
        rows, step = self.matrices.rows, block_rows(len(self.columns))
        name, shared = f"{READS}-{what}-{self.matrices.name}", f"{READS}-{self.matrices.name}"
        graph: dict[Any, Any] = {shared: DataNode(shared, self.matrices)}
        lengths = []
        for number, start in enumerate(range(0, rows, step)):
            stop = min(start + step, rows)
            key = (name, number, *(0 for _ in width))
            graph[key] = Task(key, function, TaskRef(shared), start, stop, *more)
            lengths.append(stop - start)
        chunks = (tuple(lengths), *((one,) for one in width))
        return da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks)))


def _rows(matrices: Matrices, start: int, stop: int, columns: tuple[int, ...]) -> Floats:
    rows = matrices.read(start, stop)
    return rows if len(columns) == rows.shape[1] else rows[:, columns]


def _labels(matrices: Matrices, start: int, stop: int) -> Floats:
    return matrices.labels(start, stop)
