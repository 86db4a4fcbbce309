"""A whole job, and `millrace doctor`, on workers that have all libraries and no millrace."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

ROOT = Path(__file__).parents[3]
FLIGHTS = runpy.run_path(str(ROOT / "tests/jobs/flights.py"))


def millrace(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs.cli", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def job_on(bench: Any, folder: Path) -> Path:
    """Write the small job for the cluster of a bench, and return its file."""
    file: Path = FLIGHTS["write"](folder, rows=8_000, rounds=4)
    text = file.read_text()
    start, end = text.index("[cluster]"), text.index("[data.history]")
    section = f'[cluster]\nkind = "address"\naddress = "{bench.address}"\n\n'
    file.write_text(text[:start] + section + text[end:])
    return file


def trained_and_scored(bench: Any, python: Path) -> None:
    bench.python = python
    bench.scheduler()
    for name in ("first", "second"):
        bench.worker(name, nanny=True, variables={"OMP_NUM_THREADS": "1"})
    with bench.client(2):
        pass
    file = job_on(bench, bench.folder / "job")
    looked = millrace("doctor", "--cluster", file, "--json", cwd=bench.folder)
    found = json.loads(looked.stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert looked.returncode == 0 and found["fit"], looked.stdout + looked.stderr
    assert checks["millrace"]["what"].startswith("not installed on 3 of 3")
    assert checks["shared paths"]["what"] == "3 seen by all workers"
    assert checks["ports"]["what"] == "each of 2 workers reaches every other"

    done = millrace("run", file, "--json", cwd=bench.folder)
    assert done.returncode == 0, done.stderr + bench.log[-3000:]
    rows = pl.read_parquet(file.parent / "predictions/*.parquet")
    asked = range(2 * 10**6, 2 * 10**6 + 4_000)
    bad = json.loads(done.stdout)["ledger"]["quarantined"]
    assert rows["id"].is_unique().all() and set(rows["id"]) <= {*asked}
    assert rows.height + bad == 4_000
    again = millrace("doctor", "--cluster", file, "--json", cwd=bench.folder)
    checks = {check["name"]: check for check in json.loads(again.stdout)["checks"]}
    assert checks["millrace"]["what"].startswith("the same code everywhere")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_job_trains_and_scores_there(bench: Any, bare_python: Path) -> None:
    trained_and_scored(bench, bare_python)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_job_runs_where_only_the_lock_file_was_installed(bench: Any, tmp_path: Path) -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    if not os.path.exists(uv):
        pytest.skip("no uv")
    folder = tmp_path / "installed"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    install = [uv, "pip", "install", "-q", "--python", folder / "bin/python"]
    lock = ["--require-hashes", "-r", ROOT / "requirements/runtime.txt"]
    subprocess.run([*install, *lock], check=True)
    trained_and_scored(bench, folder / "bin/python")
