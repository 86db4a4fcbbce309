"""Thresholds against all that there are, tried one by one; ties; merging; the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import fbeta_score

from engine.errors import MillraceError
from engine.metrics import ScoreHistogram
from engine.metrics.threshold import best_fbeta, least_cost

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]


@st.composite
def scored(draw: st.DrawFn) -> Pair:
    n = draw(st.integers(1, 40))
    few = st.sampled_from([0.0, 0.125, 0.3, 0.5, 0.999, 1.0])
    unit = draw(st.sampled_from([few, st.floats(0, 1, width=32)]))
    return draw(hnp.arrays(np.bool_, n)), draw(hnp.arrays(np.float32, n, elements=unit))


def every_cut(p: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Rows called positive, from none to all."""
    return [np.zeros(len(p), np.bool_), *(p >= score for score in np.unique(p)[::-1])]


@settings(deadline=None)
@given(scored(), st.sampled_from([0.5, 1.0, 2.0, 3.7]))
def test_no_threshold_has_a_higher_fbeta(data: Pair, beta: float) -> None:
    y, p = data
    if not y.any():
        return
    threshold, value = best_fbeta(ScoreHistogram.of(y, p), beta)
    tried = [fbeta_score(y, called, beta=beta, zero_division=0) for called in every_cut(p)]
    assert value == pytest.approx(max(tried), rel=1e-12)
    for scores in (p, p.astype(np.float64)):
        told = fbeta_score(y, scores > threshold, beta=beta, zero_division=0)
        assert told == pytest.approx(value, rel=1e-12)
    # Of equals the fewest positives.
    first = next(c for c, t in zip(every_cut(p), tried, strict=True) if t > value - 1e-12)
    assert first.sum() == (p > threshold).sum()


@settings(deadline=None)
@given(scored(), st.integers(0, 5), st.integers(0, 5))
def test_no_threshold_costs_less(data: Pair, false_positive: int, false_negative: int) -> None:
    y, p = data
    threshold, cost = least_cost(ScoreHistogram.of(y, p), false_positive, false_negative)
    tried = [
        (false_positive * (called & ~y).sum() + false_negative * (y & ~called).sum(), called.sum())
        for called in every_cut(p)
    ]
    assert cost == pytest.approx(min(tried)[0] / len(y), rel=1e-12)
    assert (p > threshold).sum() == min(tried)[1]
    assert threshold <= 1


@settings(deadline=None)
@given(scored(), st.lists(st.integers(0, 40), max_size=4), st.booleans(), st.sampled_from([3, 99]))
def test_the_threshold_of_parts_is_that_of_all(
    data: Pair, cuts: list[int], back: bool, limit: int
) -> None:
    y, p = data
    merged = ScoreHistogram(limit=limit)
    pieces = np.split(np.arange(len(y)), sorted(cuts))
    for piece in reversed(pieces) if back else pieces:
        merged = merged.merge(ScoreHistogram.of(y[piece], p[piece], limit))
    whole = ScoreHistogram.of(y, p, limit)
    assert least_cost(merged, 1, 2) == least_cost(whole, 1, 2)
    if y.any():
        assert best_fbeta(merged) == best_fbeta(whole)


@settings(deadline=None)
@given(scored(), st.sampled_from([1, 2, 3]))
def test_a_threshold_of_coarse_counts_decides_as_it_says(data: Pair, limit: int) -> None:
    """Rows that share a key fall on one side of the threshold: what was promised is what is got."""
    y, p = data
    threshold, cost = least_cost(ScoreHistogram.of(y, p, limit), 1, 2)
    called = p > threshold
    paid = ((called & ~y).sum() + 2 * (y & ~called).sum()) / len(y)
    assert paid == pytest.approx(cost, rel=1e-12)


def test_thresholds_of_a_few_rows() -> None:
    histogram = ScoreHistogram.of(np.array([0, 1, 0, 1]), np.array([0.25, 0.5, 0.75, 1.0]))
    assert least_cost(histogram, 1, 1) == (0.875, 0.25)
    assert least_cost(histogram, 1, 0) == (1.0, 0.0)
    assert least_cost(histogram, 1, 5) == (0.375, 0.25)
    assert best_fbeta(histogram) == pytest.approx((0.375, 0.8))
    below, _ = least_cost(ScoreHistogram.of(np.array([1]), np.array([0.0])), 1, 1)
    assert -1e-40 < below < 0 and np.float32(below) < 0


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
def test_a_beta_that_there_is_not_is_refused(beta: float) -> None:
    with pytest.raises(MillraceError, match="beta"):
        best_fbeta(ScoreHistogram.of(np.array([1]), np.array([0.5])), beta)


def test_what_has_no_best_is_refused() -> None:
    with pytest.raises(MillraceError, match="none of 1 rows is positive"):
        best_fbeta(ScoreHistogram.of(np.array([0]), np.array([0.5])))
    with pytest.raises(MillraceError, match="no rows"):
        least_cost(ScoreHistogram(), 1, 1)
    with pytest.raises(MillraceError, match="0 or more"):
        least_cost(ScoreHistogram(), -1, 1)
