"""Voting, stacking and blending from the job file to the bundle, on real rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.bundle import Bundle, load
from engine.models.ensemble import Ensemble
from engine.models.pooled import Pooled
from engine.training.preparing import matrix
from jobs.planning.plan import plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.spec.jobfile import load_job

pytestmark = pytest.mark.slow

JOB = """
name = "together"

[cluster]
workers = 1
memory = "1200 MiB"

[data.people]
path = "data/*.parquet"

[features]
{features}

[train]
data = "people"
target = "rich"
task = "binary"
split = {{ by = "random", valid = 0.2, test = 0.2 }}
model = "m"
{train}

[train.members.deep]
params = {{ n_estimators = 40, num_leaves = 31, min_data_in_leaf = 5 }}

[train.members.stumps]
params = {{ n_estimators = 15, num_leaves = 2 }}

[evaluate]
"""

NAMES = (
    *("age", "workclass", "fnlwgt", "education", "years", "marital", "occupation", "relationship"),
    *("race", "sex", "gain", "loss", "hours", "country", "income"),
)
TEXTS = ["workclass", "marital", "occupation", "relationship", "sex"]


@pytest.fixture(scope="module")
def people(data_dir: Path) -> pl.DataFrame:
    """Return 9,000 people of the census, with an identifier that says nothing."""
    file = data_dir / "adult/adult.data"
    table = pl.read_csv(file, has_header=False, new_columns=list(NAMES), n_rows=9_000)
    table = table.with_columns(pl.col(pl.String).str.strip_chars())
    table = table.with_columns(pl.col("years", "gain", "loss", "hours").cast(pl.Int32))
    random = np.random.default_rng(2)
    noise = pl.Series("noise", [f"n{one}" for one in random.integers(0, 3_000, table.height)])
    rich = (table["income"] == ">50K").cast(pl.Int8).alias("rich")
    return table.select("age", "years", "gain", "loss", "hours", *TEXTS, noise, rich)


FEATURES = f"""drop = ["noise"]
steps = [{{ encode = {TEXTS!r}, with = "category" }}]""".replace("'", '"')

NOISY = """columns = ["noise", "hours"]
steps = [{ encode = ["noise"], with = "target", folds = 5, smooth = 0.0 }]"""


def run(folder: Path, table: pl.DataFrame, train: str, features: str = FEATURES) -> Result:
    (folder / "data").mkdir()
    for part in range(3):
        piece = table[part * table.height // 3 : (part + 1) * table.height // 3]
        piece.write_parquet(folder / f"data/{part}.parquet")
    job = folder / "job.toml"
    job.write_text(JOB.format(train=train, features=features))
    result = run_job(load_job(job), folder / "runs", Together([]))
    for step in plan_job(load_job(job)).plan.steps:
        assert (result.memory[step.name]["measured"] or 0) <= step.peak, step.name
    assert not list((folder / "runs").rglob("*.fit"))
    return result


def loaded(result: Result) -> tuple[Bundle, Ensemble]:
    assert result.model is not None
    bundle = load(result.model)
    assert isinstance(bundle.model, Ensemble)
    return bundle, bundle.model


def losses(result: Result, table: pl.DataFrame) -> dict[str, float]:
    """Return the log loss on the test rows of each member, by the bundle on its own."""
    from sklearn.metrics import log_loss

    from engine.split import TEST, Split

    bundle, model = loaded(result)
    numbers = pl.Series(range(table.height), dtype=pl.Int64)
    test = pl.Series(Split("random", 0.2, 0.2).assign(table, numbers) == TEST)
    rows = table.filter(test)
    x = matrix(bundle.pipeline, rows)
    said = {name: one.predict(x) for name, one in model.members.models.items()}
    said["all"] = model.predict(x)
    return {name: float(log_loss(rows["rich"], one)) for name, one in said.items()}


@pytest.mark.parametrize(
    "kind",
    ["Stacking", *(pytest.param(one, marks=pytest.mark.long) for one in ("Voting", "Blending"))],
)
def test_members_together_are_worth_more_than_the_worst(
    people: pl.DataFrame, tmp_path: Path, kind: str
) -> None:
    more = "folds = { count = 3 }" if kind == "Stacking" else ""
    result = run(tmp_path, people, f'estimator = "ensemble.{kind}"\n{more}')
    found = losses(result, people)
    assert result.metrics["test"]["log_loss"] == pytest.approx(found["all"], rel=1e-6)
    assert found["all"] < max(found["deep"], found["stumps"])
    bundle, model = loaded(result)
    assert isinstance(model.final, Pooled)
    if kind == "Voting":
        assert model.final.weights == (0.5, 0.5)
        return
    # What was learned is at least as good as the better member, but for the draw of the rows.
    assert found["all"] < min(found["deep"], found["stumps"]) + 0.003
    told: dict[str, Any] = bundle.metrics["final"]
    rows = bundle.provenance["rows"]
    assert told["of"] == rows["train" if kind == "Stacking" else "valid"] == told["rows"]


@pytest.mark.long
def test_trees_may_combine_members_and_all_is_cross_validated(
    people: pl.DataFrame, tmp_path: Path
) -> None:
    train = """estimator = "ensemble.Stacking"
folds = { count = 2 }
cross_validate = { by = "stratified", count = 2 }
final = { estimator = "lightgbm", params = { n_estimators = 20, num_leaves = 4 } }"""
    result = run(tmp_path, people.head(4_000), train)
    bundle, model = loaded(result)
    assert model.final.kind == "lightgbm" and model.final.width == 2
    crossed = bundle.metrics["cross_validation"]
    assert crossed["out_of_fold"][0]["rows"] == bundle.provenance["rows"]["train"]
    assert crossed["mean"]["auc"] == pytest.approx(result.metrics["test"]["auc"], abs=0.05)


@pytest.mark.long
def test_a_member_that_learns_noise_by_heart_is_not_believed(
    people: pl.DataFrame, tmp_path: Path
) -> None:
    """Rates of the label in 3,000 levels, three rows each: in-fold they tell nearly all of it."""
    result = run(tmp_path, people, 'estimator = "ensemble.Stacking"\nfolds = {count = 3}', NOISY)
    found = losses(result, people)
    _, model = loaded(result)
    # No worse than a member that has learned next to nothing by heart.
    assert found["all"] < found["stumps"] + 0.01
    assert isinstance(model.final, Pooled)
    assert model.final.weights[0] < 0.6
