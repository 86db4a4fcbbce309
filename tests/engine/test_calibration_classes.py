"""Calibrated probabilities of several classes, one after the other, and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression

from engine.calibration import (
    ByClass,
    Calibration,
    Chain,
    Counted,
    Isotonic,
    Prior,
    Shift,
    Sigmoid,
    Temperature,
    fitted,
    fitted_classes,
    mapped,
    restored,
)
from engine.calibration.fit import Method
from engine.errors import MillraceError, ModelError
from engine.metrics import ScoreHistogram


def bold(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes that are too near to 0 and 1, and labels."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(0, 1, (rows, 3))
    true = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    y = (true.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
    said = np.exp(2.5 * logs)
    return said / said.sum(axis=1, keepdims=True), y.astype(np.float32)


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(np.maximum(p[np.arange(len(y)), y.astype(int)], 1e-15)).mean())


@pytest.mark.parametrize("method", ["isotonic", "sigmoid", "temperature"])
def test_the_loss_falls_and_parts_merge(method: Method) -> None:
    p, y = bold(20_000)
    counter = Counted(3, method == "temperature")
    whole = fitted_classes(method, counter.of(y, p))
    first, last = (counter.of(y[cut], p[cut]) for cut in (slice(7_000), slice(7_000, None)))
    assert fitted_classes(method, last.merge(first).merge(counter.empty())) == whole
    fresh, label = bold(20_000, seed=2)
    after = whole.apply(fresh)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert log_loss(after, label) < log_loss(fresh, label) - 0.1
    pieces = np.concatenate([whole.apply(fresh[:1]), whole.apply(fresh[1:])])
    assert pieces.tobytes() == after.tobytes()


def test_the_temperature_has_the_least_loss() -> None:
    p, y = bold(5_000)
    found = fitted_classes("temperature", Counted(3, True).of(y, p))
    assert isinstance(found, Temperature)
    best = minimize_scalar(lambda b: log_loss(Temperature(b).apply(p), y), bounds=(0.1, 3))
    assert found.sharpness == pytest.approx(best.x, rel=2e-3)
    assert found.sharpness == pytest.approx(1 / 2.5, rel=0.05)


def test_a_class_against_the_rest_is_that_of_scikit_learn() -> None:
    p, y = bold(3_000)
    p = np.round(p, 2)
    found = fitted_classes("isotonic", Counted(3).of(y, p))
    theirs = [
        IsotonicRegression(out_of_bounds="clip").fit(p[:, k], y == k).predict(p[:, k])
        for k in range(3)
    ]
    wanted = np.stack(theirs, axis=1)
    np.testing.assert_allclose(found.apply(p), wanted / wanted.sum(axis=1)[:, None], atol=1e-6)


def test_a_class_without_rows_keeps_its_probability() -> None:
    p, y = bold(500)
    found = fitted_classes("isotonic", Counted(3).of(np.minimum(y, 1), p))
    assert isinstance(found, ByClass) and found.lines[2] is None
    with pytest.raises(MillraceError, match="1 class"):
        fitted_classes("temperature", Counted(3, True).of(np.zeros(500), p))


def test_rows_are_counted_anew_by_what_a_calibration_says() -> None:
    p, y = bold(4_000)
    histogram = ScoreHistogram.of(y == 1, p[:, 1])
    line = fitted("isotonic", histogram)
    wanted = ScoreHistogram.of(y == 1, line.apply(p[:, 1].astype(np.float32).astype(float)))
    found = mapped(histogram, line)
    assert found.keys.tolist() == wanted.keys.tolist()
    assert found.positives.tolist() == wanted.positives.tolist()
    assert found.negatives.tolist() == wanted.negatives.tolist()
    assert mapped(histogram, None) is histogram


EVERY: list[Calibration] = [
    Isotonic((0.1, 0.9), (0.0, 1.0)),
    Sigmoid(2.0, -0.1),
    Shift(0.3),
    Prior((0.1, 1.0)),
    ByClass((Sigmoid(1.0, 0.0), None, Isotonic((0.0,), (0.5,)))),
    Temperature(0.7),
    Chain((Prior((0.5, 1.0)), Sigmoid(1.0, 0.2))),
]


@pytest.mark.parametrize("one", EVERY, ids=lambda one: type(one).__name__)
def test_json_brings_it_back(one: Calibration) -> None:
    assert restored(json.loads(json.dumps(one.told()))) == one


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="does not know: 'beta'"):
        restored({"kind": "beta"})


def test_a_chain_applies_its_links_in_order() -> None:
    p = np.array([0.2, 0.6])
    first, second = Prior((0.5, 1.0)), Sigmoid(2.0, 0.5)
    assert (Chain((first, second)).apply(p) == second.apply(first.apply(p))).all()
