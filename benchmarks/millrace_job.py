"""millrace as a contestant: job files for the benchmarks, and what its run folder says of the time.

Everything goes through the command line and the job file, as for a user.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import report
from synthetic import Shape

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from jobs.runs.events import Event  # noqa: E402
from jobs.runs.store import Store  # noqa: E402

MODEL, OUTPUT = "models/bench", "predictions"  # beside the job file


class Refused(Exception):
    """millrace does not do what a job file asks for; says why."""


def command(job: Path, verb: str = "run", *options: str) -> list[str]:
    """Return the command that runs (or plans) a job file with this checkout's code."""
    start = "import sys; from jobs.cli import main; sys.exit(main())"
    return [sys.executable, "-c", start, verb, str(job), *options]


def environ() -> dict[str, str]:
    """Return the environment that `command` needs on top of this one."""
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path}


def write(job: Path, sections: Mapping[str, object]) -> Path:
    """Write a job file; return its path.

    Args:
        job: Where to.
        sections: Values of the top level, and a mapping for each section by its (dotted) name.
    """
    top = {name: value for name, value in sections.items() if not isinstance(value, Mapping)}
    lines = [f"{name} = {_toml(value)}" for name, value in top.items()]
    for name, section in sections.items():
        if isinstance(section, Mapping):
            lines += ["", f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in section.items())]
    job.write_text("\n".join(lines) + "\n")
    return job


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def plan(job: Path) -> dict[str, Any]:
    """Return what ``millrace plan --json`` says of a job.

    Raises:
        Refused: The job file is wrong, or the job does not fit.
    """
    done = subprocess.run(
        command(job, "plan", "--json"),
        cwd=job.parent,
        env={**os.environ, **environ()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Refused(" ".join(done.stderr.split())[:300])
    planned: dict[str, Any] = json.loads(done.stdout)
    return planned


def step(planned: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return one step of what `plan` returned."""
    return next(dict(step) for step in planned["steps"] if step["name"] == name)


@dataclass(frozen=True)
class Ran:
    """A run: what it cost, and what ``millrace run --json`` said; empty when it failed."""

    cost: measure.Measured
    result: Mapping[str, Any]


def run(job: Path, *, limit: int | None = None, timeout: float = 3_600.0) -> Ran:
    """Run a job in its folder; ``log.txt`` beside it has what it told.

    Args:
        job: The job file.
        limit: Bytes of memory of each worker's cgroup.
        timeout: Seconds until it is killed.
    """
    answer = job.with_suffix(".json")
    shell = ["sh", "-c", 'answer=$1; shift; exec "$@" > "$answer"', "sh", str(answer)]
    cost = measure.run(
        [*shell, *command(job, "run", "--json")],
        job.parent / "log.txt",
        limit=limit,
        timeout=timeout,
        folder=job.parent,
        environ=environ(),
    )
    if cost.returncode:
        print(f"  {job}: {cost.ending}: {report.last_words(job.parent / 'log.txt')}", flush=True)
        return Ran(cost, {})
    return Ran(cost, json.loads(answer.read_text()))


def write_training(
    folder: Path,
    table: Path,
    shape: Shape,
    params: Mapping[str, object],
    rounds: int,
    workers: int,
    memory: int,
    target: str = "label",
) -> Path:
    """Write a job file that trains on all rows of a table; return its path.

    ``target`` is an SQL expression; several classes where ``params`` has ``num_class``.
    """
    task = "multiclass" if "num_class" in params else "binary"
    params = {name: value for name, value in params.items() if name != "num_class"}
    categories = [name for name in shape.names if name.startswith("c")]
    steps = f"steps = [{{ encode = {json.dumps(categories)}, with = 'category' }}]\n"
    job = folder / "train.toml"
    job.write_text(
        _head(workers, memory, table)
        + f"[features]\ncolumns = {json.dumps(shape.names)}\n{steps if categories else ''}\n"
        + f"[train]\ndata = 'table'\ntarget = {json.dumps(target)}\ntask = '{task}'\n"
        + f"model = '{MODEL}'\n\n[train.params]\nn_estimators = {rounds}\n"
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in params.items())
    )
    return job


def write_scoring(
    folder: Path, table: Path, workers: int, memory: int, columns: Sequence[str] = ()
) -> Path:
    """Write a job file that scores a table with the model that is in the folder already.

    ``columns`` are passed through beside the id.
    """
    job = folder / "score.toml"
    job.write_text(
        _head(workers, memory, table)
        + f"[score]\ndata = 'table'\nmodel = '{MODEL}@latest'\noutput = '{OUTPUT}'\n"
        + f"columns = {json.dumps(list(columns))}\n"
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

    ``load`` is from the start of training to the start of the first round, taken as one mean round
    before its end; ``boost`` is all rounds. Not every round need have been told.
    """
    events = run_events(folder)
    marks: dict[str, float] = {}
    for name in dict.fromkeys(event.step for event in events if event.step):
        first, last = _times(events, name, "step_started"), _times(events, name, "step_done")
        if first and last:
            marks[name] = last[-1] - first[0]
        if first and (told := [e for e in events if e.step == name and e.name == "round"]):
            load = max(0.0, _first_round(told) - first[0])
            marks |= {"load": load, "boost": _time(told[-1]) - first[0] - load}
    return marks


def run_events(folder: Path) -> list[Event]:
    """Return the events of the last run in a folder."""
    runs = Store.at(folder / ".millrace/runs").runs()
    return list(runs[-1].told()) if runs else []


def _first_round(told: Sequence[Event]) -> float:
    """Return when the first round began, from the times at which rounds ended."""
    first, last = told[0], told[-1]
    between = last.fields["round"] - first.fields["round"]
    mean = (_time(last) - _time(first)) / max(1, between)
    return _time(first) - mean * float(first.fields["round"])


def _times(events: Sequence[Event], step: str, name: str) -> list[float]:
    return [_time(e) for e in events if e.step == step and e.name == name]


def _time(event: Event) -> float:
    return event.time.timestamp()
