"""``[explain]`` from the job file to the metrics of the bundle, on two workers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine.bundle import load
from engine.errors import SpecError
from jobs.planning.plan import plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.spec.jobfile import load_job

JOB = """
name = "explained"

[cluster]
workers = 2
memory = "1 GiB"

[data.rows]
path = "data/*.parquet"

[features]
columns = ["much", "little", "none", "kind"]
steps = [{{ encode = ["kind"], with = "category" }}]

[train]
data = "rows"
target = "y"
task = "binary"
split = {{ by = "random", valid = 0.2, test = 0.3 }}
params = {{ n_estimators = 20 }}
model = "m"

[explain]
{explain}
"""


def write(folder: Path, explain: str) -> Path:
    random = np.random.default_rng(5)
    rows = 6_000
    table = pl.DataFrame({name: random.normal(size=rows) for name in ("much", "little", "none")})
    wild = table["much"] + 0.3 * table["little"] + 0.3 * random.normal(size=rows)
    kind = pl.Series("kind", random.choice(["a", "b", "c"], rows))
    table = table.with_columns(kind, (wild > 0).cast(pl.Int8).alias("y"))
    (folder / "data").mkdir(exist_ok=True)
    for number in range(3):
        table[number * 2000 : number * 2000 + 2000].write_parquet(folder / f"data/{number}.parquet")
    path = folder / "job.toml"
    path.write_text(JOB.format(explain=explain))
    return path


@pytest.mark.slow
def test_a_model_is_explained_within_the_plan(tmp_path: Path) -> None:
    job = write(tmp_path, 'rows = 800\nrepeats = 3\nshap = "all"\ndependence = ["much", "kind"]')
    result = run_job(load_job(job), tmp_path / "runs", Together([]))
    assert result.model is not None
    told = load(result.model).metrics
    explained = told["explained"]
    assert explained["part"] == "test" and explained["rows"] == 800
    assert explained["shap_rows"] == explained["of"] == pytest.approx(1800, rel=0.1)
    drops = {name: one["mean"] for name, one in told["importance"]["permutation"].items()}
    assert drops["much"] > 5 * drops["little"] > 5 * abs(drops["none"])
    sizes = {name: one["mean_abs"] for name, one in told["shap"].items()}
    assert sizes["much"] > sizes["little"] > sizes["none"]
    assert set(told["dependence"]) == {"much", "kind"}
    assert len(told["dependence"]["kind"]["grid"]) == 3
    assert set(told["importance"]) == {"gain", "split", "permutation"}
    step = next(one for one in plan_job(load_job(job)).plan.steps if one.name == "explain")
    assert 0 < (result.memory["explain"]["measured"] or 0) <= step.peak


def test_a_feature_that_is_not_there_is_named(tmp_path: Path) -> None:
    job = load_job(write(tmp_path, 'dependence = ["mush"]'))
    with pytest.raises(SpecError, match="no feature 'mush'") as caught:
        plan_job(job)
    assert "'much'" in str(caught.value) and caught.value.where == "explain.dependence"
