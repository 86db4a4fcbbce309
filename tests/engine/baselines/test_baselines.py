"""Baselines: what they learn, against scikit-learn on the same columns, and that none breaks."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LogisticRegression, Ridge

from engine.baselines import Known, constant, contestants
from engine.baselines.linear import linear
from engine.baselines.one_feature import BINS, one_feature, ranked
from engine.models.additive import Additive

BINARY, MANY = Known("binary"), Known("multiclass", 3)
ROWS = 2_000


def made(seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two numbers, one with missing values, a category, and the odds that they make."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 3)).astype(np.float32)
    x[:, 0] = 50 + 7 * x[:, 0]
    x[:, 2] = rng.integers(0, 4, ROWS)
    odds = (x[:, 0] - 50) / 7 + np.array([-1, 0, 2, 0.5])[x[:, 2].astype(int)]
    x[rng.random(ROWS) < 0.1, 1] = np.nan
    return x, odds, rng.random(ROWS)


def columns(x: np.ndarray) -> np.ndarray:
    """The same columns as the linear model makes: standardised, filled, marked, one-hot."""
    gone = np.isnan(x[:, 1])
    wide = x.astype(np.float64)
    filled = np.where(gone, np.nanmean(wide[:, 1]), wide[:, 1])
    first = (wide[:, 0] - wide[:, 0].mean()) / wide[:, 0].std()
    second = (filled - np.nanmean(wide[:, 1])) / np.nanstd(wide[:, 1])
    levels = [(wide[:, 2] == code).astype(float) for code in range(4)]
    return np.stack([first, second, gone.astype(float), *levels], axis=1)


def test_linear_models_are_those_of_scikit_learn() -> None:
    x, odds, draws = made()
    y = (draws < 1 / (1 + np.exp(-odds))).astype(float)
    z, order = columns(x), [0, 1, 2]
    p = linear(BINARY, x, y, draws, {2}, order).predict(x)
    theirs = LogisticRegression(C=1, tol=1e-8, max_iter=1_000).fit(z, y)
    np.testing.assert_allclose(p, theirs.predict_proba(z)[:, 1], atol=2e-3)
    three = np.digitize(odds, [-1.0, 1.0]).astype(float)
    many = linear(MANY, x, three, draws, {2}, order).predict(x)
    wide = LogisticRegression(C=1, tol=1e-8, max_iter=1_000).fit(z, three)
    np.testing.assert_allclose(many, wide.predict_proba(z), atol=2e-2)
    number = linear(Known("regression"), x, odds, draws, {2}, order).predict(x)
    ridge = Ridge(alpha=1).fit(z, odds).predict(z)
    np.testing.assert_allclose(number, ridge.clip(odds.min(), odds.max()), rtol=1e-9, atol=1e-9)


def test_the_best_feature_is_the_one_that_tells_most() -> None:
    x, _, draws = made()
    y = (draws < 1 / (1 + np.exp(-3 * (x[:, 0] - 50) / 7))).astype(float)
    fair = np.random.default_rng(1).random(ROWS)
    assert ranked(BINARY, x, y, fair, {2})[0] == 0
    assert ranked(Known("regression"), x, (x[:, 2] == 2).astype(float), fair, {2})[0] == 2
    quantile = Known("regression", objective="quantile", alpha=0.9)
    assert ranked(quantile, x, x[:, 0] * fair, fair[::-1], {2})[0] == 0
    assert ranked(MANY, x, x[:, 2] % 3, fair, {2})[0] == 2


def test_many_categories_without_meaning_are_not_the_best_feature() -> None:
    rng = np.random.default_rng(5)
    y = (rng.random(ROWS) < 0.5).astype(float)
    told = np.where(rng.random(ROWS) < 0.2, y, rng.integers(0, 2, ROWS))
    noise = rng.integers(0, ROWS // 2, ROWS)
    x = np.stack([noise, told], axis=1).astype(np.float32)
    assert ranked(BINARY, x, y, rng.random(ROWS), {0})[0] == 1


def test_a_table_holds_the_means_of_its_bins_drawn_to_the_whole() -> None:
    x = np.repeat(np.array([1, 2, np.nan], np.float32), 90)[:, None]
    y = np.repeat([1.0, 0.0, 1.0], 90)
    model = one_feature(BINARY, x, y, 0, categorical=True)
    whole = 2 / 3
    wanted = [(90 + 10 * whole) / 100, 10 * whole / 100, whole, (90 + 10 * whole) / 100]
    asked = np.array([[1], [2], [9], [np.nan]], np.float32)
    np.testing.assert_allclose(model.predict(asked), wanted)


def test_a_number_has_bins_of_equal_rows() -> None:
    x = np.arange(BINS * 100, dtype=np.float32)[:, None]
    model = one_feature(Known("regression"), x, x[:, 0].astype(float), 0, categorical=False)
    said, counts = np.unique(model.predict(x), return_counts=True)
    assert len(said) == BINS and set(counts) == {100}


def test_constants() -> None:
    y = np.array([0.0, 0.0, 1.0, 10.0])
    x = np.zeros((2, 5), np.float32)

    def said(known: Known) -> Any:
        return constant(known, 5, 2.75, [1, 0, 3], y).predict(x)[0].tolist()

    assert said(Known("regression")) == 2.75
    assert said(Known("regression", objective="regression_l1")) == 0.5
    assert said(Known("regression", objective="quantile", alpha=0.9)) == np.quantile(y, 0.9)
    assert said(MANY) == [0.25, 0.0, 0.75]
    assert said(Known("ranking")) == 0.0


def test_without_features_or_rows_there_is_only_the_constant() -> None:
    none = np.empty(0)
    assert contestants(BINARY, np.empty((0, 3), np.float32), none, none, ()) == {}
    assert contestants(BINARY, np.empty((4, 0), np.float32), np.zeros(4), np.zeros(4), ()) == {}


@settings(max_examples=40)
@given(
    x=hnp.arrays(np.float32, (12, 3), elements=st.floats(width=32)),
    y=hnp.arrays(np.int8, 12, elements=st.integers(0, 2)),
    draws=hnp.arrays(np.float64, 12, elements=st.floats(0, 0.999)),
    task=st.sampled_from(["binary", "multiclass", "regression", "ranking", "quantile"]),
)
def test_whatever_the_values_are_predictions_are_numbers(
    x: np.ndarray, y: np.ndarray, draws: np.ndarray, task: str
) -> None:
    known = {
        "multiclass": MANY,
        "quantile": Known("regression", objective="quantile", alpha=0.1),
    }.get(task, Known(task))
    x[:, 2] = np.where(np.isfinite(x[:, 2]), np.clip(x[:, 2], 0, 5) // 1, np.nan)
    labels = (y > 0).astype(float) if task == "binary" else y.astype(float)
    for model in contestants(known, x, labels, draws, {2}).values():
        p = model.predict(x)
        assert np.isfinite(p).all()
        assert Additive.of_files(model.files()) == model
        if task in ("binary", "multiclass"):
            assert (p >= 0).all() and (p <= 1).all()
