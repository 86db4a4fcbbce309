"""What may be said of dask-ml's estimators is known before anything is read."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import SpecError
from engine.learners import CATALOGUE, Assignment, learner
from engine.learners.passes.names import ESTIMATORS
from engine.memory import Shape
from engine.plan import Partition, Slice

pytest.importorskip("dask_ml")
WAY = learner("passes")


def asked(name: str, **params: Any) -> Assignment:
    estimator = CATALOGUE[f"dask_ml.{name}"]
    return Assignment(estimator, estimator.tasks[0], params, 2)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: one.name)
def test_every_estimator_is_there_and_can_be_had_without_params(estimator: Any) -> None:
    for task in estimator.tasks:
        assignment = Assignment(estimator, task, {}, 2)
        WAY.check(assignment)
        assert WAY.passes(assignment)[0].startswith("training rows into matrices")


@pytest.mark.parametrize(
    ("name", "params", "where", "says"),
    [
        ("LinearRegression", {"max_itr": 3}, "max_itr", "did you mean 'max_iter'"),
        ("LogisticRegression", {"C": 0}, "C", "above 0, and is 0"),
        ("LogisticRegression", {"n_jobs": 2}, "n_jobs", "does not look at this parameter"),
        ("LogisticRegression", {"penalty": "l1"}, "penalty", "one of l2, none"),
        ("PoissonRegression", {"solver": "gradient_descent"}, "solver", "one of lbfgs, newton"),
        ("LinearRegression", {"solver": "admm"}, "solver", "one of lbfgs, newton"),
        ("LinearRegression", {"solver": "newton"}, "solver", "leaves the penalty out"),
        ("KMeans", {"init": "k-means++"}, "init", "takes all rows into memory"),
        ("KMeans", {"n_clusters": 2.5}, "n_clusters", "a whole number from 1 on"),
        ("KMeans", {"clusters": 3}, "clusters", "did you mean 'n_clusters'"),
        ("PCA", {"svd_solver": "randomized"}, "svd_solver", "as long as the data"),
        ("PCA", {"n_components": 0.5}, "n_components", "a whole number"),
        ("TruncatedSVD", {"algorithm": "randomized"}, "algorithm", "not exact"),
        ("GaussianNB", {"priors": [0.5, 0.6]}, "priors", "add up to 1"),
        ("Incremental", {"estimator": "MLPClassifier"}, "estimator", "not for the task binary"),
        ("Incremental", {"loss": "hinge"}, "loss", "no probabilities"),
        ("Incremental", {"alhpa": 1}, "alhpa", "did you mean 'alpha'"),
        ("Incremental", {"alpha": -1.0}, "", "'alpha' parameter"),
        ("Incremental", {"shuffle_blocks": 1}, "shuffle_blocks", "true or false"),
    ],
)
def test_what_cannot_be_is_told(name: str, params: dict[str, Any], where: str, says: str) -> None:
    with pytest.raises(SpecError) as error:
        WAY.check(asked(name, **params))
    assert says in str(error.value)
    assert error.value.where == f"train.params.{where}".rstrip(".")


def test_a_plan_grows_with_threads_and_candidates_and_not_with_rows() -> None:
    def bytes_of(assignment: Assignment, threads: int = 1, rows: int = 1_000_000) -> int:
        slices = (Slice(0, 0, 10_000, 0),)
        shape = Shape([Partition(0, slices, 10_000, 10**6, 10**6, 10**6)], 20, threads, 20)
        return sum(term.bytes for term in WAY.terms(assignment, shape, rows))

    linear, clusters = asked("LinearRegression"), asked("KMeans")
    assert bytes_of(linear) == bytes_of(linear, rows=10**9)
    assert bytes_of(linear, threads=2) > bytes_of(linear)
    assert bytes_of(asked("KMeans", n_clusters=50)) > bytes_of(clusters)
    assert bytes_of(clusters, rows=10**9) > bytes_of(
        clusters
    )  # a draw for each row, and it says so
