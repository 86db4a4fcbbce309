"""``[track]``: runs recorded in a real store of MLflow, a SQLite database."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from engine.errors import SpecError
from engine.storage import secrets
from jobs.planning.plan import plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.store import Store
from jobs.spec.jobfile import load_job
from jobs.spec.track import TrackSpec
from jobs.tracking.mlflow_store import Logged, log, told
from jobs.tracking.record import Point, Record, record

TOLD: dict[str, Any] = {
    "job": "late",
    "run": "r-1",
    "task": "ranking",
    "seconds": 2.5,
    "data": {"features": 2, "rows": {"train": 10}},
    "memory": {"train": {"projected": 7, "measured": None, "limit": 9}},
    "ledger": None,
    "model": {
        "params": {"num_leaves": "7"},
        "facts": {"seed": "42"},
        "digests": {"model": "abc"},
        "versions": {"polars": "2"},
    },
    "metrics": {
        "results": {"test": {"ndcg@5": 0.5, "auc": None}, "baseline_test": {"ndcg@5": 0.1}},
        "baselines": {"linear": {"test": {"ndcg@5": 0.4}}},
        "history": [{"round": 5, "valid_ndcg@5": 0.25}, {"round": 10, "valid_ndcg@5": 0.3}],
        "best_round": 10,
    },
}

JOB = """
name = "tracked"

[cluster]
workers = 1
memory = "1 GiB"

[data.rows]
path = "data.parquet"

[train]
data = "rows"
target = "y"
task = "binary"
split = {{ by = "random", valid = 0.2, test = 0.2 }}
params = {{ n_estimators = 8, num_leaves = 5 }}
model = "model"

[evaluate]

[track]
uri = "{uri}"
tags = {{ team = "risk" }}
"""


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a store that keeps files beside its database."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'store.db'}"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where MLflow puts files of a SQLite store


def client(uri: str) -> Any:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def test_a_record_names_every_number_by_its_group_and_round() -> None:
    made = record(TOLD, {"train": {"seed": 42, "params": {"x": 1}}}, {"team": "risk"})
    assert set(made.points) == {
        Point("test/ndcg_5", 0.5, 0),
        Point("baseline/linear/test/ndcg_5", 0.4, 0),
        Point("rounds/valid_ndcg_5", 0.25, 5),
        Point("rounds/valid_ndcg_5", 0.3, 10),
        Point("run/seconds", 2.5, 0),
        Point("run/best_round", 10.0, 0),
        Point("rows/train", 10.0, 0),
        Point("memory/train/projected", 7.0, 0),
        Point("memory/train/limit", 9.0, 0),
    }
    assert made.params["param.num_leaves"] == "7" and made.params["train.seed"] == "42"
    assert made.tags["millrace.digest.model"] == "abc" and made.tags["team"] == "risk"


def test_a_run_that_was_begun_is_gone_on_with(sqlite: str) -> None:
    spec = TrackSpec(uri=sqlite)
    many = {f"p{at}": "x" * 9_000 for at in range(250)}  # more, and longer, than one request takes
    logged = Logged(Record("r-7", many, (Point("a/b", 1.0, 0),), {"millrace.run": "r-7"}), {})
    assert log(spec, "again", logged) == log(spec, "again", logged)
    seen = client(sqlite)
    found = seen.search_runs([seen.get_experiment_by_name("again").experiment_id])
    assert len(found) == 1 and found[0].info.status == "FINISHED"
    assert len(found[0].data.params) == 250 and found[0].data.metrics == {"a/b": 1.0}


def test_secrets_are_filled_in_for_the_call_alone(
    sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_SECRET_MLFLOW", "hush-hush")
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
    spec = TrackSpec(uri=sqlite, token="${secret:MLFLOW}")
    seen: list[str | None] = []
    real = secrets.fill
    monkeypatch.setattr(
        "jobs.tracking.mlflow_store._log_points",
        lambda *_: seen.append(os.environ.get("MLFLOW_TRACKING_TOKEN")),
    )
    log(spec, "secret", Logged(Record("r-8"), {}))
    assert seen == ["hush-hush"] and "MLFLOW_TRACKING_TOKEN" not in os.environ
    assert real("${secret:MLFLOW}") == "hush-hush"
    assert "hush" not in told(RuntimeError("no: hush-hush\nmore")) + json.dumps(spec.to_dict())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"uri": "mlruns"}, "URL of an MLflow server"),
        ({"uri": "file:///tmp/x"}, "URL of an MLflow server"),
        ({"uri": "postgresql://me:pass@host/db"}, "holds a password"),
        ({"uri": "https://host", "token": "abc"}, "never written in clear"),
        ({"uri": "https://host", "password": "abc"}, "never written in clear"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrackSpec.model_validate(fields)
    TrackSpec(uri="postgresql+psycopg2://me:${secret:DB}@host/db")


def test_a_job_that_mlflow_is_missing_for_is_refused_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.work.tracking.find_spec", lambda name: None)
    with pytest.raises(SpecError, match="not installed") as caught:
        plan_job(load_job(write(tmp_path, "sqlite:///x.db")))
    assert "millrace[mlflow]" in str(caught.value)


def write(folder: Path, uri: str) -> Path:
    random = np.random.default_rng(4)
    table = pl.DataFrame({name: random.normal(size=3_000) for name in "ab"})
    table = table.with_columns((pl.col("a") > 0).cast(pl.Int8).alias("y"))
    table.write_parquet(folder / "data.parquet")
    return job(folder, uri)


def job(folder: Path, uri: str) -> Path:
    path = folder / "job.toml"
    path.write_text(JOB.format(uri=uri))
    return path


class Warnings(Together):
    """Keeps what is warned of."""

    def __init__(self) -> None:
        super().__init__([])
        self.texts: list[str] = []

    def warning(self, text: str) -> None:
        self.texts.append(text)


@pytest.mark.slow
def test_a_job_is_recorded_and_a_server_that_is_away_is_a_warning(
    tmp_path: Path, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, warned = client(sqlite), Warnings()
    result = run_job(load_job(write(tmp_path, sqlite)), tmp_path / "runs", warned)
    assert not [text for text in warned.texts if "MLflow" in text]
    (run,) = seen.search_runs([seen.get_experiment_by_name("tracked").experiment_id])
    assert run.info.run_name == result.run and run.data.tags["team"] == "risk"
    assert run.data.metrics["test/auc"] == result.metrics["test"]["auc"]
    assert run.data.params["param.num_leaves"] == "5"
    assert len(seen.get_metric_history(run.info.run_id, "rounds/valid_auc")) == 8
    files = {one.path for one in seen.list_artifacts(run.info.run_id)}
    assert files == {"report.html", "metrics.json", "job.json", "plan.json", "model"}
    folder = Path(seen.download_artifacts(run.info.run_id, "model"))
    from mlflow.models import Model

    signature = Model.load(str(folder / "MLmodel")).signature
    assert signature is not None
    assert {one.name: one.type.name for one in signature.inputs} == {"a": "double", "b": "double"}
    outputs = {one.name: one.type.name for one in signature.outputs}
    assert outputs == {"prediction": "integer", "probability": "float"}
    bundle = {file.name for file in (folder / "bundle").iterdir()}
    assert result.model is not None
    assert bundle == {file.name for file in result.model.iterdir()}

    numbers = json.loads((Path(result.folder) / "metrics.json").read_text())
    assert numbers["format"] == 1 and numbers["run"] == result.run
    assert numbers["metrics"]["results"]["test"]["auc"] == result.metrics["test"]["auc"]
    assert numbers["memory"]["train"]["measured"] == result.memory["train"]["measured"]

    with socket.socket() as taken:  # bound and not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        away = job(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}")
        again = run_job(load_job(away), tmp_path / "runs", warned)
    assert again.skipped == ["train"]
    assert str(Store.at(tmp_path / "runs").find(again.run).state()) == "SUCCEEDED"
    (text,) = [text for text in warned.texts if "MLflow" in text]
    assert "did not take the run" in text and "metrics.json" in text
