"""Run folders: everything that is known of a run, in files.

``<store>/<id>/`` holds ``job.json`` (the resolved job), ``plan.json``, ``state/<n>.json``,
``steps/<name>.json`` (what each finished step returned), ``written/<name>.json`` (which result in
its output a step writes), ``events.jsonl`` and ``heartbeat``. The folder is the only truth: whoever
has it can tell how the run stands.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import SpecError
from engine.place.durable import make_folder, put_if_absent
from jobs.runs.state import Entry, State, StateLog
from jobs.runs.whole import write_whole
from jobs.spec.problems import nearest

STORE = Path(".millrace/runs")
"""Where the run folders are, from the current directory."""

LAST = "@last"
BEAT_SECONDS = 10.0
SILENT_SECONDS = 60.0
"""A driver on another machine counts as dead after so long without a heartbeat."""


@dataclass(frozen=True)
class Run:
    """One run folder.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def id(self) -> str:
        """Id of the run, such as ``20261121-7f3a9c``."""
        return self.path.name

    @property
    def log(self) -> StateLog:
        """The state log."""
        return StateLog(self.path / "state")

    @property
    def events(self) -> Path:
        """File of the events."""
        return self.path / "events.jsonl"

    def job(self) -> dict[str, Any]:
        """Return the resolved job."""
        return _read(self.path / "job.json")

    def plan(self) -> dict[str, Any] | None:
        """Return the plan, or None before it is made."""
        return _read_if_there(self.path / "plan.json")

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep the plan; a later one replaces it."""
        write_whole(self.path / "plan.json", _text(plan))

    def step(self, name: str) -> dict[str, Any] | None:
        """Return what a step returned, or None when it has not finished."""
        return _read_if_there(self.path / "steps" / f"{name}.json")

    def steps(self) -> dict[str, dict[str, Any]]:
        """Return what all finished steps returned, in the order in which they finished."""
        files = sorted((self.path / "steps").glob("*.json"), key=lambda f: f.stat().st_mtime_ns)
        return {file.stem: _read(file) for file in files}

    def write_step(self, name: str, result: Mapping[str, Any]) -> None:
        """Keep what a step returned; a later result replaces it."""
        write_whole(self.path / "steps" / f"{name}.json", _text(result))

    def written(self) -> dict[str, str]:
        """Return the name of the result that each section writes to its output, by section."""
        files = (self.path / "written").glob("*.json")
        return {file.stem: str(_read(file)["run"]) for file in files}

    def state(self) -> State:
        """Return the state as it is: LOST when the log says active and the driver is dead."""
        last = self.log.last()
        return State.LOST if last.state.active and not self._alive(last) else last.state

    def _alive(self, entry: Entry) -> bool:
        alive = entry.driver.alive()
        return self._silence() < SILENT_SECONDS if alive is None else alive

    def _silence(self) -> float:
        try:
            return time.time() - (self.path / "heartbeat").stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    @contextmanager
    def beating(self, seconds: float = BEAT_SECONDS) -> Iterator[None]:
        """Renew the heartbeat from a thread while the body runs."""
        stop = threading.Event()
        file = self.path / "heartbeat"
        file.touch()

        def beat() -> None:
            while not stop.wait(seconds):
                file.touch()

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def create_run(store: Path, job: Mapping[str, Any]) -> Run:
    """Make a new run folder, PENDING.

    Args:
        store: Folder of the run folders; made when it is not there.
        job: The resolved job, as JSON values.
    """
    make_folder(store)
    run = Run(_fresh(store))
    for name in ("state", "steps"):
        (run.path / name).mkdir()
    put_if_absent(run.path / "job.json", _text(job))
    run.log.begin()
    return run


def _fresh(store: Path) -> Path:
    day = datetime.now(UTC).strftime("%Y%m%d")
    while True:
        path = store / f"{day}-{uuid.uuid4().hex[:6]}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path


def list_runs(store: Path) -> list[Run]:
    """Return the runs of a store, the oldest first; unfinished beginnings are left out."""
    folders = store.iterdir() if store.is_dir() else ()
    found = [Run(path) for path in folders if (path / "state" / "0.json").is_file()]
    return sorted(found, key=lambda run: (run.log.entries()[0].time, run.id))


def find_run(store: Path, name: str) -> Run:
    """Return the run with an id that starts so, or the newest for ``@last``.

    Args:
        store: Folder of the run folders.
        name: An id, the beginning of one, or ``@last``.

    Raises:
        SpecError: There is none, or more than one.
    """
    runs = list_runs(store)
    if not runs:
        hint = "`millrace run JOB` starts one; `--store` looks elsewhere"
        raise SpecError("there are no runs", where=str(store), hint=hint)
    if name == LAST:
        return runs[-1]
    found = [run for run in runs if run.id.startswith(name)]
    if len(found) > 1:
        ids = ", ".join(run.id for run in found)
        raise SpecError(f"{name!r} is the beginning of several runs", where=ids, hint="say more")
    if not found:
        what = f"there is no run {name!r}{nearest(name, [run.id for run in runs])}"
        raise SpecError(what, where=str(store), hint="`millrace list` shows them all")
    return found[0]


def _text(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=2, default=str).encode()


def _read(file: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return values


def _read_if_there(file: Path) -> dict[str, Any] | None:
    return _read(file) if file.is_file() else None
