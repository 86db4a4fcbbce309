"""The derivatives of LambdaRank, query by query.

Source: src/objective/rank_objective.hpp of LightGBM, with the logistic function itself in place
of its table. A query stays on one rank, so that its sums have one order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import exp, log2
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

GRADES = 31
"""Degrees of relevance that LightGBM's own gains are for: 2^label - 1."""


class Queries:
    """What stays the same of the queries of some rows.

    Args:
        y: Shape (n,), degrees of relevance.
        starts: Shape (queries + 1,), where queries begin, and the end of the last.
        params: LightGBM's parameters.
    """

    def __init__(
        self, y: npt.NDArray[np.float32], starts: Places, params: Mapping[str, Any]
    ) -> None:
        """Compute gains, and the largest DCG of each query."""
        _compiled()  # here, where no other thread would compile it too
        gains = np.asarray(params.get("label_gain") or 2.0 ** np.arange(GRADES) - 1, np.float64)
        self._gain, self._starts = gains[y.astype(np.int64)], starts
        self._query = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self._cut = int(params.get("lambdarank_truncation_level", 30))
        self._norm = bool(params.get("lambdarank_norm", True))
        self._slope = float(params.get("sigmoid", 1.0))
        order = self._sorted(self._gain)
        place = np.arange(len(order)) - starts[self._query]
        worth = np.where(place < self._cut, self._gain[order] / np.log2(2.0 + place), 0.0)
        self._best = np.add.reduceat(worth, starts[:-1])

    def slopes(self, scores: Array) -> tuple[Array, Array]:
        """Return both derivatives at raw scores, shape (n,)."""
        first, second = np.zeros_like(scores), np.zeros_like(scores)
        order, fixed = self._sorted(scores), (self._cut, self._norm, self._slope)
        _compiled()(scores, self._gain, order, self._starts, self._best, *fixed, first, second)
        return first, second

    def _sorted(self, values: Array) -> Places:
        """Return the rows of each query by falling values, equal ones in their own order."""
        return np.lexsort((-values, self._query))


@cache
def _compiled() -> Callable[..., None]:
    from numba import boolean, float64, int64, njit, void  # other objectives need not pay for it

    reals, places = float64[::1], int64[::1]
    fixed = int64, boolean, float64
    signature = void(reals, reals, places, places, reals, *fixed, reals, reals)
    found: Callable[..., None] = njit(signature, nogil=True)(_lambdas)
    return found


def _lambdas(
    scores: Array,
    gain: Array,
    order: Places,
    starts: Places,
    best: Array,
    cut: int,
    norm: bool,
    slope: float,
    first: Array,
    second: Array,
) -> None:
    """Add what each pair of rows of a query says to their derivatives."""
    for query in range(len(starts) - 1):
        begin, end = starts[query], starts[query + 1]
        total, spread = 0.0, scores[order[begin]] != scores[order[end - 1]]
        for one in range(begin, min(begin + cut, end - 1)):
            for two in range(one + 1, end):
                high, low = order[one], order[two]
                if gain[high] == gain[low]:
                    continue
                if gain[high] < gain[low]:
                    high, low = low, high
                apart = scores[high] - scores[low]
                change = 1.0 / log2(2.0 + one - begin) - 1.0 / log2(2.0 + two - begin)
                change *= (gain[high] - gain[low]) / best[query]
                if norm and spread:
                    change /= 0.01 + abs(apart)
                p = 1.0 / (1.0 + exp(slope * apart))
                pull, bend = slope * change * p, slope * slope * change * p * (1.0 - p)
                first[high] -= pull
                first[low] += pull
                second[high] += bend
                second[low] += bend
                total += 2.0 * pull
        if norm and total > 0.0:
            factor = log2(1.0 + total) / total
            for row in range(begin, end):
                first[row] *= factor
                second[row] *= factor
