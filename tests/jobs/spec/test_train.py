"""What ``[train]`` may say, and what it is told when it says something else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from engine.boosting.schedule import Cosine, Exponential, Step
from engine.errors import SpecError
from jobs.spec.constraints import interactions, monotone
from jobs.spec.problems import dotted, problems_of
from jobs.spec.section import seconds
from jobs.spec.train import TrainSpec

BINARY = {"data": "a", "target": "y", "task": "binary", "model": "m"}
RANKING = {**BINARY, "task": "ranking", "query": "q"}
VALID = {"by": "hash", "columns": ["q"], "valid": 0.1}


def spec(**given: Any) -> TrainSpec:
    return TrainSpec.model_validate({**BINARY, **given})


def problems(**given: Any) -> dict[str, str]:
    values = {**BINARY, **given}
    with pytest.raises(ValidationError) as caught:
        TrainSpec.model_validate(values)
    return {dotted(p.key): p.what for p in problems_of(caught.value, TrainSpec, values)}


@pytest.mark.parametrize(
    ("given", "key", "what"),
    [
        ({"task": "ranking"}, "query", "is required"),
        ({"query": "q"}, "query", 'goes with task = "ranking"'),
        ({**RANKING, "classes": ["a", "b"]}, "classes", "does not go"),
        ({"task": "regression", "class_weight": "balanced"}, "class_weight", "does not go"),
        ({"classes": ["a", "b", "c"]}, "classes", "should be two"),
        ({"classes": ["a", "a"]}, "classes", "named twice: a"),
        ({"classes": [1, "1"]}, "classes", "named twice: 1"),
        ({"classes": ["no", "yes"], "class_weight": {"yess": 2}}, "class_weight.yess", "'yes'"),
        ({"class_weight": "balance"}, "class_weight", "did you mean 'balanced'"),
        ({"class_weight": {"1": -2}}, "class_weight.1", "greater than or equal to 0"),
        ({"task": "regression", "balance": "balanced"}, "balance", "does not go"),
        ({"balance": {"0": 0}}, "balance.0", "greater than 0"),
        ({"balance": {"0": 1.5}}, "balance.0", "less than or equal to 1"),
        ({"classes": ["no", "yes"], "balance": {"yess": 0.5}}, "balance.yess", "'yes'"),
        ({"threshold": {"by": "f_beta"}}, "threshold", "needs validation rows"),
        ({**RANKING, "threshold": {"by": "f_beta"}}, "threshold", "is for binary models"),
        ({"threshold": {"by": "cost"}}, "threshold.false_positive", "is required"),
        ({"threshold": {"by": "f_beta", "beta": 0}}, "threshold.beta", "greater than 0"),
        (
            {"threshold": {"by": "f_beta", "false_negative": 2}},
            "threshold.false_negative",
            'goes with by = "cost"',
        ),
        (
            {"threshold": {"by": "cost", "false_positive": 0, "false_negative": 0}},
            "threshold",
            "both costs are 0",
        ),
        ({"calibrate": "temperature", "split": VALID}, "calibrate", "is for several classes"),
        ({"task": "regression", "calibrate": "sigmoid"}, "calibrate", "is for models of classes"),
        ({**RANKING, "split": {"by": "random", "valid": 0.1}}, "split.by", 'column = "q"'),
        ({**RANKING, "split": {"by": "systematic", "valid": 0.1}}, "split.by", 'column = "q"'),
        ({**RANKING, "split": {"by": "stratified", "valid": 0.1}}, "split.by", 'by = "group"'),
        ({"init_score": ["a", "b"]}, "init_score", "should be one: 1, got 2"),
        (
            {"task": "multiclass", "classes": ["a", "b", "c"], "init_score": "a"},
            "init_score",
            "one for each class: 3, got 1",
        ),
        ({"init": "models/x"}, "init", "names no version"),
        ({"init": "models/x@latest", "init_score": "a"}, "init_score", "does not go with `init`"),
        ({"objective": "poisson"}, "objective", "belongs to task = 'regression'"),
        ({"task": "regression", "objective": "poison"}, "objective", "did you mean 'poisson'"),
        (
            {"class_weight": "balanced", "params": {"is_unbalance": True}},
            "params.is_unbalance",
            "so does train.class_weight",
        ),
        (
            {"task": "regression", "objective": "mae", "monotone": {"a": 1}},
            "monotone",
            "cannot be monotone",
        ),
        (
            {"init": "m@1", "params": {"boosting": "dart"}},
            "params.boosting",
            "cannot go on from scores",
        ),
        ({"params": {"num_leaves": 1}}, "params.num_leaves", "should be"),
        ({"metric": "ndcg@5"}, "metric", "does not go with task 'binary'"),
        ({**RANKING, "metric": "ndgc@5"}, "metric", "did you mean ndcg@5"),
        ({"early_stopping": 5}, "early_stopping", "validation rows"),
        ({"schedule": {"kind": "exponential"}}, "schedule.factor", "is required"),
        ({"schedule": {"kind": "step", "factor": 0.5, "end": 1}}, "schedule.end", "does not go"),
        ({"schedule": {"kind": "step", "factor": 2, "every": 1}}, "schedule.factor", "less than"),
        ({"schedule": {"kind": "cosin"}}, "schedule.kind", "did you mean 'cosine'"),
        ({"schedule": {"kind": "cosine", "end": 0.5}}, "schedule", "at most start, 0.1"),
        ({"max_time": "2 hours"}, "max_time", "time span"),
        ({"max_time": "0s"}, "max_time", "time span"),
        ({"max_memory": "much"}, "max_memory", "number of bytes"),
        ({"restarts": -1}, "restarts", "greater than or equal to 0"),
        ({"monotone": {"a": 2}}, "monotone.a", "none of the allowed values"),
        ({"interactions": [[]]}, "interactions[0]", "at least 1"),
    ],
)
def test_what_is_refused(given: dict[str, Any], key: str, what: str) -> None:
    found = problems(**given)
    assert key in found, found
    assert what in found[key]


def test_all_problems_are_told_at_once() -> None:
    found = problems(task="regression", query="q", classes=["a", "b"], early_stopping=3)
    assert set(found) == {"query", "classes", "early_stopping"}


@pytest.mark.parametrize("by", ["hash", "column", "time", "group"])
def test_splits_that_may_keep_queries_together(by: str) -> None:
    keys = {"columns": ["q"]} if by == "hash" else {"column": "q"}
    valid: Any = ["a"] if by == "column" else 0.1
    assert spec(**{**RANKING, "split": {"by": by, "valid": valid, **keys}}).split is not None


@pytest.mark.parametrize(
    ("given", "params", "expected"),
    [
        ({"kind": "exponential", "factor": 0.9}, {}, Exponential(0.1, 0.9)),
        ({"kind": "step", "factor": 0.5, "every": 3}, {"eta": 0.2}, Step(0.2, 0.5, 3)),
        ({"kind": "cosine", "end": 0.01}, {"shrinkage_rate": 1}, Cosine(1, 0.01, 100)),
        ({"kind": "cosine", "end": 0.01, "rounds": 7}, {"n_iter": 20}, Cosine(0.1, 0.01, 7)),
        ({"kind": "cosine", "end": 0.01}, {"n_iter": 20}, Cosine(0.1, 0.01, 20)),
    ],
)
def test_schedules_begin_at_the_learning_rate(
    given: dict[str, Any], params: dict[str, Any], expected: object
) -> None:
    assert spec(schedule=given, params=params).rates == expected


def test_no_schedule_leaves_the_learning_rate_to_lightgbm() -> None:
    assert spec().rates is None


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2 d", 172_800)]
)
def test_time_spans(text: str, expected: float) -> None:
    assert seconds(text) == expected == spec(max_time=text).max_seconds


def test_the_section_reads_back() -> None:
    given = spec(
        classes=[False, True],
        class_weight={"true": 2.5},
        init_score="a",
        schedule={"kind": "cosine", "end": 0.01},
        monotone={"a": -1},
        interactions=[["a", "b*"]],
        max_time="2h",
        max_memory="1 GiB",
    )
    assert TrainSpec.model_validate(given.to_dict()) == given
    assert given.max_memory == 2**30 and given.init_scores == ("a",)


FEATURES = ("wind", "wind_gust", "carrier", "age")


def test_constraints_are_positions() -> None:
    assert monotone({"wind*": 1, "wind": -1, "age": 1}, FEATURES) == (-1, 1, 0, 1)
    assert interactions([["wind*", "wind"], ["age", "carrier"]], FEATURES) == ((0, 1), (3, 2))
    assert monotone({}, FEATURES) == () and interactions([], FEATURES) == ()


def test_constraints_on_what_is_no_feature_are_refused() -> None:
    with pytest.raises(SpecError, match="did you mean 'wind_gust'"):
        monotone({"wind_gusts": 1}, FEATURES)
    with pytest.raises(SpecError, match="no feature 'rain\\*'"):
        interactions([["rain*"]], FEATURES)
    with pytest.raises(SpecError, match="'carrier' is a category"):
        monotone({"car*": 1}, FEATURES, categorical={2})
