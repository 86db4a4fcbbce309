"""Every task from its job file to its predictions, on two workers."""

from __future__ import annotations

import re
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest

from engine.bundle import Bundle, load
from engine.errors import ContractRefused
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.spec.jobfile import load_job

pytestmark = pytest.mark.slow

ROWS = 12_000

JOB = """
name = "tasks"

[cluster]
workers = 2
memory = "700 MiB"

[data.rows]
path = "{data}/*.parquet"

{features}

[train]
data = "rows"
model = "{model}"
params = {{ n_estimators = 12, num_leaves = 15, min_data_in_leaf = 50 }}
{train}

[evaluate]

[score]
data = "rows"
model = "{model}@latest"
output = "out"
columns = ["x", "z"]
if_exists = "overwrite"
"""

FEATURES = """
[features]
columns = ["x", "z"]
"""

MULTICLASS = """
task = "multiclass"
target = "kind"
class_weight = "balanced"
split = { by = "stratified", valid = 0.2, test = 0.2 }
early_stopping = 5
"""

RANKING = """
task = "ranking"
target = "clicks"
query = "session"
split = { by = "group", column = "session", valid = 0.2, test = 0.2 }
metric = "ndcg@3"
early_stopping = 12
"""

POISSON = """
task = "regression"
objective = "poisson"
target = "visits"
weight = "days"
monotone = { x = 1 }
schedule = { kind = "cosine", end = 0.02 }
split = { by = "random", valid = 0.2, test = 0.2 }
"""


def table(seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    x, noise = draw.normal(size=ROWS), draw.normal(size=ROWS) / 2
    session = np.sort(draw.integers(0, ROWS // 9, ROWS))
    return pl.DataFrame(
        {
            "x": x,
            "z": draw.normal(size=ROWS),
            "kind": np.array(["ash", "elm", "oak"])[np.digitize(x + noise, [-0.5, 1.5])],
            "visits": draw.poisson(np.exp(x / 2)).astype(float),
            "days": draw.uniform(0.5, 3.0, ROWS),
            "session": [f"s{one:05d}" for one in session],
            "clicks": np.digitize(x + noise, [-1, 0, 1]).astype(np.int8),
        }
    )


def write(folder: Path, train: str, *, data: str = "a", features: str = FEATURES) -> Path:
    """Write rows and a job file; return the job file."""
    (folder / data).mkdir(exist_ok=True)
    whole = table(ord(data))
    for part in range(3):
        piece = whole[part * ROWS // 3 : (part + 1) * ROWS // 3]
        piece.write_parquet(folder / data / f"{part}.parquet", row_group_size=1_100)
    job = folder / "job.toml"
    job.write_text(JOB.format(data=data, features=features, train=train, model="m"))
    return job


def run(job: Path) -> tuple[Result, Bundle, pl.DataFrame]:
    result = run_job(load_job(job), job.parent / "runs", Together([]))
    assert result.model is not None
    return result, load(result.model), pl.read_parquet(job.parent / "out" / "*.parquet")


def raw(bundle: Bundle, rows: pl.DataFrame) -> np.ndarray:
    x = rows.select(bundle.pipeline.features).to_numpy().astype(np.float32)
    booster = lgb.Booster(model_str=bundle.model.text)
    return np.asarray(booster.predict(x))


@pytest.mark.long
def test_a_multiclass_job(tmp_path: Path) -> None:
    result, bundle, out = run(write(tmp_path, MULTICLASS))
    assert bundle.classes == ("ash", "elm", "oak") and bundle.objective == "multiclass"
    for part in ("valid", "test"):
        found, guess = result.metrics[part], result.metrics[f"baseline_{part}"]
        assert found["log_loss"] < 0.75 * guess["log_loss"]
        assert found["balanced_accuracy"] > 0.75
    p = raw(bundle, out)
    names = [f"probability_{name}" for name in bundle.classes]
    np.testing.assert_allclose(out.select(names).to_numpy(), p, atol=1e-6)
    assert out["prediction"].to_list() == [bundle.classes[code] for code in p.argmax(1)]


def test_a_ranking_job(tmp_path: Path) -> None:
    result, bundle, out = run(write(tmp_path, RANKING))
    assert (bundle.query, bundle.objective) == ("session", "lambdarank")
    assert result.metrics["test"]["ndcg@3"] > 0.15 + result.metrics["baseline_test"]["ndcg@3"]
    assert result.metrics["test"]["queries"] + result.metrics["valid"]["queries"] > 400
    np.testing.assert_allclose(out["prediction"].to_numpy(), raw(bundle, out), atol=1e-6)


@pytest.mark.long
def test_a_poisson_job_with_weights(tmp_path: Path) -> None:
    result, bundle, out = run(write(tmp_path, POISSON))
    test, guess = result.metrics["test"], result.metrics["baseline_test"]
    assert test["poisson"] < 0.95 * guess["poisson"]
    grid = np.c_[np.linspace(-2, 2, 50), np.zeros(50)].astype(np.float32)
    along = lgb.Booster(model_str=bundle.model.text).predict(grid)
    assert (np.diff(along) >= 0).all() and along[-1] > along[0]
    rates = [float(rate) for rate in re.findall(r"\nshrinkage=(\S+)", bundle.model.text)]
    # The first tree holds the mean and says 1.
    assert rates[1] > 0.09 and rates[-1] == 0.02 and sorted(rates, reverse=True) == rates
    np.testing.assert_allclose(out["prediction"].to_numpy(), raw(bundle, out), rtol=1e-6)


@pytest.mark.long
def test_training_goes_on_from_a_model_on_new_rows(tmp_path: Path) -> None:
    split = 'split = { by = "random", valid = 0.2, test = 0.2 }'
    train = f'task = "multiclass"\ntarget = "kind"\n{split}\n'
    first, bundle, _ = run(write(tmp_path, train))
    more = write(tmp_path, f'{train}init = "m@latest"\n', data="b", features="")
    second, longer, _ = run(more)
    assert second.model is not None and second.model.name == "v2"
    trees = [one.model.text.count("\nTree=") for one in (bundle, longer)]
    assert trees == [36, 72]
    assert longer.model.text.partition("\nTree=36\n")[0].count("\nTree=") == 36
    assert longer.provenance["base"] == {"model": str(first.model), "digest": bundle.digest}
    assert second.metrics["test"]["log_loss"] < first.metrics["test"]["log_loss"]
    assert longer.pipeline.digest == bundle.pipeline.digest
    again, *_ = run(more)
    assert again.model == second.model and "train" in again.skipped


def test_scattered_queries_are_refused_before_training(tmp_path: Path) -> None:
    job = write(tmp_path, RANKING)
    shuffled = table(ord("a")).sample(fraction=1.0, shuffle=True, seed=3)
    shuffled.write_parquet(tmp_path / "a" / "0.parquet")
    with pytest.raises(ContractRefused, match="do not stand together") as caught:
        run(job)
    assert 'by = ["session"]' in str(caught.value)
