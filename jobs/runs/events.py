"""What happens in a run, told to whoever wants to know: the event file, the live view.

Steps call a ``Reporter``. ``EventLog`` is the one that writes ``events.jsonl`` in the run folder,
``jobs.show.progress`` has those that show a person how it goes, ``Together`` is several at once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

NOTHING: Mapping[str, int] = MappingProxyType({})

PROGRESS_SECONDS = 1.0
"""Progress is written to the event file at most this often."""


class Reporter(Protocol):
    """What a step tells while it runs."""

    def step_started(
        self, name: str, rows: int | None = None, note: str = "", bound: int | None = None
    ) -> None:
        """A step begins.

        Args:
            name: The step, such as ``train``.
            rows: Rows that it will read, or None when that is not known.
            note: What it does, in a few words.
            bound: Projected peak bytes of a worker.
        """

    def progress(
        self, rows_done: int, memory: Mapping[str, int] = NOTHING, quarantined: int = 0
    ) -> None:
        """Rows have been worked on.

        Args:
            rows_done: Rows more, since the last call.
            memory: Peak bytes of workers in this step, by worker.
            quarantined: Rows more that were set aside.
        """

    def round(self, round: int, rounds: int, metrics: Mapping[str, float]) -> None:
        """A boosting round has ended.

        Args:
            round: Its number, from 1.
            rounds: Rounds at most.
            metrics: Validation metrics by name; empty without validation rows.
        """

    def step_done(self, result: Mapping[str, Any]) -> None:
        """The step that began last has ended.

        Args:
            result: What it returned, JSON values; ``summary`` is shown to the user.
        """

    def skipped(self, name: str, why: str) -> None:
        """A step need not run.

        Args:
            name: The step.
            why: Such as ``nothing has changed since run 20261121-7f3a9c``.
        """

    def warning(self, text: str) -> None:
        """Something that the user should know, and that does not stop the job."""


@dataclass(frozen=True)
class Event:
    """One line of the event file.

    Args:
        time: When, in UTC.
        name: Name of the method of ``Reporter``.
        step: The step at work, or an empty text before the first.
        fields: Its arguments.
    """

    time: datetime
    name: str
    step: str
    fields: Mapping[str, Any]


@dataclass
class EventLog:
    """A reporter that appends to an event file. Its progress events hold totals of the step.

    Args:
        path: The file; it is made with the first event.
    """

    path: Path
    _step: str = field(default="", init=False)
    _total: dict[str, Any] = field(default_factory=dict, init=False)
    _written: float = field(default=float("-inf"), init=False)

    def __post_init__(self) -> None:
        """End the line that a killed process may have left torn."""
        if self.path.is_file() and not self.path.read_bytes().endswith(b"\n"):
            self._write(b"\n")

    def step_started(
        self, name: str, rows: int | None = None, note: str = "", bound: int | None = None
    ) -> None:
        """Write it down."""
        self._step, self._written = name, float("-inf")
        self._total = {"rows_done": 0, "quarantined": 0, "memory": {}}
        self._append("step_started", rows=rows, note=note, bound=bound)

    def progress(
        self, rows_done: int, memory: Mapping[str, int] = NOTHING, quarantined: int = 0
    ) -> None:
        """Add it up, and write it down unless the last progress is hardly a second old."""
        self._total["rows_done"] += rows_done
        self._total["quarantined"] += quarantined
        peaks = self._total["memory"]
        peaks.update({worker: max(peak, peaks.get(worker, 0)) for worker, peak in memory.items()})
        now = time.monotonic()
        if now - self._written >= PROGRESS_SECONDS:
            self._written = now
            self._append("progress", **self._total)

    def round(self, round: int, rounds: int, metrics: Mapping[str, float]) -> None:
        """Write it down."""
        self._append("round", round=round, rounds=rounds, metrics=dict(metrics))

    def step_done(self, result: Mapping[str, Any]) -> None:
        """Write it down, with the totals."""
        self._append("step_done", result=dict(result), **self._total)

    def skipped(self, name: str, why: str) -> None:
        """Write it down."""
        self._step = name
        self._append("skipped", why=why)

    def warning(self, text: str) -> None:
        """Write it down."""
        self._append("warning", text=text)

    def _append(self, name: str, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat()
        line = {"time": now, "name": name, "step": self._step, "fields": fields}
        self._write((json.dumps(line, default=str) + "\n").encode())

    def _write(self, data: bytes) -> None:
        # One write at the end of the file: lines of two processes do not mix.
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, data)
        finally:
            os.close(handle)


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a file; a last line that a killed process left torn is skipped.

    Args:
        path: The event file; none is the same as an empty one.
    """
    if not path.is_file():
        return
    for line in path.read_bytes().splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        when = datetime.fromisoformat(values["time"])
        yield Event(when, values["name"], values["step"], values["fields"])


@dataclass(frozen=True)
class Together:
    """Several reporters as one.

    Args:
        reporters: Each is told everything, in this order.
    """

    reporters: Sequence[Reporter]

    def step_started(
        self, name: str, rows: int | None = None, note: str = "", bound: int | None = None
    ) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.step_started(name, rows, note, bound)

    def progress(
        self, rows_done: int, memory: Mapping[str, int] = NOTHING, quarantined: int = 0
    ) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.progress(rows_done, memory, quarantined)

    def round(self, round: int, rounds: int, metrics: Mapping[str, float]) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.round(round, rounds, metrics)

    def step_done(self, result: Mapping[str, Any]) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.step_done(result)

    def skipped(self, name: str, why: str) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.skipped(name, why)

    def warning(self, text: str) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.warning(text)
