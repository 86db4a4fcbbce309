"""A run folder: everything that is known of a run, in files.

``<store>/<id>/`` holds ``job.json`` (the resolved job), ``selection.json`` (what of it is wanted),
``plan.json``, ``state/<n>.json``, ``steps/<name>.json`` (what each finished step returned),
``written/<name>.json`` (which result in its output a step writes), ``events.jsonl``,
``lease/heartbeat.json``, ``cancel/`` (the wish to end it), ``result.json``, ``report.html`` and
``metrics.json`` (its numbers).
The folder is the only truth: whoever has it can tell how the run stands, ask for its end, and go on
with it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.place.kept import Kept
from engine.place.local import LocalPlace
from engine.place.place import Place, each
from jobs.runs.events import Event, decoded
from jobs.runs.journal import Journal, journal
from jobs.runs.state import Entry, State, StateLog

SILENT_SECONDS = 60.0
"""A driver on another machine counts as dead after so long without a heartbeat."""

REPORT = "report.html"
METRICS = "metrics.json"
HEARTBEAT = "lease/heartbeat.json"

DRAIN, NOW = "drain", "now"
"""How a run can be asked to end: after what is under way, or at once."""


@dataclass(frozen=True)
class Run:
    """One run folder.

    Args:
        place: Where the run folders are.
        id: Name of the run, such as ``20261121-101502-7f3a9c``; its last part is enough to name it.
    """

    place: Place
    id: str

    def __str__(self) -> str:
        """Return the path or URL of the folder."""
        return self.place.told(self.id)

    def file(self, name: str) -> Kept:
        """Return a file of the folder."""
        return Kept(self.place, f"{self.id}/{name}")

    @property
    def log(self) -> StateLog:
        """The state log."""
        return StateLog(self.place, f"{self.id}/state")

    @property
    def events(self) -> Journal:
        """Where the events are written and read."""
        return journal(self.place, f"{self.id}/events.jsonl")

    def told(self) -> Iterator[Event]:
        """Yield what has happened, from the beginning."""
        yield from decoded(self.events.read()[0])

    def read(self, name: str) -> bytes | None:
        """Return a file of the folder, such as ``report.html``; None when there is none."""
        return self.file(name).read()

    def job(self) -> dict[str, Any]:
        """Return the resolved job."""
        return self._json("job.json") or {}

    def selection(self) -> dict[str, Any]:
        """Return what of the job is wanted."""
        return self._json("selection.json") or {}

    def write_selection(self, selection: Mapping[str, Any]) -> None:
        """Keep what of the job is wanted."""
        self._write("selection.json", dict(selection))

    def plan(self) -> dict[str, Any] | None:
        """Return the plan, or None before it is made."""
        return self._json("plan.json")

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Keep the plan; a later one replaces it."""
        self._write("plan.json", plan)

    def result(self) -> dict[str, Any] | None:
        """Return what the run came to, or None before it has succeeded."""
        return self._json("result.json")

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Keep what the run came to."""
        self._write("result.json", result)

    def step(self, name: str) -> dict[str, Any] | None:
        """Return what a step returned, or None when it has not finished."""
        return self._json(f"steps/{name}.json")

    def steps(self) -> dict[str, dict[str, Any]]:
        """Return what all finished steps returned, in the order in which they finished."""
        found = sorted(self.place.entries(f"{self.id}/steps"), key=lambda entry: entry.changed)
        texts = each(self.place, self.place.read, [entry.name for entry in found])
        names = [entry.name.rpartition("/")[2].removesuffix(".json") for entry in found]
        return {name: json.loads(text) for name, text in zip(names, texts, strict=True) if text}

    def write_step(self, name: str, result: Mapping[str, Any]) -> None:
        """Keep what a step returned; a later result replaces it."""
        self._write(f"steps/{name}.json", result)

    def written(self) -> dict[str, str]:
        """Return the name of the result that each section writes to its output, by section."""
        names = [entry.name for entry in self.place.entries(f"{self.id}/written")]
        texts = each(self.place, self.place.read, names)
        return {
            name.rpartition("/")[2].removesuffix(".json"): str(json.loads(text)["run"])
            for name, text in zip(names, texts, strict=True)
            if text
        }

    def write_written(self, section: str, run: str) -> None:
        """Keep which result in its output a section writes, for who wants to look at it."""
        self._write(f"written/{section}.json", {"run": run})

    def state(self) -> State:
        """Return the state as it is: LOST when the log says active and the driver is dead."""
        return self.stands(self.log.last())

    def stands(self, last: Entry) -> State:
        """Return the state, given the newest entry of the log."""
        return State.LOST if last.state.active and not self._alive(last) else last.state

    def _alive(self, entry: Entry) -> bool:
        alive = entry.driver.alive()
        return self.silence() < SILENT_SECONDS if alive is None else alive

    def silence(self) -> float:
        """Return the seconds since the last sign of life, by the clock of where it lies.

        That is a heartbeat, or a new state: the first heartbeat comes a moment after STARTING.
        """
        folders = (HEARTBEAT.partition("/")[0], "state")
        signs = [sign for name in folders for sign in self.place.entries(f"{self.id}/{name}")]
        return time.time() - max(sign.changed for sign in signs) if signs else float("inf")

    def epoch(self) -> int:
        """Return the number of the entry with which the newest driver started; 0 = none did."""
        starts = [e.number for e in self.log.entries() if e.state == State.STARTING]
        return starts[-1] if starts else 0

    def heartbeat(self) -> dict[str, Any] | None:
        """Return the last heartbeat: the driver's epoch, and how many there were."""
        return self._json(HEARTBEAT)

    def beat(self, epoch: int, beats: int) -> None:
        """Renew the lease.

        Args:
            epoch: Number of the entry with which the driver started.
            beats: How many heartbeats it has sent.
        """
        self._write(HEARTBEAT, {"epoch": epoch, "beats": beats, "time": time.time()})

    def ask_to_end(self, epoch: int, how: str) -> bool:
        """Ask a driver to end the run.

        Args:
            epoch: Number of the entry with which it started; a later driver does not hear it.
            how: ``drain`` or ``now``.

        Returns:
            Whether this is the first time that it is asked so.
        """
        return self.place.put_if_absent(f"{self.id}/cancel/{epoch}-{how}", b"")

    def asked_to_end(self, epoch: int) -> str | None:
        """Return how a driver is asked to end: ``drain``, ``now`` or not at all."""
        names = {entry.name for entry in self.place.entries(f"{self.id}/cancel")}
        return next((h for h in (NOW, DRAIN) if f"{self.id}/cancel/{epoch}-{h}" in names), None)

    def remove(self) -> None:
        """Delete the folder and all that is in it; the outputs of the run lie elsewhere."""
        if isinstance(self.place, LocalPlace):
            aside = self.place.temp / f"{self.id}-{uuid.uuid4().hex}"
            os.replace(self.place.path(self.id), aside)  # at once: half a run is none
            shutil.rmtree(aside)
            return
        # The state last: until then it is still a run, and can be removed again.
        names = [entry.name for entry in self.place.entries(self.id)]
        log = f"{self.id}/state/"
        for name in sorted(names, key=lambda name: name.startswith(log)):
            self.place.remove(name)

    def _json(self, name: str) -> dict[str, Any] | None:
        text = self.read(name)
        return None if text is None else json.loads(text)

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        self.file(name).replace(json.dumps(values, indent=2, default=str).encode())
