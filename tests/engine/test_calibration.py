"""Calibrated probabilities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from engine.bundle import Bundle, load
from engine.calibration import Calibration, Isotonic, Kind, Sigmoid, fitted, restored, shifted
from engine.errors import MillraceError
from engine.features.fitted import FittedPipeline
from engine.metrics import ScoreHistogram
from engine.metrics.residuals import Residuals, ResidualScores
from engine.models import Trees


def overconfident(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are too near to 0 and 1, and labels."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1.5, n)
    y = rng.random(n) < 1 / (1 + np.exp(-odds))
    return (1 / (1 + np.exp(-2.5 * odds + 0.4))).astype(np.float32), y


def test_isotonic_is_that_of_scikit_learn_on_the_rows() -> None:
    p, y = overconfident(3000)
    p = np.round(p, 2)  # many rows of some probabilities, few of others
    ours = fitted("isotonic", ScoreHistogram.of(y, p))
    theirs = IsotonicRegression(out_of_bounds="clip").fit(p.astype(np.float64), y)
    asked = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(ours.apply(asked), theirs.predict(asked), atol=1e-6)


def test_sigmoid_undoes_a_line_in_log_odds() -> None:
    p, y = overconfident(200_000)
    ours = fitted("sigmoid", ScoreHistogram.of(y, p))
    assert isinstance(ours, Sigmoid)
    assert (ours.slope, ours.intercept) == pytest.approx((1 / 2.5, 0.4 / 2.5), abs=0.02)
    odds = np.log(p / (1 - p.astype(np.float64)))[:, None]
    theirs = LogisticRegression(C=np.inf).fit(odds, y)
    assert (ours.slope, ours.intercept) == pytest.approx(
        (theirs.coef_[0, 0], theirs.intercept_[0]), abs=1e-3
    )


@pytest.mark.parametrize("kind", get_args(Kind))
def test_parts_of_the_rows_merge_and_the_loss_falls(kind: Kind) -> None:
    p, y = overconfident(20_000)
    whole = fitted(kind, ScoreHistogram.of(y, p))
    first, last = (ScoreHistogram.of(y[cut], p[cut]) for cut in (slice(7000), slice(7000, None)))
    assert fitted(kind, last.merge(first)) == whole
    fresh, label = overconfident(20_000, seed=2)

    def loss(said: np.ndarray) -> float:
        return float(np.mean((said - label) ** 2))

    assert loss(whole.apply(fresh.astype(np.float64))) < loss(fresh) - 0.005


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=2),
    st.sampled_from(get_args(Kind)),
)
def test_calibrated_probabilities_rise_with_those_of_the_model(
    rows: list[tuple[float, bool]], kind: Kind
) -> None:
    p, y = (np.array(one) for one in zip(*rows, strict=True))
    if y.all() or not y.any():
        with pytest.raises(MillraceError, match="validation rows"):
            fitted(kind, ScoreHistogram.of(y, p.astype(np.float32)))
        return
    ours = fitted(kind, ScoreHistogram.of(y, p.astype(np.float32)))
    said = ours.apply(np.linspace(0, 1, 101))
    assert ((said >= 0) & (said <= 1)).all()
    if kind == "isotonic":
        assert (np.diff(said) >= 0).all()
    assert restored(json.loads(json.dumps(ours.told()))) == ours


def test_scores_of_a_histogram_are_those_that_were_counted() -> None:
    values = np.array([-3.5, -0.0, 0.25, 0.1, 1.0, 1e-30], np.float32)
    found = ScoreHistogram.of(np.zeros(6), values).scores
    assert found.tolist() == sorted(values.tolist())
    coarse = ScoreHistogram.of(np.zeros(6), values, limit=2)
    assert coarse.shift and len(coarse.scores) <= 2


@pytest.mark.parametrize("calibration", [Isotonic((0.1, 0.7), (0.0, 1.0)), Sigmoid(0.5, -1.0)])
def test_a_bundle_keeps_its_calibration_and_its_digest_tells(
    tmp_path: Path, calibration: Calibration
) -> None:
    def bundle(one: Calibration | None) -> Bundle:
        pipeline = FittedPipeline({}, (), ("x",), ("x",))
        return Bundle(Trees("tree\n"), pipeline, {}, {}, "binary", "y", {}, {}, calibration=one)

    for name, data in bundle(calibration).files().items():
        (tmp_path / name).write_bytes(data)
    found = load(tmp_path)
    assert found.calibration == calibration
    assert found.digest == bundle(calibration).digest != bundle(None).digest
    assert "calibration.json" not in bundle(None).files()
    p = np.array([0.4])
    assert bundle(None).calibrated(p) is p and found.calibrated(p) != p


def residuals(quantile: float, y: np.ndarray, p: np.ndarray) -> ScoreHistogram:
    return Residuals(quantile).of(y, p).histogram


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    st.sampled_from([0.05, 0.1, 0.5, 0.75, 0.9]),
    st.integers(1, 4),
)
def test_a_shifted_quantile_holds_for_the_rows_that_it_was_fitted_on(
    labels: list[float], quantile: float, pieces: int
) -> None:
    y, p = np.array(labels), np.linspace(-1, 1, len(labels))
    found = ResidualScores()
    for piece in np.array_split(np.arange(len(y)), pieces):
        found = found.merge(Residuals(quantile).of(y[piece], p[piece]))
    share = max(quantile, 1 - quantile)
    rank = next((k for k in range(len(y) + 2) if k + 1e-9 >= share * (len(y) + 1)), 0)
    if rank > len(y):
        with pytest.raises(MillraceError, match="too few"):
            shifted(quantile, found.histogram)
        return
    shift = shifted(quantile, found.histogram)
    assert shift == shifted(quantile, residuals(quantile, y, p))  # however the rows were cut
    # As many rows as the theorem asks for lie on this side, and no more are pushed there.
    gap = np.sort(y - p if quantile >= 0.5 else p - y)
    amount = shift.amount if quantile >= 0.5 else -shift.amount
    assert gap[rank - 1] <= amount <= np.nextafter(np.float32(gap[rank - 1]), np.float32(np.inf))
    assert restored(json.loads(json.dumps(shift.told()))) == shift


def test_so_many_rows_are_enough_for_a_quantile() -> None:
    for quantile, rows in ((0.05, 19), (0.95, 19), (0.9, 9), (0.5, 1)):
        y = np.arange(rows, dtype=np.float64)
        shifted(quantile, residuals(quantile, y, np.zeros(rows)))
        if rows > 1:
            few = residuals(quantile, y[1:], np.zeros(rows - 1))
            with pytest.raises(MillraceError, match=f"it takes {rows} at least"):
                shifted(quantile, few)


def test_labels_too_far_away_are_refused() -> None:
    far = residuals(0.5, np.full(9, 1e300), np.zeros(9))
    with pytest.raises(MillraceError, match="farther"):
        shifted(0.5, far)


def test_a_shift_covers_new_rows_as_often_as_it_says() -> None:
    """Over 400 draws of 99 validation rows and 200 new ones: 0.9 within four standard errors."""
    draw, inside = np.random.default_rng(7), []
    for _ in range(400):
        y = draw.normal(size=299)
        shift = shifted(0.9, residuals(0.9, y[:99], np.zeros(99)))
        inside.append((y[99:] <= shift.apply(np.zeros(200))).mean())
    assert abs(np.mean(inside) - 0.9) < 4 * np.std(inside) / 20


def test_coarse_scores_leave_the_bound_on_the_safe_side() -> None:
    scores = np.linspace(-3, 5, 5000)
    found = ScoreHistogram.of(np.ones(5000, np.bool_), scores, limit=40)
    for rank in (1, 7, 2500, 5000):
        assert (scores < found.above(rank)).sum() >= rank
