"""``[train]`` held against its data: label, weights, features, and the model it goes on from."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest

from engine.bundle import Bundle
from engine.contract import Rule
from engine.errors import ModelError, SpecError
from engine.features.fitted import FittedPipeline
from engine.models import Trees
from engine.registry import save
from jobs.fingerprint import checkpoint_digest, training_digest
from jobs.spec.evaluate import EvaluateSpec
from jobs.spec.job import JobSpec
from jobs.work.training import Training, open_training

TRAIN: dict[str, Any] = {"data": "rows", "target": "y", "task": "regression"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "a": draw.normal(size=100),
            "b": draw.normal(size=100),
            "w": draw.uniform(size=100),
            "q": [f"q{i // 10}" for i in range(100)],
            "y": draw.integers(0, 2, 100).astype(float),
            "late": draw.random(100) > 0.5,
            "kind": draw.choice(["no", "yes"], 100),
            "day": pl.date_range(date(2025, 1, 1), date(2025, 4, 10), eager=True),
        }
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    return tmp_path


def job(folder: Path, features: dict[str, Any] | None = None, **train: Any) -> JobSpec:
    given: dict[str, Any] = {
        "name": "one",
        "data": {"rows": {"path": str(folder / "rows.parquet")}},
        "train": {**TRAIN, "model": str(folder / "m"), **train},
    }
    if "init" not in train:
        given["features"] = features or {"drop": ["q", "kind", "day", "late"]}
    return JobSpec.model_validate(given)


def opened(folder: Path, **train: Any) -> Training:
    return open_training(job(folder, **train))


def test_weight_and_query_are_no_features(folder: Path) -> None:
    training = opened(
        folder,
        task="ranking",
        weight="w",
        query="q",
        features={"drop": ["kind", "day", "late"]},
    )
    assert training.resolved.features == ("a", "b")
    assert set(training.read_columns) == {"a", "b", "y", "w", "q"}
    assert training.data.vectors.names == {"weight", "query"}


def test_what_an_expression_is_made_of_stays_a_feature(folder: Path) -> None:
    training = opened(folder, weight="w * 2", init_score="ln(w)")
    assert training.resolved.features == ("a", "b", "w")


def test_expressions_may_name_derived_columns(folder: Path) -> None:
    features = {"columns": ["a"], "derive": {"twice": "w * 2"}}
    training = opened(folder, weight="twice + 1", init_score="twice", features=features)
    assert training.data.vector_columns == ["w"]
    assert training.data.vectors.init_score == ("twice",)


@pytest.mark.parametrize(
    ("train", "what"),
    [
        ({"weight": "v"}, "no column 'v'"),
        ({"weight": "kind"}, "not a number"),
        ({"weight": "w / sum(w)"}, "looks at other rows"),
        ({"target": "y - avg(y)"}, "looks at other rows"),
        ({"init_score": "day"}, "not a number"),
        ({"task": "ranking", "query": "qq"}, "no column 'qq'"),
        ({"target": "kind"}, "learns numbers"),
        ({"target": "day"}, "learns numbers"),
        ({"target": "kind", "task": "binary"}, r'classes = \["no", "yes"\]'),
        ({"target": "day", "task": "multiclass"}, "classes are texts"),
        ({"task": "binary", "class_weight": {"2": 1}}, "'2' is none of the classes '0', '1'"),
        ({"monotone": {"aa": 1}}, "no feature 'aa'"),
        ({"interactions": [["a", "kind"]]}, "no feature 'kind'"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(
    folder: Path, train: dict[str, Any], what: str
) -> None:
    with pytest.raises(SpecError, match=what):
        opened(folder, **train)


@pytest.mark.parametrize("method", ["target", "leave_one_out", "woe"])
def test_classes_have_no_means_to_encode_by(folder: Path, method: str) -> None:
    features = {"columns": ["a", "q"], "steps": [{"encode": ["q"], "with": method}]}
    with pytest.raises(SpecError, match="classes have none"):
        opened(folder, target="kind", task="multiclass", features=features)


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        ("late", "binary", None),
        ("late", "multiclass", None),
        ("kind", "binary", ["no", "yes"]),
        ("kind", "multiclass", None),
        ("y", "regression", None),
        ("late", "regression", None),
    ],
)
def test_labels_that_fit(folder: Path, target: str, task: str, classes: list[str] | None) -> None:
    data = opened(folder, target=target, task=task, classes=classes).data
    assert (data.task, data.classes) == (task, classes and tuple(classes))


def trained(folder: Path, name: str = "m", **fields: Any) -> Path:
    """Save a model of ``a`` and ``b``."""
    x, y = np.random.default_rng(0).normal(size=(200, 2)), np.arange(200) % 2
    params = {"objective": "regression", "verbosity": -1, **fields.pop("params", {})}
    booster = lgb.train(params, lgb.Dataset(x, y), 2)
    bundle = Bundle(
        Trees(booster.model_to_string()),
        FittedPipeline({}, (), ("b", "a"), ("b", "a")),
        {"a": "float64", "b": "float64"},
        {"a": Rule(max=50)},
        **{"task": "regression", "target": "y", "metrics": {}, "provenance": {}, **fields},
    )
    return save(bundle.files(), folder / name)


def test_training_goes_on_with_the_features_of_a_model(folder: Path) -> None:
    home = trained(folder)
    training = opened(folder, init=f"{folder}/m@latest", monotone={"b": 1})
    assert training.base is not None and training.base.folder == home
    assert training.resolved.features == ("b", "a") == training.data.inputs
    assert training.resolved.passes == 1 and training.resolved.state_bytes(100) == 0
    assert isinstance(training.pipeline, FittedPipeline)
    assert training.dataset.source.contract.rules["a"].max == 50
    assert set(training.base.told()) == {"model", "digest"}


def test_classes_are_those_of_the_model(folder: Path) -> None:
    trained(folder, task="multiclass", classes=("yes", "no"))
    init, like = f"{folder}/m@1", {"task": "multiclass", "target": "kind"}
    assert opened(folder, init=init, **like).data.classes == ("yes", "no")
    with pytest.raises(SpecError, match=r"'no', 'yes' is asked for.*'yes', 'no'"):
        opened(folder, init=init, classes=["no", "yes"], **like)


@pytest.mark.parametrize(
    ("fields", "train", "what"),
    [
        ({"task": "binary"}, {}, "regression is asked for.* has binary"),
        ({"objective": "poisson"}, {}, "regression is asked for.* has poisson"),
        ({}, {"objective": "poisson"}, "poisson is asked for.* has regression"),
        (
            {"params": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}},
            {},
            "random forest",
        ),
    ],
)
def test_a_model_of_another_kind_is_refused(
    folder: Path, fields: dict[str, Any], train: dict[str, Any], what: str
) -> None:
    trained(folder, **fields)
    with pytest.raises(SpecError, match=what):
        opened(folder, init=f"{folder}/m@latest", **train)


def test_a_model_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="no model here"):
        opened(folder, init=f"{folder}/m@latest")


def test_features_are_not_asked_for_beside_those_of_a_model(folder: Path) -> None:
    given = job(folder, init=f"{folder}/m@latest").to_dict()
    with pytest.raises(ValueError, match=r"does not go with train\.init"):
        JobSpec.model_validate({**given, "features": {"columns": ["a"]}})


def digests(folder: Path, **train: Any) -> tuple[str, str]:
    one = job(folder, **train)
    training = open_training(one)
    return training_digest(one, training), checkpoint_digest(one, training)


def test_how_the_work_is_done_is_not_what_was_asked_for(folder: Path) -> None:
    own = digests(folder)
    assert digests(folder, keep_bins=True, restarts=1, max_memory="1 GiB") == own
    for change in ({"max_time": "1h"}, {"monotone": {"a": 1}}, {"weight": "w"}):
        assert digests(folder, **change)[0] != own[0]


def test_another_base_is_another_training(folder: Path) -> None:
    trained(folder, "other")
    one = digests(folder, init=f"{folder}/other@latest")
    trained(folder, "other", params={"num_leaves": 3})
    assert digests(folder, init=f"{folder}/other@latest")[0] != one[0]


def test_a_new_version_of_ones_own_is_no_reason_to_go_on_from_it(folder: Path) -> None:
    trained(folder)
    one = digests(folder, init=f"{folder}/m@latest")
    trained(folder, params={"num_leaves": 3})
    two = digests(folder, init=f"{folder}/m@latest")
    assert one[0] == two[0] and one[1] != two[1]
    assert digests(folder, init=f"{folder}/m@1")[0] != one[0]


def test_what_a_model_is_sliced_by_is_read_and_no_feature(folder: Path) -> None:
    made = job(folder, {"columns": ["a"], "derive": {"twice": "w * 2"}})
    training = open_training(made.model_copy(update={"evaluate": EvaluateSpec(by=("twice", "q"))}))
    assert training.resolved.features == ("a", "twice")
    assert training.data.beside == ("w", "q")
    assert set(training.read_columns) == {"a", "y", "w", "q"}


@pytest.mark.parametrize(
    ("by", "what"),
    [("qq", "no column 'qq'"), ("sum(a)", "other rows"), ("a +", "not a SQL expression")],
)
def test_what_a_model_cannot_be_sliced_by(folder: Path, by: str, what: str) -> None:
    made = job(folder).model_copy(update={"evaluate": EvaluateSpec(by=("b", by))})
    with pytest.raises(SpecError, match=what) as caught:
        open_training(made)
    assert "evaluate.by[1]" in str(caught.value)


def test_shares_of_classes_that_are_none_are_refused(folder: Path) -> None:
    with pytest.raises(SpecError, match="none of the classes"):
        opened(folder, task="binary", target="late", balance={"maybe": 0.5})
