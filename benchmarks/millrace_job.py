"""millrace as a contestant: job files for the benchmarks, and what its run folder says of the time.

Everything goes through the command line and the job file, as for a user.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from synthetic import Shape

REPOSITORY = Path(__file__).resolve().parent.parent
MODEL, OUTPUT = "models/bench", "predictions"  # beside the job file


def command(job: Path) -> list[str]:
    """Return the command that runs a job file with this checkout's code."""
    start = "import sys; from jobs.cli import main; sys.exit(main())"
    return [sys.executable, "-c", start, "run", str(job)]


def environ() -> dict[str, str]:
    """Return the environment that `command` needs on top of this one."""
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path}


def write_training(
    folder: Path,
    table: Path,
    shape: Shape,
    params: Mapping[str, object],
    rounds: int,
    workers: int,
    memory: int,
) -> Path:
    """Write a job file that trains on all rows of a table; return its path."""
    categories = [name for name in shape.names if name.startswith("c")]
    steps = f"steps = [{{ encode = {json.dumps(categories)}, with = 'category' }}]\n"
    job = folder / "train.toml"
    job.write_text(
        _head(workers, memory, table)
        + f"[features]\ncolumns = {json.dumps(shape.names)}\n{steps if categories else ''}\n"
        + "[train]\ndata = 'table'\ntarget = 'label'\ntask = 'binary'\n"
        + f"model = '{MODEL}'\n\n[train.params]\nn_estimators = {rounds}\n"
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in params.items())
    )
    return job


def write_scoring(folder: Path, table: Path, workers: int, memory: int) -> Path:
    """Write a job file that scores a table with the model that is in the folder already."""
    job = folder / "score.toml"
    job.write_text(
        _head(workers, memory, table)
        + f"[score]\ndata = 'table'\nmodel = '{MODEL}@latest'\noutput = '{OUTPUT}'\n"
    )
    return job


def _head(workers: int, memory: int, table: Path) -> str:
    return (
        f"name = 'bench'\n\n[cluster]\nworkers = {workers}\nmemory = {memory}\n\n"
        f"[data.table]\npath = '{table}/*.parquet'\nkey = ['id']\n\n"
    )


def model_text(folder: Path) -> Path | None:
    """Return the LightGBM text of the latest model under a job's folder, if there is one."""
    found = list((folder / MODEL).glob("v*/model.txt"))
    return max(found, key=lambda path: int(path.parent.name[1:]), default=None)


def seconds(folder: Path) -> dict[str, float]:
    """Return the seconds of each step of the last run in a folder; ``train`` also in two parts.

    ``load`` is from the start of training to the end of the first round, ``boost`` the rest.
    """
    files = sorted((folder / ".millrace/runs").glob("*/events.jsonl"), key=os.path.getmtime)
    if not files:
        return {}
    events = [json.loads(line) for line in files[-1].read_text().splitlines()]
    marks: dict[str, float] = {}
    for step in dict.fromkeys(event["step"] for event in events if event["step"]):
        first = _times(events, step, "step_started")
        last = _times(events, step, "step_done")
        if first and last:
            marks[step] = last[-1] - first[0]
        rounds = _times(events, step, "round")
        if first and rounds:
            marks |= {"load": rounds[0] - first[0], "boost": rounds[-1] - rounds[0]}
    return marks


def _times(events: Sequence[Mapping[str, str]], step: str, name: str) -> list[float]:
    found = (e["time"] for e in events if e["step"] == step and e["name"] == name)
    return [datetime.fromisoformat(time).timestamp() for time in found]
