"""A sample of rows as matrices: those with the least draws, the same for any cut of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from engine.split import uniform

_SEED = 0xE3A1
"""Added to a seed, so that this sample and others of that seed draw different numbers."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Rows with the least draws (bottom-k sampling; Cohen and Kaplan 2007).

    Rows of one query have one draw: they are in the sample together, or not at all.

    Attributes:
        draws: Shape (n,) float64, rising.
        x: Shape (n, features) float32.
        y: Shape (n,) float32.
        query: Shape (n,) uint64, where rows are ranked.
        limit: Most rows; before `whole` a query more.
        seen: How many rows there were.
    """

    draws: npt.NDArray[np.float64]
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    query: npt.NDArray[np.uint64] | None
    limit: int
    seen: int

    @classmethod
    def of(
        cls,
        numbers: npt.NDArray[np.uint64],
        x: npt.NDArray[np.float32],
        y: npt.NDArray[np.float32],
        query: npt.NDArray[np.uint64] | None,
        *,
        seed: int,
        limit: int,
    ) -> Self:
        """Draw from some rows.

        Args:
            numbers: Shape (n,), row numbers in the data set.
            x: Shape (n, features).
            y: Shape (n,).
            query: Shape (n,), where rows are ranked.
            seed: Equal seeds draw equal rows.
            limit: Most rows.
        """
        draws = uniform(numbers if query is None else query, seed + _SEED)
        return cls(draws, x, y, query, limit, len(y))._least()

    def merge(self, other: Drawn) -> Self:
        """Return the sample of both sets of rows; the same in any order but for equal draws."""
        query = None
        if self.query is not None and other.query is not None:
            query = np.concatenate([self.query, other.query])
        return type(self)(
            np.concatenate([self.draws, other.draws]),
            np.concatenate([self.x, other.x]),
            np.concatenate([self.y, other.y]),
            query,
            self.limit,
            self.seen + other.seen,
        )._least()

    @property
    def rows(self) -> int:
        """Number of rows in the sample."""
        return len(self.y)

    def _least(self) -> Self:
        """Keep the rows with the least draws; all of those that share the last one."""
        order = np.argsort(self.draws, kind="stable")
        if len(order) > self.limit:
            last = self.draws[order[self.limit - 1]]
            order = order[self.draws[order] <= last]
        return self._of(order, self.x[order])

    def whole(self) -> Self:
        """Return the sample with at most ``limit`` rows.

        The query that the limit cuts is left out, unless it is the only one.
        """
        if self.rows <= self.limit:
            return self
        kept = np.arange(self.limit)
        if self.query is not None:
            others = kept[self.draws[kept] < self.draws[-1]]
            kept = others if len(others) else kept
        return self._of(kept, self.x[kept])

    def _of(self, kept: npt.NDArray[np.int64], x: npt.NDArray[np.float32]) -> Self:
        query = None if self.query is None else self.query[kept]
        return type(self)(self.draws[kept], x, self.y[kept], query, self.limit, self.seen)
