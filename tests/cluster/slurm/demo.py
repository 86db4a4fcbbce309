"""The demo job on SLURM, with 100,000 rows to learn from and as many to score."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds

from tests.cluster.slurm.queueing import Slurm

ROOT = Path(__file__).parents[3]
ROWS = 100_000


def generate(folder: Path) -> None:
    """Write the demo's data into a folder."""
    script = ROOT / "examples/demo/generate.py"
    counts = ("--rows", str(ROWS), "--today", str(ROWS))
    subprocess.run(
        [sys.executable, script, *counts, "--out", folder], check=True, stdout=subprocess.DEVNULL
    )


def written(folder: Path, data: Path, changes: dict[str, str] | None = None, **keys: str) -> Path:
    """Write the demo's job file for two workers of SLURM into a folder of its own.

    Args:
        folder: Where to.
        data: What `generate` wrote.
        changes: Other text to replace.
        keys: More of ``[cluster]``, in TOML.
    """
    folder.mkdir()
    cluster = {
        "kind": '"slurm"',
        "workers": "2",
        "memory": '"704 MiB"',
        "wait": '"2 minutes"',
        "shared": f'"{folder}/shared"',
        "prologue": f'["export PYTHONPATH={ROOT}"]',
    } | keys
    lines = "".join(f"{key} = {value}\n" for key, value in cluster.items())
    text = (ROOT / "examples/demo/job.toml").read_text()
    text = re.sub(r"\[cluster\]\n.*?\n\n", f"[cluster]\n{lines}\n", text, count=1, flags=re.DOTALL)
    for before, after in ({'"data/': f'"{data}/'} | (changes or {})).items():
        assert before in text
        text = text.replace(before, after)
    job = folder / "job.toml"
    job.write_text(text)
    return job


def started(slurm: Slurm, job: Path) -> subprocess.Popen[str]:
    """Start ``millrace run``; what it says comes line by line."""
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "run", job.name],
        cwd=job.parent,
        env=slurm.environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ids(job: Path) -> tuple[int, int]:
    """Return how many rows the predictions have, and how many different flights."""
    column = ds.dataset(job.parent / "predictions", format="parquet", exclude_invalid_files=False)
    found = column.to_table(columns=["flight_id"])["flight_id"]
    return len(found), len(found.unique())


def left(job: Path) -> list[str]:
    """Return what a session has left in the folder that nodes see."""
    return os.listdir(job.parent / "shared")
