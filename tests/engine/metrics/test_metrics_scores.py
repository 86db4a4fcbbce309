"""Scores against scikit-learn; merging is exact; the edges (empty, one class, bad values)."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from engine.errors import MillraceError
from engine.metrics import (
    HIGHER_IS_BETTER,
    BinaryScores,
    Measure,
    RegressionScores,
    higher_is_better,
)
from tests.engine.metrics.states import bits

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]


@st.composite
def binary(draw: st.DrawFn) -> Pair:
    n, kind = draw(st.integers(0, 50)), draw(st.sampled_from([np.float32, np.float64]))
    unit = st.floats(0, 1, width=32) if kind is np.float32 else st.floats(0, 1)
    y = draw(hnp.arrays(np.bool_, n))
    return y, draw(hnp.arrays(kind, n, elements=unit))


@st.composite
def real(draw: st.DrawFn) -> Pair:
    n = draw(st.integers(0, 50))
    values = hnp.arrays(np.float64, n, elements=st.floats(-1e9, 1e9))
    return draw(values), draw(values)


def sample(n: int = 30_000) -> Pair:
    random = np.random.default_rng(5)
    p = random.beta(0.4, 2.0, n).astype(np.float32)
    return random.random(n) < p**1.3, p


def merged_state(kind: Any, data: Pair, cuts: list[int], backwards: bool) -> bytes:
    y, p = data
    pieces = np.split(np.arange(len(y)), sorted(cuts))
    scores = kind()
    for piece in reversed(pieces) if backwards else pieces:
        scores = scores.merge(kind.of(y[piece], p[piece]))
    return state(scores)


def state(scores: Any) -> bytes:
    """Every number that the scores hold, to the last bit."""
    return bits(scores).encode()


@settings(deadline=None)
@given(binary(), st.lists(st.integers(0, 50), max_size=4), st.booleans())
def test_binary_split_and_order_leave_no_trace(data: Pair, cuts: list[int], back: bool) -> None:
    assert merged_state(BinaryScores, data, cuts, back) == state(BinaryScores.of(*data))


@settings(deadline=None)
@given(real(), st.lists(st.integers(0, 50), max_size=4), st.booleans())
def test_regression_split_and_order_leave_no_trace(data: Pair, cuts: list[int], back: bool) -> None:
    assert merged_state(RegressionScores, data, cuts, back) == state(RegressionScores.of(*data))


@pytest.mark.parametrize("size", [1, 7, 999, 4097])
def test_large_blocks_split_anywhere_are_the_same_bits(size: int) -> None:
    """The vectorised logarithm must not depend on where in a block a row stands."""
    data = sample()
    cuts = list(range(size, 30_000, max(size, 999)))
    assert merged_state(BinaryScores, data, cuts, False) == state(BinaryScores.of(*data))


def test_binary_results_are_those_of_scikit_learn() -> None:
    y, p = sample()
    results = BinaryScores.of(y, p).results()
    wide = p.astype(np.float64)
    assert results["rows"] == 30_000 and results["positives"] == y.sum()
    assert results["auc"] == pytest.approx(reference.roc_auc_score(y, p), abs=1e-12)
    assert results["log_loss"] == pytest.approx(reference.log_loss(y, wide), rel=1e-12)
    assert results["brier"] == pytest.approx(reference.brier_score_loss(y, wide), rel=1e-12)
    assert results["accuracy"] == reference.accuracy_score(y, p > 0.5)


@settings(deadline=None)
@given(real())
def test_regression_results_are_those_of_scikit_learn(data: Pair) -> None:
    y, p = data
    if len(y) < 2 or np.ptp(y) < 1e-3:
        return
    results = RegressionScores.of(y, p).results()
    assert results["mae"] == pytest.approx(reference.mean_absolute_error(y, p), rel=1e-10)
    assert results["rmse"] ** 2 == pytest.approx(reference.mean_squared_error(y, p), rel=1e-10)
    assert 1 - results["r2"] == pytest.approx(1 - reference.r2_score(y, p), rel=1e-6, abs=1e-12)


def test_r2_survives_a_mean_far_from_zero() -> None:
    y = 1e12 + np.arange(1000.0)
    p = y + np.where(np.arange(1000) % 2, 1.0, -1.0)
    results = RegressionScores.of(y, p).results()
    assert results["r2"] == pytest.approx(1 - 1000 / (1000 * (1000**2 - 1) / 12), rel=1e-14)
    assert (results["bias"], results["rmse"], results["mae"]) == (0.0, 1.0, 1.0)


def test_log_loss_is_clipped_and_stays_finite() -> None:
    results = BinaryScores.of(np.array([1, 0]), np.array([0.0, 1.0], np.float32)).results()
    assert results["log_loss"] == pytest.approx(-np.log(1e-15), rel=1e-12)
    assert (results["brier"], results["accuracy"], results["auc"]) == (1.0, 0.0, 0.0)


def test_a_half_is_not_called_positive() -> None:
    """As LightGBM's binary_error and an argmax over two classes decide."""
    assert BinaryScores.of(np.array([0, 0, 1]), np.full(3, 0.5)).confusion.tolist() == [
        [2, 0],
        [1, 0],
    ]


def test_calibration_bins_hold_means() -> None:
    y, p = sample()
    bins = BinaryScores.of(y, p).calibration()
    first = p < np.float32(0.05)
    assert sum(b.rows for b in bins) == len(y)
    assert bins[0].rows == first.sum()
    assert bins[0].predicted == pytest.approx(p[first].mean(dtype=np.float64), abs=1e-7)
    assert bins[0].observed == y[first].mean()
    assert BinaryScores.of(np.array([1]), np.array([1.0])).calibration()[0].predicted == 1.0


def test_empty_and_single_class() -> None:
    empty = np.empty(0, np.float32)
    assert BinaryScores.of(empty, empty).results()["rows"] == 0
    assert np.isnan(BinaryScores().results()["log_loss"])
    assert np.isnan(RegressionScores.of(empty, empty).results()["rmse"])
    one = BinaryScores.of(np.ones(3), np.array([0.2, 0.9, 0.6])).results()
    assert np.isnan(one["auc"]) and one["accuracy"] == 2 / 3
    assert np.isnan(RegressionScores.of(np.ones(3), np.ones(3)).results()["r2"])
    assert not BinaryScores().calibration()


@pytest.mark.parametrize(
    ("task", "y", "p", "says"),
    [
        ("binary", [0, 1], [0.5, 1.5], "1 of 2 predictions are not probabilities"),
        ("binary", [0, 1], [np.nan, 0.5], "1 of 2 scores are NaN"),
        ("binary", [0, np.nan], [0.5, 0.5], "1 of 2 labels are NaN"),
        ("regression", [0, np.nan], [0.5, 0.5], "1 of 2 labels are NaN"),
        ("regression", [0, 1], [np.nan, np.nan], "2 of 2 scores are NaN"),
        ("regression", [0, 1], [np.inf, 0], "not finite"),
        ("regression", [0, 1], [0], "shape"),
    ],
)
def test_bad_values_are_refused_with_the_count(
    task: str, y: list[float], p: list[float], says: str
) -> None:
    with pytest.raises(MillraceError, match=says):
        Measure(task).of(np.array(y), np.array(p, np.float64))


def test_baseline_is_the_constant_prediction() -> None:
    y = np.array([1, 0, 0, 0])
    results = BinaryScores.of(y, np.full(4, 0.25)).results()
    assert results["auc"] == 0.5 and results["brier"] == pytest.approx(0.1875)
    assert results["log_loss"] == pytest.approx(reference.log_loss(y, np.full(4, 0.25)))
    assert RegressionScores.of(y, np.full(4, 0.25)).results()["r2"] == 0.0


def test_direction() -> None:
    assert HIGHER_IS_BETTER["auc"] and not HIGHER_IS_BETTER["log_loss"]
    assert higher_is_better("ndcg@5") and not higher_is_better("gamma_deviance")


def test_states_travel() -> None:
    scores = BinaryScores.of(*sample(1000))
    assert state(pickle.loads(pickle.dumps(scores))) == state(scores)
    # A round's statistics are small; an evaluation's hold a table of at most 64 x 64 counts.
    assert len(pickle.dumps(Measure("regression").each_round(*sample(1000)))) < 4096
    assert len(pickle.dumps(RegressionScores.of(*sample(1000)))) < 50_000  # and the distinct errors
