"""Estimators of scikit-learn in bundles: kept without pickle, and the same answer for any rows."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.tree import DecisionTreeClassifier
from skops import io

from engine.errors import ModelError, SpecError
from engine.learners import CATALOGUE
from engine.learners.sampled.names import HABITS, Habit
from engine.models import kept, restored, sklearn, skops_files
from engine.models.sklearn import Sklearn
from engine.models.skops_files import TRUSTED, installed, packed, unpacked

X, CODES = load_iris(return_X_y=True)
X = X.astype(np.float32)

FAST: dict[str, dict[str, Any]] = {"novelty": {"novelty": True}}
VARIANTS: list[tuple[str, str, dict[str, Any]]] = []
MORE: dict[str, list[dict[str, Any]]] = {
    "SGDClassifier": [
        {"loss": loss}
        for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "huber")
    ],
    "SGDRegressor": [
        {"loss": loss} for loss in ("huber", "epsilon_insensitive", "squared_epsilon_insensitive")
    ],
    "MLPClassifier": [
        {"solver": "sgd", "max_iter": 3},
        {"hidden_layer_sizes": (5, 4), "max_iter": 3},
    ],
    "MLPRegressor": [{"max_iter": 3}],
    "KNeighborsClassifier": [
        {"metric": metric, "algorithm": kind}
        for metric, kind in (
            ("euclidean", "brute"),
            ("manhattan", "kd_tree"),
            ("chebyshev", "ball_tree"),
            ("minkowski", "auto"),
        )
    ],
    "LogisticRegression": [{"solver": one} for one in ("lbfgs", "saga", "newton-cholesky")],
    "HistGradientBoostingRegressor": [
        {"loss": loss, "max_iter": 3} for loss in ("absolute_error", "poisson", "gamma")
    ],
    "SVC": [{"probability": True}, {"kernel": "poly"}],
    "LocalOutlierFactor": [{"novelty": True}, {"novelty": True, "algorithm": "brute"}],
    "IsolationForest": [{"n_estimators": 5}],
}
for one in CATALOGUE.values():
    if one.path in TRUSTED and one.name.startswith("sklearn."):
        short = one.name.removeprefix("sklearn.")
        small = {"n_estimators": 5} if "Forest" in short or "Trees" in short else {}
        for given in MORE.get(short, [{"max_iter": 3} if "Hist" in short else small]):
            VARIANTS += [(one.name, task, given) for task in one.tasks]


@cache
def labelled(task: str) -> np.ndarray:
    if task == "binary":
        return (CODES > 0).astype(np.int64)
    return CODES if task == "multiclass" else X[:, 0].astype(np.float64) + 0.1


def fitted(name: str, task: str, params: dict[str, Any]) -> tuple[Any, Sklearn]:
    """Return an estimator, and the model that is kept of it."""
    path = CATALOGUE[name].path
    module, _, kind = path.partition(":")
    estimator = getattr(__import__(module, fromlist=[kind]), kind)(**params)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=1)
    cell = HABITS.get(name, Habit()).cell
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X.astype(cell), labelled(task))
    classes = {"binary": 2, "multiclass": 3}.get(task, 0)
    data = packed(estimator, path)
    return estimator, Sklearn(data, path, installed(), task, classes, tuple("abcd"), cell)


@pytest.mark.parametrize(("name", "task", "params"), VARIANTS)
def test_what_is_kept_says_what_was_fitted_whatever_rows_stand_beside(
    name: str, task: str, params: dict[str, Any]
) -> None:
    estimator, model = fitted(name, task, params)
    again = restored(kept(model))
    assert isinstance(again, Sklearn)
    said = again.predict(X)
    assert said.dtype == np.float64
    order = np.random.default_rng(0).permutation(len(X))
    assert again.predict(X[order]).tobytes() == said[order].tobytes()
    parts = [again.predict(X[low:high]) for low, high in ((0, 1), (1, 8), (8, 150), (150, 150))]
    assert np.concatenate(parts).tobytes() == said.tobytes()
    rows = X.astype(model.cell)
    match task:
        case "binary" | "multiclass":
            if hasattr(estimator, "predict_proba"):
                p = estimator.predict_proba(rows)
                assert np.allclose(said, p[:, 1] if task == "binary" else p, atol=1e-12)
            else:
                votes = said > 0.5 if task == "binary" else said.argmax(axis=1)
                assert (votes == estimator.predict(rows)).all()
        case "anomaly":
            assert ((said > 0) == (estimator.predict(rows) == -1)).all()
        case "clustering":
            assert (said[:, 0] == estimator.predict(rows)).all()
            assert (said[:, 1] >= 0).all()
        case "reduction":
            assert np.allclose(said, estimator.transform(rows), atol=1e-12)
        case _:
            assert np.allclose(said, estimator.predict(rows), atol=1e-12)


def test_margins_are_squashed_and_keep_their_order() -> None:
    estimator, model = fitted("sklearn.Perceptron", "binary", {})
    margin = estimator.decision_function(X)
    assert np.allclose(model.predict(X), np.exp(-np.logaddexp(0, -margin)), rtol=1e-12)
    estimator, model = fitted("sklearn.LinearSVC", "multiclass", {})
    said = model.predict(X)
    assert np.allclose(said.sum(axis=1), 1)
    assert (said.argmax(axis=1) == estimator.decision_function(X).argmax(axis=1)).all()


def test_a_class_without_a_training_row_has_a_probability_of_zero() -> None:
    path = CATALOGUE["sklearn.LogisticRegression"].path
    estimator = LogisticRegression().fit(X[CODES != 1], CODES[CODES != 1])
    model = Sklearn(packed(estimator, path), path, installed(), "multiclass", 3, tuple("abcd"))
    said = model.predict(X)
    assert said.shape == (150, 3)
    assert (said[:, 1] == 0).all()
    assert np.allclose(said[:, [0, 2]], estimator.predict_proba(X))


def test_missing_values_are_refused_by_name_where_the_estimator_takes_none() -> None:
    rows = X.copy()
    rows[3, 2] = math.nan
    with pytest.raises(ModelError, match="'c' has missing"):
        fitted("sklearn.GaussianNB", "binary", {})[1].predict(rows)
    forest = fitted("sklearn.RandomForestClassifier", "binary", {"n_estimators": 3})[1]
    assert np.isfinite(forest.predict(rows)).all()
    rows[3, 2] = math.inf
    with pytest.raises(ModelError, match="'c' has missing or infinite"):
        forest.predict(rows)
    with pytest.raises(ModelError, match="4 features, and the rows 3"):
        forest.predict(X[:, :3])


def test_types_that_are_not_trusted_are_not_made() -> None:
    path = CATALOGUE["sklearn.SGDClassifier"].path
    tree = io.dumps(DecisionTreeClassifier().fit(X, CODES))
    with pytest.raises(ModelError, match=r"not trusted: sklearn\.tree\._tree\.Tree"):
        unpacked(tree, path)
    with pytest.raises(ModelError, match=r"its file holds .*LogisticRegression"):
        unpacked(io.dumps(LogisticRegression()), path)
    with pytest.raises(ModelError, match="none of our estimators"):
        unpacked(io.dumps(SGDClassifier()), "os:system")


def test_a_damaged_file_and_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted("sklearn.SGDClassifier", "binary", {})[1]
    with pytest.raises(ModelError, match="is damaged"):
        unpacked(model.data[: len(model.data) // 2], model.path)
    monkeypatch.setattr(skops_files, "installed", lambda: "1.9.0")
    with pytest.raises(ModelError, match=rf"{model.version}, and 1\.9\.0 is installed"):
        model.predict(X)
    monkeypatch.setattr(skops_files, "installed", lambda: "")
    with pytest.raises(SpecError, match="not installed") as caught:
        model.predict(X)
    assert "pip install 'millrace[sklearn]'" in str(caught.value)


def test_what_could_not_be_read_again_is_not_kept() -> None:
    forest = RandomForestClassifier(2).fit(X, CODES)
    with pytest.raises(SpecError, match=r"sklearn\.tree\._tree\.Tree"):
        packed(forest, CATALOGUE["sklearn.SGDClassifier"].path)


def test_every_estimator_of_the_catalogue_can_be_kept() -> None:
    paths = {
        one.path
        for one in CATALOGUE.values()
        if one.way in ("streamed", "sampled") and HABITS.get(one.name, Habit()).kept == "estimator"
    }
    assert paths == set(TRUSTED)


def test_rows_are_always_predicted_in_blocks_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        sklearn, "answers", lambda _, rows, *__: (seen.append(rows.shape), rows[:, 0])[1]
    )
    many = np.random.default_rng(0).random((2500, 4), np.float32)
    said = fitted("sklearn.Ridge", "regression", {})[1].predict(many)
    assert seen == [(1024, 4)] * 3
    assert (said == many[:, 0]).all()
