"""Jobs for workers over SSH: a small table in several partitions, trained on and scored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import ssh_hosts

COLUMNS = 80
ROWS, FILES = 96_000, 6

CLUSTER = """
[cluster]
kind = "ssh"
hosts = {hosts}
workers = {workers}
memory = "950 MiB"
identity = "{identity}"
known_hosts = "{known}"
"""

DATA = """
name = "over-ssh"

[data.table]
path = "table/*.parquet"
key = ["id"]
"""

TRAIN = """
[features]
columns = NAMES

[train]
data = "table"
target = "y"
task = "binary"
split = { by = "random", valid = 0.2 }
params = { num_leaves = 15, n_estimators = 40 }
model = "models/m"

[score]
data = "table"
model = "models/m@latest"
output = "predictions"
"""

SCORE = """
[score]
data = "table"
output = "predictions"

[score.function]
import = "TRUSTED:predict"
inputs = NAMES
columns = { score = "float64" }
batch = 2_000
"""


def write(folder: Path, hosts: ssh_hosts.Hosts, sections: str, workers: int = 2) -> Path:
    """Write the table and the job file; return the job file."""
    (folder / "table").mkdir(parents=True)
    draw = np.random.default_rng(7)
    for number in range(FILES):
        count = ROWS // FILES
        x = draw.normal(size=(count, COLUMNS))
        frame = pl.DataFrame(
            {
                "id": np.arange(number * count, (number + 1) * count),
                "y": (x[:, 0] + x[:, 1] + draw.normal(size=count) > 0).astype(np.int8),
                **{f"x{i}": x[:, i] for i in range(COLUMNS)},
            }
        )
        frame.write_parquet(folder / f"table/{number}.parquet")
    cluster = CLUSTER.format(
        hosts=hosts.texts, workers=workers, identity=hosts.identity, known=hosts.known_hosts
    )
    names = str([f"x{i}" for i in range(COLUMNS)])
    sections = sections.replace("NAMES", names).replace("TRUSTED", ssh_hosts.TRUSTED)
    job = folder / "job.toml"
    job.write_text(DATA + cluster + sections)
    return job


def start(job: Path) -> subprocess.Popen[str]:
    """Run the job in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "run", job.name],
        cwd=job.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(ssh_hosts.ROOT),
            "MILLRACE_FUNCTIONS": ssh_hosts.TRUSTED,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )


def parts_done(job: Path) -> int:
    """Return how many parts of the output are staged."""
    return len(list(job.parent.glob("predictions.millrace/runs/*/parts/*.json")))


def ids(job: Path) -> list[int]:
    """Return the keys of all rows in the output, in order."""
    return sorted(pl.read_parquet(job.parent / "predictions", columns=["id"])["id"].to_list())
