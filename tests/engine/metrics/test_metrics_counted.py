"""Medians and shares of a loss: scikit-learn's, from parts merged in any order."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from engine.metrics import Measure
from engine.metrics.counted import ValueCounts
from tests.engine.metrics.states import bits, merged

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]

CUTS = st.lists(st.integers(0, 60), max_size=5)
ORDER = st.one_of(st.none(), st.integers(0, 99))
ANY = st.floats(allow_nan=False, allow_infinity=False)
FEW = st.sampled_from([-1.5, -0.0, 0.0, 5e-324, 1.0, 1.5])


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Labels as they are read, float32, and predictions."""
    n, size = draw(st.integers(2, 60)), draw(st.sampled_from([1.0, 1e-6, 1e9]))
    unit = draw(st.sampled_from([st.floats(-1, 1), st.floats(0, 1), st.sampled_from([0.0, 1.0])]))
    values = hnp.arrays(np.float64, n, elements=unit.map(lambda value: value * size))
    return draw(values).astype(np.float32), draw(values)


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 60), elements=st.one_of(ANY, FEW)),
    CUTS,
    ORDER,
    st.integers(1, 70),
    st.sampled_from([0.0, 0.1, 0.5, 0.93, 1.0]),
)
def test_quantiles_are_those_of_numpy_and_bounds_hold(
    values: npt.NDArray[Any], cuts: list[int], order: int | None, limit: int, share: float
) -> None:
    values /= 4  # differences stay finite
    counts = merged(lambda block: ValueCounts.of(block, limit), [values], cuts, order)
    assert bits(counts) == bits(ValueCounts.of(values, limit))
    assert counts.rows == len(values) and len(counts.keys) <= limit
    with np.errstate(over="ignore", invalid="ignore"):  # the widest keys span all numbers
        found, off = counts.quantile(share)
    wanted = np.quantile(values, share)
    if len(np.unique(values)) <= limit:
        assert counts.shift == 0 and found == wanted and off == 0
    elif np.isfinite(off):
        assert abs(found - wanted) <= off * (1 + 1e-12) + abs(wanted) * 1e-15


@settings(deadline=None)
@given(pairs(), CUTS, ORDER)
def test_the_median_error_is_that_of_scikit_learn(
    data: Pair, cuts: list[int], order: int | None
) -> None:
    measure, (y, p) = Measure("regression"), data
    results = merged(measure.of, data, cuts, order).results()
    assert results["median_absolute_error"] == reference.median_absolute_error(y, p)
    assert results["median_absolute_error_error"] == 0


SHARES: Mapping[str, tuple[str, Mapping[str, Any], Any]] = {
    "poisson": ("d2_deviance", {}, lambda y, p: reference.d2_tweedie_score(y, p, power=1)),
    "gamma": ("d2_deviance", {}, lambda y, p: reference.d2_tweedie_score(y, p, power=2)),
    "tweedie": (
        "d2_deviance",
        {"tweedie_variance_power": 1.3},
        lambda y, p: reference.d2_tweedie_score(y, p, power=1.3),
    ),
    "quantile": (
        "d2_pinball",
        {"alpha": 0.8},
        lambda y, p: reference.d2_pinball_score(y, p, alpha=0.8),
    ),
    "regression_l1": ("d2_absolute_error", {}, reference.d2_absolute_error_score),
}


@pytest.mark.parametrize("objective", SHARES)
@settings(deadline=None, max_examples=60)
@given(data=pairs(), cuts=CUTS, order=ORDER)
def test_shares_of_a_loss_are_those_of_scikit_learn(
    objective: str, data: Pair, cuts: list[int], order: int | None
) -> None:
    metric, params, score = SHARES[objective]
    y, p = data
    if metric == "d2_deviance":
        y, p = np.abs(y) + np.float32(1e-3), np.abs(p) + 1e-3
    measure = Measure("regression", objective=objective, params=params, metric=metric)
    scores = merged(measure.of, (y, p), cuts, order)
    assert bits(scores) == bits(measure.of(y, p))
    found = scores.results()[metric]
    if np.ptp(y) == 0:
        # No constant loses anything; but the mean may be a bit off the label.
        assert np.isnan(found) or metric == "d2_deviance"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = float(score(y.astype(np.float64), p))
    if np.std(y) > 1e-2 * np.abs(y).max():  # else scikit-learn's terms cancel
        assert 1 - found == pytest.approx(1 - wanted, rel=1e-12)
    # The rounds of a training that follows the metric tell the same.
    assert measure.each_round(y, p).results()[metric] == pytest.approx(found, nan_ok=True)


def test_many_distinct_errors_are_told_with_a_bound() -> None:
    random = np.random.default_rng(5)
    y, p = random.exponential(size=(2, 3_000))
    results = Measure("regression").of(y, p, limit=256).results()
    exact = reference.median_absolute_error(y, p)
    off = abs(results["median_absolute_error"] - exact)
    assert 0 < off <= results["median_absolute_error_error"] < 0.02
