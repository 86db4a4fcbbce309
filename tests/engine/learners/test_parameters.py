"""What is asked of an estimator, refused before anything is read."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import PlanRefused, SpecError
from engine.learners import CATALOGUE, Assignment, learner, parameters
from engine.memory import Shape
from engine.plan import MIB, Partition


def assigned(name: str, params: dict[str, Any] | None = None, **more: Any) -> Assignment:
    estimator = CATALOGUE[f"sklearn.{name}"]
    task = estimator.tasks[0]
    return Assignment(estimator, task, params or {}, 2 if task == "binary" else 0, **more)


def check(assignment: Assignment) -> None:
    learner(assignment.estimator.way).check(assignment)


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("SGDClassifier", {"alhpa": 1}, "'alhpa'\n.*params.alhpa\n.*did you mean alpha?"),
        ("SGDClassifier", {"loss": "hinges"}, "'loss' parameter of SGDClassifier must be"),
        ("SGDClassifier", {"random_state": 1}, "'random_state' .* cannot be given"),
        ("SGDClassifier", {"early_stopping": True}, "'early_stopping' .* cannot be given"),
        ("SGDClassifier", {"epochs": 0}, "epochs should be a whole number from 1, got 0"),
        ("SGDClassifier", {"patience": 1.5}, "patience should be a whole number from 0"),
        ("GaussianNB", {"epochs": 2}, "all after one pass"),
        ("MiniBatchKMeans", {"patience": 2}, "no validation metric"),
        ("MLPClassifier", {"solver": "lbfgs"}, "looks at all rows at once"),
        ("SVC", {"n_estimators": 3}, "has no parameter 'n_estimators'"),
        ("RandomForestClassifier", {"n_jobs": 4}, "'n_jobs' .* cannot be given"),
        ("DBSCAN", {"metric": "cosine"}, "'metric' .* cannot be given"),
        ("Ridge", {"alpha": -1}, "'alpha' parameter of Ridge must be"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_are_refused(
    name: str, params: dict[str, Any], told: str
) -> None:
    with pytest.raises(SpecError, match=told):
        check(assigned(name, params))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("SGDClassifier", {"loss": "log_loss", "epochs": 3, "patience": 1, "alpha": 1}),
        ("MLPRegressor", {"hidden_layer_sizes": (8, 4), "tol": 0.1}),
        ("SVC", {"C": 2, "probability": True}),
        ("HDBSCAN", {"min_cluster_size": 10}),
    ],
)
def test_what_can_be_is_taken(name: str, params: dict[str, Any]) -> None:
    check(assigned(name, params))


def test_weights_are_refused_where_there_is_no_place_for_them() -> None:
    for name in ("SGDClassifier", "GaussianNB", "RandomForestClassifier", "MLPRegressor"):
        check(assigned(name, weighted=True))
    for name in ("PassiveAggressiveClassifier", "KNeighborsClassifier", "IncrementalPCA"):
        with pytest.raises(SpecError, match="takes no weights"):
            check(assigned(name, weighted=True))


def test_without_scikit_learn_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "installed", lambda: "")
    for name in ("SGDClassifier", "SVC"):
        with pytest.raises(SpecError, match=r"pip install 'millrace\[sklearn\]'"):
            check(assigned(name))


SHAPE = Shape([Partition(0, (), 100_000, 12 * MIB, 4 * MIB, 4 * MIB)], 30, 2)


def told(name: str, rows: int, params: dict[str, Any] | None = None, **more: Any) -> int:
    assignment = assigned(name, params, **more)
    terms = learner(assignment.estimator.way).terms(assignment, SHAPE, rows)
    return sum(term.bytes for term in terms)


def test_what_is_streamed_does_not_grow_with_the_rows() -> None:
    assert told("SGDClassifier", 10**5) == told("SGDClassifier", 10**9)
    wide = told("MLPClassifier", 10**5, {"hidden_layer_sizes": (2_000, 2_000)})
    assert wide - told("MLPClassifier", 10**5) > 4_000_000 * 8


def test_what_is_sampled_grows_with_the_sample_alone() -> None:
    assert told("Ridge", 10**6) == told("Ridge", 10**9)
    assert told("Ridge", 10**9, sample_rows=10**6) > told("Ridge", 10**9) + 8 * 30 * 800_000
    deep = told("RandomForestClassifier", 10**6)
    assert deep > 100 * 200_000 * 64
    assert told("RandomForestClassifier", 10**6, {"max_depth": 8}) < deep / 4


def test_a_driver_holds_the_sample_and_what_was_learned() -> None:
    def driver(name: str, rows: int, **more: Any) -> int:
        assignment = assigned(name, **more)
        way = learner(assignment.estimator.way)
        return sum(term.bytes for term in way.driver(assignment, SHAPE, rows))

    few = driver("Ridge", 10**9)
    # Four copies as float32 on the way, and what a model may keep of it.
    assert driver("Ridge", 10**9, sample_rows=10**6) - few >= (4 * 4 + 16) * 800_000 * 30
    assert driver("RandomForestClassifier", 10**6) > few + 100 * 200_000 * 64
    assert driver("SGDClassifier", 10**5) == driver("SGDClassifier", 10**9) < 100 * MIB


def test_a_sample_that_cannot_be_held_is_refused_with_the_number_that_can() -> None:
    with pytest.raises(PlanRefused, match="sample of 200,000 rows would take") as caught:
        told("AgglomerativeClustering", 10**6, memory=2 * 2**30)
    assert caught.value.where == "train.sample_rows"
    assert caught.value.hint is not None
    fits = int(caught.value.hint.removeprefix("set it to ").partition(" ")[0].replace(",", ""))
    assert 10_000 < fits < 30_000
    assert told("AgglomerativeClustering", 10**6, memory=2 * 2**30, sample_rows=fits) <= 2 * 2**30
    assert told("AgglomerativeClustering", 5_000, memory=2 * 2**30) <= 2 * 2**30
    with pytest.raises(PlanRefused, match="square of its rows: 200,000 are too many"):
        told("SVC", 10**6)
    assert told("SVC", 10**6, sample_rows=50_000)
