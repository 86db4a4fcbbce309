"""What ``[train]`` may say of ensembles and of cross-validation, and what it is told otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from jobs.spec.job import TrainSpec

BASE = {"data": "a", "target": "y", "model": "m", "task": "binary"}
TWO = {"a": {}, "b": {"params": {"n_estimators": 5}}}
OLD = {"a": {}, "old": {"model": "old@latest"}}
SPLIT = {"by": "random", "valid": 0.2}


def spec(kind: str = "Stacking", **given: Any) -> TrainSpec:
    return TrainSpec.model_validate({**BASE, "estimator": f"ensemble.{kind}", **given})


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("Voting", {"members": {"a": {"share": 2.0}, "b": {}}}),
        ("Stacking", {"members": TWO, "folds": {"count": 3}}),
        ("Stacking", {"members": TWO, "final": {"estimator": "lightgbm"}}),
        ("Blending", {"members": TWO, "split": SPLIT}),
        ("Voting", {"members": {"a": {"model": "m@1", "share": 2.0}, "b": {"model": "n@latest"}}}),
        ("Stacking", {"members": TWO, "cross_validate": {"by": "stratified"}}),
    ],
)
def test_ensembles_are_taken_and_told_again(kind: str, given: dict[str, Any]) -> None:
    found = spec(kind, **given)
    assert TrainSpec.model_validate(found.to_dict()) == found
    assert found.combines and not found.boosts


def test_a_member_is_a_section_of_its_own() -> None:
    found = spec(members={**TWO, "b": {"early_stopping": 5}}, split=SPLIT, class_weight="balanced")
    member = found.part(found.members["b"])
    assert (member.estimator, member.early_stopping, member.params) == ("lightgbm", 5, {})
    assert (member.class_weight, member.split, member.seed) == ("balanced", found.split, 42)


def test_stacking_deals_rows_to_folds_by_itself() -> None:
    found = spec(members=TWO).stacking
    assert found is not None and (found.by, found.count) == ("stratified", 5)
    number = spec(members=TWO, task="regression").stacking
    assert number is not None and number.by == "random"
    assert spec("Voting", members=TWO).stacking is None


@pytest.mark.parametrize(
    ("kind", "given", "wrong"),
    [
        ("Stacking", {}, "members: ensemble.Stacking needs two or more"),
        ("Stacking", {"members": TWO, "params": {"x": 1}}, "are those of members"),
        ("Voting", {"members": TWO, "folds": {}}, 'goes with estimator = "ensemble.Stacking"'),
        ("Voting", {"members": TWO, "final": {}}, "voting takes the mean"),
        ("Stacking", {"members": {**TWO, "a": {"share": 2.0}}}, "members.a.share: goes with"),
        ("Stacking", {"members": TWO, "folds": {"repeats": 2}}, "is 1 with stacking"),
        ("Blending", {"members": TWO}, "is trained on the validation rows"),
        ("Stacking", {"members": TWO, "final": {"params": {"x": 1}}}, "final.params: does not go"),
        (
            "Blending",
            {
                "members": TWO,
                "split": SPLIT,
                "final": {"estimator": "lightgbm", "early_stopping": 3},
            },
            "final.early_stopping: needs other held-out rows",
        ),
        (
            "Stacking",
            {"members": {**TWO, "a": {"estimator": "ensemble.Voting"}}},
            "members.a.estimator: is an ensemble itself",
        ),
        (
            "Stacking",
            {"members": {**TWO, "a": {"estimator": "lightgmb"}}},
            r"members.a.estimator: there is no 'lightgmb'; did you mean 'lightgbm'",
        ),
        (
            "Stacking",
            {"members": {**TWO, "a": {"early_stopping": 3}}},
            "members.a.early_stopping: needs validation rows",
        ),
        ("Voting", {"members": OLD | {"a": {"model": "old"}}}, "names no version"),
        ("Voting", {"members": OLD | {"a": {"model": "m@latest"}}}, "is what this section trains"),
        *(
            ("Voting", {"members": {**OLD, "a": {"model": "old@1", **own}}}, "does not go with `mo")
            for own in ({"params": {"x": 1}}, {"early_stopping": 3}, {"estimator": "sklearn.SVC"})
        ),
        ("Voting", {"members": OLD, "cross_validate": {}}, "cross_validate: does not go with fin"),
        ("Voting", {"members": OLD, "balance": "balanced"}, "balance: does not go with finished"),
        ("Stacking", {"members": TWO, "task": "ranking", "query": "q"}, "and the task is ranking"),
        ("Stacking", {"members": TWO, "early_stopping": 3, "split": SPLIT}, "early_stopping"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        spec(kind, **given)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"members": TWO}, "members: goes with estimator"),
        ({"cross_validate": {}, "init": "m@1"}, "cross_validate: does not go with `init`"),
        (
            {"cross_validate": {}, "task": "ranking", "query": "q"},
            "cross_validate.by: cuts queries apart",
        ),
        (
            {"cross_validate": {}, "task": "clustering", "target": None, "estimator": "x"},
            "cross_validate: needs a label",
        ),
    ],
)
def test_other_estimators_are_told_what_does_not_go(given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        TrainSpec.model_validate({**BASE, **given})
