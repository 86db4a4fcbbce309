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
from engine.calibration import Calibration, Isotonic, Kind, Sigmoid, fitted, restored
from engine.errors import MillraceError
from engine.features.fitted import FittedPipeline
from engine.metrics import ScoreHistogram


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
        return Bundle("tree\n", pipeline, {}, {}, "binary", "y", {}, {}, calibration=one)

    for name, data in bundle(calibration).files().items():
        (tmp_path / name).write_bytes(data)
    found = load(tmp_path)
    assert found.calibration == calibration
    assert found.digest == bundle(calibration).digest != bundle(None).digest
    assert "calibration.json" not in bundle(None).files()
    p = np.array([0.4])
    assert bundle(None).calibrated(p) is p and found.calibrated(p) != p
