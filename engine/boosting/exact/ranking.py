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

GRADES = 31
"""Degrees of relevance that LightGBM's own gains are for: 2^label - 1."""


def lambdas(
    scores: Array,
    y: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    params: Mapping[str, Any],
) -> tuple[Array, Array]:
    """Return both derivatives, shape (n,).

    Args:
        scores: Shape (n,), raw scores.
        y: Shape (n,), degrees of relevance.
        starts: Shape (queries + 1,), where queries begin, and the end of the last.
        params: LightGBM's parameters.
    """
    gains = np.asarray(params.get("label_gain") or 2.0 ** np.arange(GRADES) - 1, np.float64)
    cut = int(params.get("lambdarank_truncation_level", 30))
    norm, slope = bool(params.get("lambdarank_norm", True)), float(params.get("sigmoid", 1.0))
    first, second = np.zeros_like(scores), np.zeros_like(scores)
    _compiled()(scores, y, starts, gains, cut, norm, slope, first, second)
    return first, second


@cache
def _compiled() -> Callable[..., None]:
    from numba import njit  # half a second that other objectives need not pay

    pairs = njit(nogil=True)(_pairs)

    @njit(nogil=True)
    def run(  # type: ignore[no-untyped-def]
        scores, y, starts, gains, cut, norm, slope, first, second
    ):
        for query in range(len(starts) - 1):
            low, high = starts[query], starts[query + 1]
            own = scores[low:high], gains[y[low:high]]
            pairs(*own, cut, norm, slope, first[low:high], second[low:high])

    found: Callable[..., None] = run
    return found


def _pairs(
    s: Array, gain: Array, cut: int, norm: bool, slope: float, first: Array, second: Array
) -> None:
    """Add what each pair of rows of one query says to their derivatives."""
    order = np.argsort(-s, kind="mergesort")
    best = 0.0
    ideal = np.sort(gain)[::-1]
    for place in range(min(cut, len(s))):
        best += ideal[place] / log2(2.0 + place)
    if best <= 0.0:
        return
    total, spread = 0.0, s[order[0]] != s[order[-1]]
    for one in range(min(cut, len(s) - 1)):
        for two in range(one + 1, len(s)):
            if gain[order[one]] == gain[order[two]]:
                continue
            first_higher = gain[order[one]] > gain[order[two]]
            high, low = (order[one], order[two]) if first_higher else (order[two], order[one])
            apart = s[high] - s[low]
            change = abs(1.0 / log2(2.0 + one) - 1.0 / log2(2.0 + two)) / best
            change *= gain[high] - gain[low]
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
        first *= factor
        second *= factor
