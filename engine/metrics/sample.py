"""Rows drawn from all parts of the data for what cannot be merged; the same for any partitioning.

Each row has a number drawn from its place in the data set (`engine.split.uniform`), and the rows
with the smallest are kept: the smallest of two parts are among the smallest of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.split import uniform

SAMPLE: Final = 2000
"""Rows that are kept: silhouettes of them take 4 million distances, one second."""

SEED: Final = 0x5117
"""Of the draw; apart from the seeds of splits and folds, so that it draws other numbers."""


@dataclass(frozen=True, eq=False)
class RowSample:
    """Rows of features with a label each, in the order of their drawn numbers.

    Attributes:
        draws: Shape (n,), drawn numbers, rising.
        rows: Shape (n,), uint64: row numbers, which decide where draws are equal.
        x: Shape (n, features), float32.
        labels: Shape (n,), int64.
    """

    draws: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    rows: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    x: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    labels: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(
        cls,
        x: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int64],
        rows: npt.NDArray[np.uint64],
    ) -> RowSample:
        """Draw from one block of rows.

        Args:
            x: Shape (n, features).
            labels: Shape (n,).
            rows: Shape (n,), row numbers in the data set, each once.
        """
        draws = uniform(rows, SEED)
        if len(rows) > SAMPLE:
            near = draws <= np.partition(draws, SAMPLE - 1)[SAMPLE - 1]
            draws, rows, x, labels = draws[near], rows[near], x[near], labels[near]
        return _smallest(draws, rows, x, labels)

    def merge(self, other: RowSample) -> RowSample:
        """Return the sample of both sets of rows; the same in any order."""
        if not (len(self.rows) and len(other.rows)):
            return self if len(self.rows) else other
        return _smallest(
            np.append(self.draws, other.draws),
            np.append(self.rows, other.rows),
            np.concatenate([self.x, other.x]),
            np.append(self.labels, other.labels),
        )


def _smallest(
    draws: npt.NDArray[np.float64],
    rows: npt.NDArray[np.uint64],
    x: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
) -> RowSample:
    order = np.lexsort((rows, draws))[:SAMPLE]
    return RowSample(draws[order], rows[order], x[order], labels[order])
