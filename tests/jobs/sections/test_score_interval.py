"""Prediction intervals in ``[score]``: what bounds what, and what becomes of the rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from engine.calibration import Shift
from engine.errors import SpecError
from engine.registry import open_model, save
from engine.scoring import Asked, Bundled
from jobs.planning.plan import Planned, plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.spec.jobfile import JobFileError, load_job
from jobs.spec.problems import dotted
from tests.engine.scoring.small_models import small_bundle

JOB = """
name = "interval"
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
"""

MIDDLE = 'model = "models/mid@1"\n'
BOTH = 'interval = {{ lower = "models/{}@1", upper = "models/{}@1" }}\n'
ASKED = MIDDLE + BOTH.format("low", "high")

TRAIN = """
[features]
columns = ["x", "y"]
[train]
data = "table"
target = "label"
task = "regression"
objective = "quantile"
split = { by = "random", valid = 0.5 }
params = { alpha = 0.9, n_estimators = 30, num_leaves = 31, min_data_in_leaf = 2 }
calibrate = "conformal"
model = "models/own"
"""


def store(folder: Path, name: str, alpha: float | None, task: str = "regression") -> None:
    bundle = small_bundle(task, ("x", "y"), alpha=alpha, seed=round(10 * (alpha or 0)))
    save(replace(bundle, target="label").files(), folder / "models" / name)


def write(folder: Path, score: str, train: str = "", rows: int = 2000) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(1)
    columns = {name: draw.normal(size=rows) for name in "xy"}
    label = columns["x"] + columns["y"] + draw.normal(size=rows)
    frame = pl.DataFrame({"id": range(rows), **columns, "label": label})
    frame.write_parquet(folder / "data/0.parquet", row_group_size=500)
    for name, alpha in (("mid", 0.5), ("low", 0.1), ("near", 0.45), ("high", 0.9), ("mean", None)):
        store(folder, name, alpha)
    store(folder, "yes", None, "binary")
    job = folder / "job.toml"
    job.write_text(JOB.format(train=train) + score, encoding="utf-8")
    return job


def plan(job: Path) -> Planned:
    return plan_job(load_job(job))


@pytest.mark.parametrize(
    ("score", "key", "what"),
    [
        (MIDDLE + 'interval = { lower = "models/low@1" }', "score.interval.upper", "is required"),
        (MIDDLE + BOTH.format("low", "high").replace("@1", ""), "score.interval.lower", "version"),
        (MIDDLE + ASKED.replace("upper", "uper").split("\n")[1], "score.interval.uper", "'upper'?"),
        (
            'models = { a = "models/mid@1" }\n' + BOTH.format("low", "high"),
            "score.interval",
            "goes with one `model`",
        ),
    ],
)
def test_problems_of_the_section(tmp_path: Path, score: str, key: str, what: str) -> None:
    with pytest.raises(JobFileError) as caught:
        load_job(write(tmp_path, score))
    found = {dotted(one.key): one.what for one in caught.value.problems}
    assert what in found[key]


@pytest.mark.parametrize(
    ("train", "what"),
    [
        (TRAIN.replace('objective = "quantile"', ""), 'is for objective = "quantile"'),
        (TRAIN.replace("split = { by = ", "# "), "needs validation rows"),
        (TRAIN.replace("conformal", "isotonic"), "'isotonic' is for models of classes"),
    ],
)
def test_calibrations_that_do_not_go(tmp_path: Path, train: str, what: str) -> None:
    with pytest.raises(JobFileError) as caught:
        load_job(write(tmp_path, ASKED, train))
    assert [(dotted(one.key), what in one.what) for one in caught.value.problems] == [
        ("train.calibrate", True)
    ]


@pytest.mark.parametrize(
    ("score", "told"),
    [
        (MIDDLE + BOTH.format("mean", "high"), ["mean@1 is no quantile model", "interval.lower"]),
        (MIDDLE + BOTH.format("low", "yes"), ["yes@1 is no quantile model", "interval.upper"]),
        (MIDDLE + BOTH.format("high", "low"), ["quantile 0.9 and", "0.1: nothing lies between"]),
        (MIDDLE + BOTH.format("low", "low"), ["nothing lies between"]),
        (
            'model = "models/high@1"\n' + BOTH.format("low", "mid"),
            ["quantile 0.9, which is not between 0.1 and 0.5", "score.model"],
        ),
        ('model = "models/yes@1"\n' + BOTH.format("low", "high"), ["binary model", "score.model"]),
        (ASKED + 'columns = ["label"]\nrename = { lower = "label" }', ["'label'"]),
    ],
)
def test_models_that_bound_nothing(tmp_path: Path, score: str, told: list[str]) -> None:
    job = write(tmp_path, score)
    with pytest.raises(SpecError) as caught:
        scoring = plan(job).scoring
        assert scoring is not None
        scoring.model()
    assert all(one in str(caught.value) for one in told), str(caught.value)


def test_models_of_different_labels_bound_nothing(tmp_path: Path) -> None:
    job = write(tmp_path, ASKED)
    bundle = small_bundle("regression", ("x", "y"), alpha=0.9)
    save(replace(bundle, target="log(label)").files(), tmp_path / "models/high")
    job.write_text(job.read_text().replace("high@1", "high@2"))
    with pytest.raises(SpecError, match=r"learned 'log\(label\)' and .*mid@1 'label'"):
        plan(job)


def test_the_plan_knows_columns_and_coverage(tmp_path: Path) -> None:
    planned = plan(write(tmp_path, ASKED))
    assert planned.scoring is not None and planned.scoring.coverage == 0.8
    (step,) = planned.plan.steps
    assert step.output_bytes == 2000 * (8 + 3 * 4 + 1)
    alone = plan(write(tmp_path / "alone", MIDDLE)).scoring
    assert alone is not None and alone.coverage is None


def test_an_interval_with_a_bound_that_the_job_trains(tmp_path: Path) -> None:
    score = ASKED.replace("high@1", "own@latest")
    scoring = plan(write(tmp_path, score, TRAIN)).scoring
    assert scoring is not None and scoring.coverage == 0.8 and not scoring.is_ready
    other = TRAIN.replace('objective = "quantile"', "").replace('calibrate = "conformal"', "")
    with pytest.raises(SpecError, match="no quantile model"):
        plan(write(tmp_path, score, other))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("interval")
    score = ASKED.replace("high@1", "own@latest").replace("low@1", "near@1")
    job = write(folder, score, TRAIN)
    return folder, run_job(load_job(job), folder / "runs", Together([]))


def said(folder: Path, name: str, rows: pl.DataFrame) -> pl.Series:
    bundle = open_model(f"{folder}/models/{name}@latest")[1]
    return Bundled(bundle, Asked()).predict(rows)[0]


@pytest.mark.slow
def test_rows_have_bounds_and_the_result_says_how_many_crossed(done: tuple[Path, Result]) -> None:
    folder, result = done
    found = pl.read_parquet(folder / "out/*.parquet").sort("id")
    assert found.columns == ["id", "prediction", "lower", "upper", "crossed"]
    rows = pl.read_parquet(folder / "data/0.parquet")
    mid, low, high = (said(folder, name, rows) for name in ("mid", "near", "own"))
    assert found["prediction"].equals(mid)
    assert found["lower"].equals(
        pl.DataFrame([mid, low.alias("l"), high.alias("h")]).min_horizontal().alias("lower")
    )
    crossed = ((low > mid) | (mid > high)).sum()
    assert 0 < crossed == found["crossed"].sum() == result.ledger["crossed"] < 2000
    assert result.coverage == 0.45
    files: list[Any] = [
        pq.read_metadata(one).metadata for one in (folder / "out").glob("*.parquet")
    ]
    assert {one[b"millrace.coverage"] for one in files} == {b"0.45"}
    keys = {"model", "interval.lower", "interval.upper"}
    assert set(result.scored_by) == keys


@pytest.mark.slow
def test_a_quantile_is_calibrated_on_the_validation_rows(done: tuple[Path, Result]) -> None:
    """Trees of single rows follow the training rows: of new ones too many lie beyond."""
    bundle = open_model(f"{done[0]}/models/own@latest")[1]
    assert isinstance(bundle.calibration, Shift) and bundle.calibration.amount > 0.05
    draw = np.random.default_rng(9)
    new = pl.DataFrame({name: draw.normal(size=20_000) for name in "xy"})
    label = new["x"] + new["y"] + pl.Series(draw.normal(size=20_000))
    own = Bundled(bundle, Asked(raw=True)).predict(new)
    plain, shifted = (np.mean(label.to_numpy() <= own[at].to_numpy()) for at in (1, 0))
    assert plain < 0.88 < shifted < 0.92
