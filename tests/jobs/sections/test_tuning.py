"""``[tune]`` from the job file to the model, on two workers, over real records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer

from engine.bundle import Bundle, load
from engine.errors import SpecError
from jobs.planning.plan import plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.spec.jobfile import load_job

JOB = """
name = "tuned"

[cluster]
workers = 2
memory = "1 GiB"

[data.rows]
path = "rows.parquet"

[train]
data = "rows"
target = "benign"
task = "binary"
split = {{ by = "random", test = 0.2 }}
params = {{ n_estimators = {rounds}, min_data_in_leaf = 5 }}
model = "m"

[tune]
{tune}
folds = {{ by = "stratified", count = 3 }}

[tune.space]
num_leaves = {{ low = 2, high = 31, log = true }}
learning_rate = {{ low = 0.02, high = 0.5, log = true }}

[evaluate]
"""


def write(folder: Path, tune: str, rounds: int = 25) -> Path:
    x, y = load_breast_cancer(return_X_y=True)
    table = pl.DataFrame(x, schema=[f"x{number}" for number in range(x.shape[1])])
    table.with_columns(pl.Series("benign", y)).write_parquet(folder / "rows.parquet")
    path = folder / "job.toml"
    path.write_text(JOB.format(tune=tune, rounds=rounds))
    return path


def said(model: str, name: str) -> float:
    """Return a parameter that LightGBM wrote into the text of a model."""
    line = next(line for line in model.splitlines() if line.startswith(f"[{name}:"))
    return float(line.rpartition(":")[2].strip(" ]"))


def table(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "tuning.parquet")


@pytest.mark.slow
def test_the_model_is_trained_with_the_best_of_all_trials(tmp_path: Path) -> None:
    job = load_job(write(tmp_path, 'method = "random"\ntrials = 8'))
    result = run_job(job, tmp_path / "runs", Together([]))
    assert result.model is not None
    bundle: Bundle = load(result.model)
    found = bundle.metrics["tuning"]
    rows = table(Path(result.folder))
    assert rows["number"].to_list() == list(range(8))
    assert rows["value"].null_count() == 0
    done = rows.filter(state="done")
    assert found["value"] == done["value"].min() > 0
    winner = rows.row(found["best"], named=True)
    assert found["params"] == {
        name: winner[f"params.{name}"] for name in ("learning_rate", "num_leaves")
    }
    text = bundle.files()["model.txt"].decode()
    assert said(text, "num_leaves") == found["params"]["num_leaves"]
    assert said(text, "learning_rate") == pytest.approx(found["params"]["learning_rate"], rel=1e-5)
    assert text.count("Tree=") == found["best_round"] == winner["best_round"]
    assert bundle.provenance["params"]["num_leaves"] == found["params"]["num_leaves"]
    assert json.loads((Path(result.folder) / "tuning.json").read_text()) == found
    step = next(one for one in plan_job(job).plan.steps if one.name == "tune")
    assert 0 < (result.memory["tune"]["measured"] or 0) <= step.peak
    assert result.metrics["test"]["log_loss"] < 0.2
    again = run_job(job, tmp_path / "runs", Together([]))
    assert again.skipped == ["train"] and again.model == result.model


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_with_the_trials_that_are_left(tmp_path: Path) -> None:
    path = write(tmp_path, 'method = "random"\ntrials = 6\nprune = false', rounds=60)
    runs = tmp_path / "runs"
    command = [sys.executable, "-m", "jobs.cli"]
    root = {"cwd": Path(__file__).parents[3], "text": True}
    driver = subprocess.Popen(
        [*command, "run", str(path), "--store", str(runs)], stderr=subprocess.PIPE, **root
    )
    try:
        kept = _some_trials(runs, driver, 2)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.communicate()
    assert 2 <= len(kept) < 6
    times = {file.name: file.stat().st_mtime_ns for file in kept}
    run = next(runs.glob("*/trials")).parent
    subprocess.run(
        [*command, "resume", run.name, "--store", str(runs)],
        check=True, capture_output=True, timeout=200, **root,
    )  # fmt: skip
    files = {file.name: file.stat().st_mtime_ns for file in run.glob("trials/*/*.json")}
    assert len(files) == 6
    assert times.items() <= files.items()
    assert table(run)["number"].to_list() == list(range(6))
    logs = subprocess.run(
        [*command, "logs", run.name, "--store", str(runs)], capture_output=True, **root
    )
    told = [line for line in logs.stdout.splitlines() if " of 6: trial " in line]
    assert len(told) >= 5  # the kill may come between a trial's file and its line


def _some_trials(runs: Path, driver: subprocess.Popen[str], count: int) -> list[Path]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = list(runs.glob("*/trials/*/*.json"))
        if len(found) >= count:
            return found
        assert driver.poll() is None, driver.communicate()[1]
        time.sleep(0.02)
    raise AssertionError("no trials came")


def test_a_column_of_the_folds_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, 'method = "random"')
    text = path.read_text().replace('by = "stratified"', 'by = "group", column = "clinic"')
    path.write_text(text)
    with pytest.raises(SpecError, match="clinic"):
        plan_job(load_job(path))


def test_the_plan_says_how_many_trials_run_at_once_and_counts_the_largest_trees(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, 'method = "random"')
    # So much that trials with the largest trees fit in a worker too: else they are spread.
    path.write_text(path.read_text().replace('memory = "1 GiB"', 'memory = "4 GiB"'))
    small = {one.name: one for one in plan_job(load_job(path)).plan.steps}
    assert list(small) == ["prepare", "tune", "train", "evaluate"]
    assert "up to 30 trials, 3 folds each" in small["tune"].passes[-1]
    path.write_text(path.read_text().replace("high = 31", "high = 4000"))
    large = {one.name: one for one in plan_job(load_job(path)).plan.steps}
    assert large["tune"].peak > small["tune"].peak
    assert large["train"].peak > small["train"].peak
    path.write_text(path.read_text().replace("[tune]", "[tune]\nparallel = 1"))
    one = {step.name: step for step in plan_job(load_job(path)).plan.steps}
    assert "1 at once" in one["tune"].passes[-1]
