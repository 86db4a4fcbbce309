"""Run folders made by hand: states, a plan and events as they are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from cluster.processes import ProcessName
from jobs.runs.events import Event
from jobs.runs.folder import Run
from jobs.runs.state import State
from jobs.runs.store import Store

MIB = 1 << 20
RUNNING = (State.STARTING, State.RUNNING)
SUCCEEDED = (*RUNNING, State.COMMITTING, State.RUNNING, State.SUCCEEDED)
FAILED = (*RUNNING, State.FAILED)

Told = tuple[float, str, str, Mapping[str, Any]]
"""Seconds after the first event, name, step, fields."""


def dead() -> ProcessName:
    """Return a driver of this machine that is no more."""
    here = ProcessName.here()
    return ProcessName(here.host, here.boot, here.pid, here.started - 1000)


def plan(*steps: str, rows: int = 1000, peak: int = 300 * MIB) -> dict[str, Any]:
    """Return a plan with these steps, of four partitions each, for two workers of 1 GiB."""
    told = {"partitions": 4, "rows": rows, "bytes_read": 5 * MIB, "output_bytes": 0, "peak": peak}
    return {
        "job": "made",
        "data": {},
        "workers": 2,
        "limit": 1024 * MIB,
        "peak": peak,
        "steps": [{"name": s, "passes": [], "terms": [], "notes": [], **told} for s in steps],
    }


def started(step: str, at: float = 0.0, rows: int = 1000, bound: int = 300 * MIB) -> Told:
    return at, "step_started", step, {"rows": rows, "note": "", "bound": bound}


def progress(step: str, at: float, rows: int, quarantined: int = 0, **more: Any) -> Told:
    memory = {"10.0.0.1:4000": 200 * MIB, "10.0.0.2:4000": 250 * MIB}
    fields = {"rows_done": rows, "quarantined": quarantined, "memory": memory, **more}
    return at, "progress", step, fields


def done(step: str, at: float, rows: int, **result: Any) -> Told:
    fields = {"rows_done": rows, "quarantined": 0, "memory": {"10.0.0.1:4000": 260 * MIB}}
    return at, "step_done", step, {"result": result, **fields}


def boosted(at: float, round: int, auc: float, rounds: int = 100) -> Told:
    return at, "round", "train", {"round": round, "rounds": rounds, "metrics": {"valid_auc": auc}}


def events(told: Sequence[Told], ago: float = 0.0) -> list[Event]:
    """Return events of which the first was some seconds ago."""
    begin = datetime.now(UTC) - timedelta(seconds=ago)
    return [Event(begin + timedelta(seconds=at), *rest) for at, *rest in told]


def tell(run: Run, *told: Told, ago: float = 0.0) -> None:
    """Append events to a run, as its driver does."""
    for event in events(told, ago):
        run.events.write(event.encoded())
    run.events.flush()


def made(
    store: Store,
    job: str = "flights",
    states: Sequence[State] = RUNNING,
    *told: Told,
    steps: Sequence[str] = ("prepare", "train", "score"),
    driver: ProcessName | None = None,
    message: str = "",
    ago: float = 0.0,
) -> Run:
    """Make a run.

    Args:
        store: Where to.
        job: Name of the job.
        states: Its states after PENDING.
        *told: Its events.
        steps: Those of its plan; none: it has no plan.
        driver: Its driver; default this process.
        message: Of the last state.
        ago: Seconds since the first event.
    """
    run = store.create({"name": job, "cluster": {"kind": "local", "network": None}})
    if steps:
        run.write_plan(plan(*steps))
    by = driver or ProcessName.here()
    with mock.patch.object(ProcessName, "here", return_value=by):
        entry = run.log.last()
        for number, state in enumerate(states, 1):
            entry = run.log.advance(entry, state, message if number == len(states) else "")
    tell(run, *told, ago=ago)
    return run
