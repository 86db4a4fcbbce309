"""The real flights: as good as the stated baseline, every row once, also after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[2]
BASELINE_AUC = 0.62613
"""flights2008_clf of the data's README: same features, same split, plain LightGBM."""


def start(folder: Path, data: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from jobs.cli import main; main()"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MILLRACE_DATA": str(data)}
    return subprocess.Popen(
        [*command, "run", "job.toml", "--json"],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def run(folder: Path, data: Path) -> dict[str, object]:
    process = start(folder, data)
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0
    result: dict[str, object] = json.loads(output)
    return result


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "predictions").iterdir()}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.real_data
def test_flights_of_february(data_dir: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/flights/job.toml", tmp_path)
    result = run(tmp_path, data_dir)
    assert result["metrics"]["test"]["auc"] >= BASELINE_AUC  # type: ignore[index]
    assert result["metrics"]["test"]["rows"] == 546_925  # type: ignore[index]
    february = pl.read_parquet(data_dir / "flights2008/year=2008/month=2/*.parquet")
    scored = pl.read_parquet(tmp_path / "predictions")
    passed = ["uniqueCarrier", "origin", "destination", "dayOfMonth", "crsDepTime"]
    assert scored.select(passed).equals(february.select(passed))  # each row once, and in order
    assert scored["probability"].is_between(0, 1).all()

    first = files(tmp_path)
    assert run(tmp_path, data_dir)["skipped"] == ["train", "score"]
    assert files(tmp_path) == first

    shutil.rmtree(tmp_path / "predictions")
    shutil.rmtree(tmp_path / "predictions.millrace")
    process = start(tmp_path, data_dir)
    staged = tmp_path / "predictions.millrace"
    while not list(staged.glob("runs/*/parts/*.json")) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    if not (tmp_path / "predictions").exists():  # the kill came before the commit
        assert run(tmp_path, data_dir)["ledger"]["scored"] == february.height  # type: ignore[index]
    assert files(tmp_path) == first
