"""What ``[tune]`` may say, and what it is told when it says something else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from engine.folds import Folds
from engine.tuning.curve import Averaged, Brackets, Median, Never
from engine.tuning.sampler import Grid, Random, Tpe
from engine.tuning.space import Choice, Range
from jobs.spec.job import JobSpec
from jobs.spec.problems import dotted, problems_of
from jobs.spec.tune import TuneSpec
from jobs.work.tuning import Tuning

SPACE = {"num_leaves": {"low": 15, "high": 255, "log": True}}
TRAIN = {"data": "a", "target": "y", "task": "binary", "model": "m"}
VALID = {"by": "random", "valid": 0.2}
FOLDS = {"by": "stratified", "count": 3}


def spec(**given: Any) -> TuneSpec:
    return TuneSpec.model_validate({"space": SPACE, **given})


def problems(**given: Any) -> dict[str, str]:
    values = {"space": SPACE, **given}
    with pytest.raises(ValidationError) as caught:
        TuneSpec.model_validate(values)
    return {dotted(p.key): p.what for p in problems_of(caught.value, TuneSpec, values)}


def job(train: dict[str, Any], **given: Any) -> JobSpec:
    values = {
        "name": "j",
        "data": {"a": {"path": "a.parquet"}},
        "train": {**TRAIN, **train},
        "tune": {"space": SPACE, **given},
    }
    try:
        return JobSpec.model_validate(values)
    except ValidationError as error:
        found = {dotted(p.key): p.what for p in problems_of(error, JobSpec, values)}
        raise AssertionError(found) from error


@pytest.mark.parametrize(
    ("space", "name", "what"),
    [
        ({"max_dept": [3]}, "max_dept", "did you mean 'max_depth'"),
        ({"max_bin": [63, 255]}, "max_bin", "cannot be tuned: it decides the bins"),
        ({"n_estimators": [50, 100]}, "n_estimators", "cannot be tuned"),
        ({"metric": ["auc"]}, "metric", "train.metric says"),
        ({"num_leaves": [3, -1]}, "num_leaves", "got -1"),
        ({"bagging_fraction": {"low": 0.5, "high": 1.5}}, "bagging_fraction", "got 1.5"),
        ({"eta": [0.1], "learning_rate": [0.1]}, "learning_rate", "the same as 'eta'"),
    ],
)
def test_what_lightgbm_does_not_know_or_cannot_differ_is_refused(
    space: dict, name: str, what: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        job({"split": VALID}, space=space)
    found = caught.value.args[0]
    assert what in found.get(f"tune.space.{name}", ""), found


@pytest.mark.parametrize(
    ("space", "key", "what"),
    [
        ({"num_leaves": {"low": 9, "high": 9}}, "space.num_leaves.high", "more than low = 9"),
        (
            {"lambda_l2": {"low": 0.0, "high": 9.0, "log": True}},
            "space.lambda_l2.low",
            "more than 0 with log",
        ),
        (
            {"num_leaves": {"low": 9, "high": 19, "step": 5, "log": True}},
            "space.num_leaves.step",
            "does not go with `log`",
        ),
        (
            {"num_leaves": {"low": 9, "high": 19, "step": 50}},
            "space.num_leaves.step",
            "wider than the range, 10",
        ),
        ({"num_leaves": {"low": 9, "hihg": 19}}, "space.num_leaves.hihg", "did you mean 'high'"),
        ({"boosting": ["gbdt", "dart", "gbdt"]}, "space.boosting", "'gbdt' stands there twice"),
        ({"boosting": []}, "space.boosting", "a range such as"),
        (
            {"num_leaves": 31},
            "space.num_leaves",
            "a range such as { low = 1, high = 9 }",
        ),
        ({}, "space", "at least 1"),
    ],
)
def test_spaces_that_cannot_be_are_refused(space: dict, key: str, what: str) -> None:
    found = problems(space=space)
    assert what in found.get(key, ""), found


@pytest.mark.parametrize(
    ("given", "key", "what"),
    [
        ({"method": "tpee"}, "method", "did you mean 'tpe'"),
        ({"factor": 3}, "factor", "does not go with method"),
        ({"method": "random", "least_rounds": 3}, "least_rounds", "does not go with method"),
        ({"max_time": "soon"}, "max_time", "should be a time span"),
        ({"trials": 0}, "trials", "greater than or equal to 1"),
        ({"method": "grid"}, "space", "241 points and trials = 30"),
        (
            {"method": "grid", "space": {"learning_rate": {"low": 0.1, "high": 0.2}}},
            "space.learning_rate",
            "`step`, or how many `points`",
        ),
        (
            {"space": {"num_leaves": {"low": 5, "high": 9, "points": 3}}},
            "space.num_leaves.points",
            'is for method = "grid"',
        ),
        ({"folds": {"by": "group"}}, "folds.column", "is required"),
    ],
)
def test_methods_and_what_does_not_go_with_them(given: dict, key: str, what: str) -> None:
    found = problems(**given)
    assert what in found.get(key, ""), found


@pytest.mark.parametrize(
    ("train", "given", "key", "what"),
    [
        ({}, {}, "tune", "give tune.folds, or train.split.valid"),
        ({"init": "m@latest"}, {"folds": FOLDS}, "tune", "does not go with train.init"),
        (
            {"params": {"num_leaf": 9}},
            {"folds": FOLDS},
            "tune.space.num_leaves",
            "train.params gives 'num_leaf' already",
        ),
        (
            {"schedule": {"kind": "exponential", "factor": 0.9}},
            {"folds": FOLDS, "space": {"eta": [0.1, 0.2]}},
            "tune.space.eta",
            "does not go with train.schedule",
        ),
        ({}, {"folds": FOLDS, "metric": "auk"}, "tune.metric", "did you mean auc"),
        (
            {"params": {"n_estimators": 20}},
            {"folds": FOLDS, "method": "halving", "least_rounds": 10},
            "tune.least_rounds",
            "20 rounds are less than 3 times 10",
        ),
    ],
)
def test_what_does_not_go_with_train_is_refused(
    train: dict, given: dict, key: str, what: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        job(train, **given)
    found = caught.value.args[0]
    assert what in found.get(key, ""), found


SGD = {"estimator": "sklearn.SGDClassifier"}
MEANS = {"estimator": "sklearn.MiniBatchKMeans", "task": "clustering", "target": None}
FOREST = {"estimator": "sklearn.IsolationForest", "task": "anomaly", "target": None}
VOTING = {
    "estimator": "ensemble.Voting",
    "members": {"a": {}, "b": {"estimator": "sklearn.GaussianNB"}},
}


@pytest.mark.parametrize(
    ("train", "given", "key", "what"),
    [
        (SGD, {"method": "halving"}, "tune.method", "SGDClassifier has none: take"),
        (SGD, {"method": "hyperband"}, "tune.method", "SGDClassifier has none: take"),
        (SGD, {"early_stopping": 3}, "tune.early_stopping", 'goes with estimator = "lightgbm"'),
        (
            {**SGD, "params": {"alpha": 0.1}},
            {},
            "tune.space.alpha",
            "train.params gives 'alpha' already",
        ),
        (VOTING, {}, "tune", "tune each of its members in a job of its own"),
        (FOREST, {}, "tune", "its rows have no labels"),
        (MEANS, {}, "tune.metric", '"silhouette"'),
        (MEANS, {"folds": {"by": "stratified"}}, "tune.folds.column", "no label to stratify by"),
    ],
)
def test_what_other_estimators_cannot_be_searched_by_is_refused(
    train: dict, given: dict, key: str, what: str
) -> None:
    space = {"alpha": {"low": 1e-4, "high": 1.0, "log": True}}
    with pytest.raises(AssertionError) as caught:
        job({"split": VALID, **train}, space=space, **given)
    found = caught.value.args[0]
    assert what in found.get(key, ""), found


def test_a_clustering_is_searched_by_a_metric_that_is_named() -> None:
    space = {"n_clusters": {"low": 2, "high": 9}}
    made = job({"split": VALID, **MEANS}, space=space, metric="silhouette")
    assert Tuning(made.tune, made.train, None).higher


def test_trials_of_other_estimators_are_compared_fold_after_fold() -> None:
    space = {"alpha": [0.1, 0.2]}
    made = job({**SGD, "split": VALID}, space=space, folds={**FOLDS, "count": 8})
    dealt = Folds("random", 8)
    spread = Tuning(made.tune, made.train, dealt).spread
    assert (spread.rule, spread.curve, spread.parallel) == (Median(warmup=2), Averaged, 1)
    assert Tuning(made.tune, made.train, None).spread.rule == Never()
    assert Tuning(made.tune, made.train, None).taken({"alpha": 0.2}, 0).params == {"alpha": 0.2}


def test_lightgbm_on_validation_rows_is_pruned_by_rounds_when_it_is_spread_too() -> None:
    made = job({"split": VALID})
    assert Tuning(made.tune, made.train, None).spread.rule == Median(warmup=25)


def test_without_train_there_is_nothing_to_tune() -> None:
    values = {
        "name": "j",
        "data": {"a": {"path": "a"}},
        "profile": {"data": "a"},
        "tune": {"space": SPACE},
    }
    with pytest.raises(ValidationError, match="which is not there"):
        JobSpec.model_validate(values)


@pytest.mark.parametrize("method", ["tpe", "random", "grid", "halving", "hyperband"])
def test_a_job_is_read_back_from_its_run_folder(method: str) -> None:
    space = {"num_leaves": {"low": 15, "high": 17}, "boosting": ["gbdt", "dart"]}
    first = job({"split": VALID}, method=method, space=space, folds=FOLDS)
    again = JobSpec.model_validate(first.to_dict())
    assert again == first
    assert again.tune is not None and isinstance(again.tune.space["num_leaves"].low, int)


def test_numbers_keep_their_kind() -> None:
    found = spec(
        space={
            "num_leaves": {"low": 15, "high": 255},
            "learning_rate": {"low": 0.01, "high": 1},
            "boosting": ["gbdt", "dart"],
            "extra_trees": [True, False],
        }
    ).parameters
    assert found["num_leaves"] == Range(15, 255) and found["num_leaves"].whole
    assert not found["learning_rate"].whole
    assert found["extra_trees"] == Choice((True, False))


@pytest.mark.parametrize(
    ("given", "sampler", "rule"),
    [
        ({}, Tpe, Median(5, 25)),
        ({"method": "random", "prune": False}, Random, Never()),
        ({"method": "grid", "trials": 300}, Grid, Median(5, 25)),
        ({"method": "halving"}, Random, Brackets(100, 3, 3)),
        (
            {"method": "hyperband", "factor": 2, "least_rounds": 7},
            Random,
            Brackets(100, 7, 2, all=True),
        ),
    ],
)
def test_each_method_has_its_sampler_and_its_rule(given: dict, sampler: type, rule: Any) -> None:
    made = job({"split": VALID}, **given)
    search = Tuning(made.tune, made.train, None).search
    assert isinstance(search.sampler, sampler)
    assert search.rule == rule
    assert (search.rounds, search.higher) == (100, False)


def test_the_metric_is_that_of_train_unless_it_is_given() -> None:
    for given, wanted, higher in (({}, "auc", True), ({"metric": "log_loss"}, "log_loss", False)):
        made = job({"split": VALID, "metric": "auc"}, **given)
        tuning = Tuning(made.tune, made.train, None)
        assert (tuning.metric, tuning.higher) == (wanted, higher)


def test_the_model_has_the_best_rounds_or_its_own_early_stopping() -> None:
    plain = job({"split": VALID, "params": {"num_iterations": 50, "max_depth": 4}})
    taken = Tuning(plain.tune, plain.train, None).taken({"num_leaves": 20}, 17)
    assert taken.rounds == 17
    assert taken.lightgbm_params == {"max_depth": 4, "num_leaves": 20}
    stops = job({"split": VALID, "early_stopping": 5, "params": {"n_estimators": 50}})
    assert Tuning(stops.tune, stops.train, None).taken({"num_leaves": 20}, 17).rounds == 50
    assert Tuning(stops.tune, stops.train, None).early_stopping == 5


def test_the_plan_counts_the_most_leaves_that_a_trial_may_have() -> None:
    made = job({"split": VALID}, space={"max_leaves": [7, 63, 15], "max_depth": [3]})
    largest = Tuning(made.tune, made.train, None).largest(
        lambda train: sum(map(int, train.params.values()))
    )
    assert largest.params == {"max_leaves": 63}


def test_the_plan_counts_what_needs_most_memory_of_every_parameter_of_other_estimators() -> None:
    space = {"n_estimators": {"low": 10, "high": 90}, "max_depth": [9, 3]}
    forest = {"estimator": "sklearn.RandomForestClassifier", "split": VALID}
    made = job(forest, space=space)
    largest = Tuning(made.tune, made.train, None).largest(
        lambda train: sum(map(int, train.params.values()))
    )
    assert largest.params == {"n_estimators": 90, "max_depth": 9}
