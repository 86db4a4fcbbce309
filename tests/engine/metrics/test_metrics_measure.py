"""What each task is measured by; the regression family against LightGBM; the user's metrics."""

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

from engine.errors import MillraceError, SpecError
from engine.metrics import CustomMetric, Measure
from engine.metrics.losses import LOSSES

Vector = npt.NDArray[Any]


def outside(y: Vector, p: Vector) -> Vector:
    """Return the terms of two sums: errors over a limit, and their size."""
    size = np.abs(y - p)
    return np.column_stack([size > 1, np.where(size > 1, size, 0)])


def mean_size(sums: Vector, rows: int) -> float:
    return float(sums[1] / sums[0]) if sums[0] else 0.0


def first_wrong(y: Vector, p: Vector) -> Vector:
    first: Vector = p[:, 0] * (y != 0)
    return first


def mean_of(sums: Vector, rows: int) -> float:
    return float(sums[0] / rows)


OURS = ("cross_entropy", "relative_error", "rmsle", "deviance")
"""Losses that LightGBM does not have, or not for these labels."""

FAR = CustomMetric("far", outside, mean_size)


@pytest.mark.parametrize(
    ("measure", "followed"),
    [
        (Measure("binary"), ("log_loss", "auc")),
        (Measure("binary", metric="auc"), ("auc", "log_loss")),
        (Measure("binary", metric="brier"), ("brier", "log_loss", "auc")),
        (Measure("multiclass", 3), ("log_loss", "accuracy")),
        (Measure("regression"), ("rmse", "mae")),
        (Measure("regression", objective="regression_l1"), ("mae", "rmse")),
        (Measure("regression", objective="tweedie"), ("tweedie", "rmse", "mae")),
        (
            Measure("regression", objective="quantile", metric="mape"),
            ("mape", "quantile", "rmse", "mae"),
        ),
        (Measure("regression", custom=(FAR,)), ("rmse", "mae", "far")),
        (Measure("regression", custom=(FAR,), metric="far"), ("far", "rmse", "mae")),
        (Measure("ranking"), ("ndcg@10", "ndcg@5", "ndcg@3", "ndcg@1", "map@10")),
        (Measure("ranking", params={"ndcg_at": "5,2"}), ("ndcg@5", "ndcg@2", "map@5")),
        (
            Measure("ranking", params={"eval_at": 4}, metric="ndcg@7"),
            ("ndcg@7", "ndcg@4", "map@4"),
        ),
        (Measure("ranking", params={"eval_at": [3]}, metric="mrr"), ("mrr", "ndcg@3", "map@3")),
    ],
)
def test_followed_metrics_are_in_the_results(measure: Measure, followed: tuple[str, ...]) -> None:
    assert measure.followed == followed
    assert set(followed) <= set(measure.empty().results())
    assert all(isinstance(measure.better(name), bool) for name in measure.known)
    assert pickle.loads(pickle.dumps(measure)) == measure


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "ranking"])
def test_every_known_metric_can_be_asked_for_and_is_found(task: str) -> None:
    for metric in Measure(task, 3).known:
        assert metric in Measure(task, 3, metric=metric).empty().results()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"task": "painting"}, "no metrics for task 'painting'"),
        ({"task": "binary", "metric": "rmse"}, "'rmse' does not go with task 'binary'"),
        ({"task": "binary", "metric": "logloss"}, "did you mean log_loss"),
        ({"task": "ranking", "metric": "ndcg@0"}, "did you mean ndcg@10"),
        ({"task": "regression", "custom": (FAR, FAR)}, "'far' is taken"),
        ({"task": "regression", "custom": (CustomMetric("mae", outside, mean_size),)}, "taken"),
    ],
)
def test_names_that_nobody_knows_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        Measure(**arguments)


def test_direction() -> None:
    up = CustomMetric("up", outside, mean_size, higher_is_better=True)
    measure = Measure("ranking", custom=(up, FAR))
    assert measure.better("ndcg@5") and measure.better("up") and not measure.better("far")


@pytest.mark.parametrize("objective", ["regression", "gamma", "poisson", "tweedie"])
def test_losses_are_those_of_lightgbm(objective: str) -> None:
    """Every loss on the predictions of models whose predictions are above 0."""
    import lightgbm

    random = np.random.default_rng(1)
    x = random.normal(size=(500, 3)).astype(np.float32)
    y = np.exp(0.3 * x[:, 0] + random.normal(size=500)).astype(np.float32)
    names = [name for name in LOSSES if name not in OURS]
    own = {"alpha": 0.7, "fair_c": 1.3, "tweedie_variance_power": 1.2}
    told: dict[str, Any] = {}
    rows, hear = lightgbm.Dataset(x, y), lightgbm.record_evaluation(told)
    params = {"objective": objective, "metric": [*names, "l1", "rmse"], "verbosity": -1, **own}
    model = lightgbm.train(params, rows, 3, valid_sets=[rows], valid_names=["v"], callbacks=[hear])
    p = model.predict(x)
    for name in names:
        results = Measure("regression", params=own, metric=name).of(y, p).results()
        expected = told["v"][name][-1] / (len(y) if name == "gamma_deviance" else 1)
        assert results[name] == pytest.approx(expected, rel=1e-9), name
    assert results["rmse"] == pytest.approx(told["v"]["rmse"][-1], rel=1e-9)
    assert results["mae"] == pytest.approx(told["v"]["l1"][-1], rel=1e-9)


def test_losses_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(2)
    y, p = np.exp(random.normal(size=(2, 300)))

    def of(name: str, **params: float) -> float:
        return Measure("regression", params=params, metric=name).of(y, p).results()[name]

    assert of("quantile", alpha=0.2) == pytest.approx(
        reference.mean_pinball_loss(y, p, alpha=0.2), rel=1e-12
    )
    assert of("gamma_deviance") == pytest.approx(reference.mean_gamma_deviance(y, p), rel=1e-6)
    share = y / (1 + y)
    p = p / (1 + p)
    told = Measure("regression", objective="cross_entropy").of(share, p).results()["cross_entropy"]
    assert told == pytest.approx(-np.mean(share * np.log(p) + (1 - share) * np.log(1 - p)))


@st.composite
def positive(draw: st.DrawFn) -> tuple[Vector, Vector]:
    n = draw(st.integers(0, 40))
    values = hnp.arrays(np.float64, n, elements=st.floats(1e-3, 1e6))
    return draw(values), draw(values)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "cross_entropy"])
@settings(deadline=None, max_examples=25)
@given(data=positive(), cuts=st.lists(st.integers(0, 40), max_size=4), back=st.booleans())
def test_losses_are_the_same_bits_for_any_cut(
    name: str, data: tuple[Vector, Vector], cuts: list[int], back: bool
) -> None:
    measure, (y, p) = Measure("regression", metric=name, custom=(FAR,)), data
    pieces = np.split(np.arange(len(y)), sorted(cuts))
    scores = measure.empty()
    for piece in reversed(pieces) if back else pieces:
        scores = scores.merge(measure.of(y[piece], p[piece]))
    assert repr(scores.results()) == repr(measure.of(y, p).results())


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "cross_entropy"])
def test_losses_of_large_blocks_are_the_same_bits(name: str) -> None:
    """Vectorised logarithms must not depend on where in a block a row stands."""
    random = np.random.default_rng(2)
    y, p = np.exp(random.normal(size=(2, 5000))).astype(np.float32)
    measure = Measure("regression", objective=name)
    scores = measure.empty()
    for start in range(0, 5000, 333):
        block = slice(start, start + 333)
        scores = scores.merge(measure.of(y[block], p[block]))
    assert repr(scores.results()) == repr(measure.of(y, p).results())


@pytest.mark.parametrize(
    ("name", "y", "p", "says"),
    [
        ("gamma", [1, 0], [1, 1], "1 of 2 labels are not above 0: there is no gamma"),
        ("gamma_deviance", [1, 1], [-1, 0], "2 of 2 predictions are not above 0"),
        ("poisson", [-1, 0], [1, 1], "1 of 2 labels are below 0"),
        ("tweedie", [-1, 0], [1, 1], "1 of 2 labels are below 0"),
        ("cross_entropy", [2, 0], [1, 1], "outside"),
        ("cross_entropy", [1, 0], [1, -1], "outside"),
    ],
)
def test_a_loss_that_there_is_not_is_refused(
    name: str, y: list[float], p: list[float], says: str
) -> None:
    with pytest.raises(MillraceError, match=says):
        Measure("regression", metric=name).of(np.array(y), np.array(p, np.float64))


def test_a_custom_metric_goes_with_every_task() -> None:
    y, p = np.array([0.0, 2.0, 5.0]), np.array([0.5, 4.0, 1.0])
    assert Measure("regression", custom=(FAR,)).of(y, p).results()["far"] == 3.0
    wrong = CustomMetric("first_wrong", first_wrong, mean_of)
    shares = np.array([[0.5, 0.5], [0.2, 0.8]])
    scores = Measure("multiclass", 2, custom=(wrong,)).of(np.array([0, 1]), shares)
    assert scores.results()["first_wrong"] == 0.1
    assert set(scores.curves()) == {"by_class", "decided_by_class", "confusion", "confidence"}
    query = np.array([1, 1, 2], np.uint64)
    told = Measure("ranking", custom=(FAR,)).of(y, p, query).results()
    assert told["far"] == 3.0 and told["queries"] == 2


def test_terms_of_another_shape_are_refused() -> None:
    bad = CustomMetric("bad", lambda y, p: y[:1], mean_of)
    with pytest.raises(MillraceError, match=r"'bad' gave terms of shape \(1,\) for 3 rows"):
        Measure("regression", custom=(bad,)).of(np.zeros(3), np.zeros(3))
    assert np.isnan(Measure("regression", custom=(bad,)).empty().results()["bad"])
