"""What ``[score]`` asks of a model beside its prediction, and calibrated probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest

from engine.calibration import Sigmoid
from engine.errors import PlanRefused, SpecError
from engine.models import Trees
from engine.registry import open_model, save
from jobs.planning.plan import plan_job, scoring_plan
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.spec.jobfile import JobFileError, load_job
from jobs.spec.problems import dotted
from tests.engine.scoring.small_models import small_bundle

JOB = """
name = "answers"
[cluster]
workers = 1
memory = "1536 MiB"
[data.table]
path = "data"
key = ["id"]
{train}
[score]
data = "table"
output = "out"
model = "{model}"
"""

TRAIN = """
[features]
columns = ["x", "y"]
[train]
data = "table"
target = "label"
task = "binary"
split = { by = "random", valid = 0.3 }
params = { n_estimators = 30, num_leaves = 15, min_data_in_leaf = 5 }
calibrate = "sigmoid"
model = "models/own"
[evaluate]
"""


def write(folder: Path, score: str, train: str = "") -> Path:
    (folder / "data").mkdir(exist_ok=True)
    draw = np.random.default_rng(1)
    columns = {name: draw.normal(size=1000) for name in "xyz"}
    label = (columns["x"] + draw.normal(size=1000) > 0).astype(int)
    pl.DataFrame({"id": range(1000), **columns, "label": label}).write_parquet(
        folder / "data/0.parquet", row_group_size=300
    )
    save(small_bundle("binary", ("x", "y")).files(), folder / "models/a")
    job = folder / "job.toml"
    model = "models/own@latest" if train else "models/a@latest"
    job.write_text(JOB.format(train=train, model=model) + score, encoding="utf-8")
    return job


@pytest.mark.parametrize(
    ("score", "key", "what"),
    [
        ('explain = "al"', "score.explain", 'should be "all", or a whole number from 1'),
        ("explain = 0", "score.explain", "whole number from 1"),
        ("explain = true", "score.explain", "whole number from 1"),
        ('raw = "yes"', "score.raw", "valid boolean"),
        ('leaves = true\nformat = "csv"', "score.leaves", "do not go into CSV"),
    ],
)
def test_problems_are_told_with_their_key(tmp_path: Path, score: str, key: str, what: str) -> None:
    with pytest.raises(JobFileError) as caught:
        load_job(write(tmp_path, score))
    found = {dotted(one.key): one.what for one in caught.value.problems}
    assert list(found) == [key] and what in found[key]


@pytest.mark.parametrize(
    ("train", "what"),
    [
        ({'task = "binary"': 'task = "regression"'}, "is for models of classes"),
        ({'split = { by = "random", valid = 0.3 }': "", "[evaluate]": ""}, "train.split.valid"),
    ],
)
def test_calibration_is_for_classes_with_validation_rows(
    tmp_path: Path, train: dict[str, str], what: str
) -> None:
    text = TRAIN
    for old, new in train.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(JobFileError) as caught:
        load_job(write(tmp_path, "", text))
    assert [(dotted(one.key), what in one.what) for one in caught.value.problems] == [
        ("train.calibrate", True)
    ]


def test_more_reasons_than_features_are_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="2 features") as caught:
        plan_job(load_job(write(tmp_path, "explain = 3")))
    assert "score.explain" in str(caught.value)


def test_contributions_of_linear_trees_are_refused_before_anything_runs(tmp_path: Path) -> None:
    job = write(tmp_path, "explain = 1")
    made = small_bundle("binary", ("x", "y"))
    linear = made.model.text.replace("is_linear=0", "is_linear=1")
    assert linear != made.model.text
    save(type(made)(**{**vars(made), "model": Trees(linear)}).files(), tmp_path / "models/a")
    with pytest.raises(SpecError, match=r"a@latest are linear") as caught:
        plan_job(load_job(job))
    assert "score.explain" in str(caught.value)


def test_a_trained_model_that_is_larger_than_planned_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan_job(load_job(write(tmp_path, "", TRAIN)))
    assert planned.scoring is not None
    bundle = small_bundle("binary", ("x", "y"))
    scoring_plan(planned, planned.scoring.with_trained(tmp_path, bundle)).check()
    monkeypatch.setattr("engine.memory.models.MODEL_TEXT", 2**20)
    with pytest.raises(PlanRefused, match="'score' needs"):
        scoring_plan(planned, planned.scoring.with_trained(tmp_path, bundle)).check()


def peak(folder: Path, score: str) -> int:
    folder.mkdir()
    steps = plan_job(load_job(write(folder, score))).plan.steps
    return next(step.peak for step in steps if step.name == "score")


def test_the_plan_counts_what_is_asked(tmp_path: Path) -> None:
    plain = peak(tmp_path / "plain", "")
    assert peak(tmp_path / "raw", "raw = true") > plain
    assert peak(tmp_path / "leaves", "leaves = true") > plain + 100 * 2**20
    assert peak(tmp_path / "all", 'explain = "all"') > plain + 100 * 2**20


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("answers")
    job = write(folder, "raw = true\nleaves = true\nexplain = 2\n", TRAIN)
    run_job(load_job(job), folder / "runs", Together([]))
    return folder, pl.read_parquet(folder / "out/*.parquet").sort("id")


@pytest.mark.slow
def test_answers_of_a_run_are_those_of_lightgbm(scored: tuple[Path, pl.DataFrame]) -> None:
    folder, table = scored
    bundle = open_model(f"{folder}/models/own@latest")[1]
    booster: Any = lightgbm.Booster(model_str=bundle.model.text)
    x = pl.read_parquet(folder / "data/0.parquet").select(bundle.pipeline.features)
    rows = x.to_numpy().astype(np.float32)
    raw = booster.predict(rows, raw_score=True)
    assert table["raw"].to_numpy().tobytes() == raw.tobytes()
    assert table["leaves"].to_list() == booster.predict(rows, pred_leaf=True).tolist()
    told = booster.predict(rows, pred_contrib=True)[:, :2]
    chosen = np.argmax(np.abs(told), axis=1)
    assert table["reason_1"].to_list() == [bundle.pipeline.features[i] for i in chosen]
    expected = told[np.arange(len(told)), chosen]
    np.testing.assert_allclose(table["reason_1_contribution"], expected, rtol=1e-6)
    assert table.columns[-4:] == [
        *("reason_1", "reason_1_contribution", "reason_2", "reason_2_contribution")
    ]


@pytest.mark.slow
def test_probabilities_are_calibrated_and_measured_so(scored: tuple[Path, pl.DataFrame]) -> None:
    folder, table = scored
    bundle = open_model(f"{folder}/models/own@latest")[1]
    assert isinstance(bundle.calibration, Sigmoid) and bundle.calibration.slope < 0.9  # overfitted
    said = 1 / (1 + np.exp(-table["raw"].to_numpy()))
    expected = bundle.calibration.apply(said)
    np.testing.assert_allclose(table["probability"], expected, rtol=1e-6)
    assert table["prediction"].to_list() == (expected > 0.5).astype(int).tolist()
    measured = [
        rows * abs(told - found) for rows, told, found in bundle.metrics["calibration"]["valid"]
    ]
    assert sum(measured) / bundle.metrics["results"]["valid"]["rows"] < 0.1
