"""How long a user waits for a command: help, status, list, a tiny job.

    python benchmarks/commands.py [--rounds 7]

Each command is a process of its own, started by `subprocess`; what counts is the median over the
rounds of the seconds from its start to its end. The tiny job trains 4 rounds on 80,000 rows of five
columns and scores them, on two worker processes of this machine; each round runs it in a new
folder. ``list`` reads a store of 1,000 runs. The machine should do nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import millrace_job
import report
from goals import Goal

sys.path.insert(0, str(millrace_job.REPOSITORY))

import numpy as np
import polars as pl

from jobs.runs.state import State
from jobs.runs.store import Store

RUNS = 1_000
BOUNDS = {"--help": 0.3, "status": 0.5, "run": 8.0}
"""Seconds; goals of the issue."""

JOB = """
name = "tiny"
[cluster]
workers = 2
memory = "1 GiB"
[data.table]
path = "table.parquet"
[train]
data = "table"
target = "label"
task = "binary"
split = { by = "random", valid = 0.2, test = 0.1 }
params = { n_estimators = 4, num_leaves = 7 }
model = "models/m"
[score]
data = "table"
model = "models/m@latest"
output = "out"
"""


def table() -> pl.DataFrame:
    """Return 80,000 rows of four numbers and a label that follows one of them."""
    draw = np.random.default_rng(1)
    rows = 80_000
    columns = {name: draw.normal(size=rows) for name in "abcd"}
    return pl.DataFrame({**columns, "label": (columns["a"] > draw.normal(size=rows)).astype(int)})


def timed(folder: Path, *arguments: str) -> float:
    """Run a command in a folder and return its seconds."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "jobs.cli", *arguments],
        cwd=folder,
        env={**os.environ, **millrace_job.environ()},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def tiny(folder: Path) -> float:
    """Run the tiny job in a new folder and return its seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    table().write_parquet(folder / "table.parquet")
    (folder / "job.toml").write_text(JOB)
    return timed(folder, "run", "job.toml")


def many(folder: Path) -> Path:
    """Make a store of runs that have ended, and return its folder."""
    store = Store.at(folder / "many")
    for _ in range(RUNS):
        run = store.create({"name": "many"})
        entry = run.log.last()
        for state in (State.STARTING, State.RUNNING, State.SUCCEEDED):
            entry = run.log.advance(entry, state, code=0 if state == State.SUCCEEDED else None)
    return folder


def main() -> None:
    """Time the commands and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    lines, goals = [], []
    with tempfile.TemporaryDirectory(prefix="millrace-commands-") as name:
        folder = Path(name)
        many(folder)
        ways = {
            "--help": lambda: timed(folder, "--help"),
            "run": lambda: tiny(folder / "job"),
            "status": lambda: timed(folder / "job", "status"),
            f"list of {RUNS}": lambda: timed(folder, "list", "--store", "many"),
            "status @last of them": lambda: timed(folder, "status", "--store", "many"),
        }
        for what, way in ways.items():
            seconds = [way() for _ in range(rounds)]
            median = statistics.median(seconds)
            lines.append({"command": what, "median s": median, "worst s": max(seconds)})
            if what in BOUNDS:
                goals.append(Goal(f"{what}, seconds", median, BOUNDS[what]))
    print(report.show(lines))
    print("\n".join(str(goal) for goal in goals))


if __name__ == "__main__":
    main()
