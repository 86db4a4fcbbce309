"""What happens in a run, told to whoever wants to know: the run folder, the live view.

Steps call a ``Reporter``. ``EventLog`` is the one that writes them into the run folder,
``jobs.show.progress`` has those that show a person how it goes, ``Together`` is several at once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from jobs.runs.journal import Journal

NOTHING: Mapping[str, int] = MappingProxyType({})

PROGRESS_SECONDS = 1.0
"""Progress is written down at most this often."""


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
        self,
        rows_done: int,
        memory: Mapping[str, int] = NOTHING,
        quarantined: int = 0,
        parts: int = 0,
    ) -> None:
        """Rows have been worked on.

        Args:
            rows_done: Rows more, since the last call.
            memory: Peak bytes of workers in this step, by worker.
            quarantined: Rows more that were set aside.
            parts: Partitions more that are finished.
        """

    def round(self, round: int, rounds: int, metrics: Mapping[str, float]) -> None:
        """A boosting round has ended.

        Args:
            round: Its number, from 1.
            rounds: Rounds at most.
            metrics: Validation metrics by name; empty without validation rows.
        """

    def trial(self, number: int, trials: int, told: Mapping[str, Any]) -> None:
        """A trial of a search has ended.

        Args:
            number: How many have ended, this one included.
            trials: How many there are at most.
            told: What it came to, JSON values: its ``number``, ``state``, ``value`` and
                ``params``, the ``metric``, and the ``best`` value so far.
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


NAMES: Mapping[str, str] = MappingProxyType(
    {
        "step_started": "millrace.step.started",
        "progress": "millrace.step.progress",
        "round": "millrace.boosting.round",
        "trial": "millrace.tuning.trial",
        "step_done": "millrace.step.done",
        "skipped": "millrace.step.skipped",
        "warning": "millrace.warning",
        "driver_started": "millrace.driver.started",
        "ended": "millrace.run.ended",
    }
)
"""What an event is called in the file, by its name here: a name space and words with dots, as
OpenTelemetry has it (semantic conventions, "Naming")."""

_SHORT = {told: name for name, told in NAMES.items()}
_STEP = "millrace.step.name"
_PREFIX = "millrace."


@dataclass(frozen=True)
class Event:
    """One line of the events.

    Args:
        time: When, in UTC.
        name: Name of the method of ``Reporter``, or another one of `NAMES`.
        step: The step at work, or an empty text before the first.
        fields: Its arguments.
    """

    time: datetime
    name: str
    step: str
    fields: Mapping[str, Any]

    def encoded(self) -> bytes:
        """Return a line of JSON, with its end: the log data model of OpenTelemetry."""
        attributes = {_STEP: self.step} if self.step else {}
        told = {f"{_PREFIX}{name}": value for name, value in self.fields.items()}
        line = {
            "timestamp": self.time.isoformat(),
            "severity_text": "WARN" if self.name == "warning" else "INFO",
            "event_name": NAMES[self.name],
            "attributes": attributes | told,
        }
        return (json.dumps(line, default=str) + "\n").encode()


def decoded(lines: bytes) -> Iterator[Event]:
    """Yield the events of some lines; one that a killed process left torn is skipped.

    Args:
        lines: What a `jobs.runs.journal.Journal` holds.
    """
    for line in lines.splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        found = dict(values["attributes"])
        step = found.pop(_STEP, "")
        fields = {name.removeprefix(_PREFIX): value for name, value in found.items()}
        when = datetime.fromisoformat(values["timestamp"])
        yield Event(when, _SHORT.get(values["event_name"], values["event_name"]), step, fields)


@dataclass
class EventLog:
    """A reporter that writes events down. Its progress events hold totals of the step.

    Args:
        journal: Where to.
    """

    journal: Journal
    _step: str = field(default="", init=False)
    _total: dict[str, Any] = field(default_factory=dict, init=False)
    _written: float = field(default=float("-inf"), init=False)

    def tell(self, name: str, **fields: Any) -> None:
        """Write an event down: one of `NAMES`, and what belongs to it."""
        self.journal.write(Event(datetime.now(UTC), name, self._step, fields).encoded())

    def step_started(
        self, name: str, rows: int | None = None, note: str = "", bound: int | None = None
    ) -> None:
        """Write it down."""
        self._step, self._written = name, float("-inf")
        self._total = {"rows_done": 0, "parts_done": 0, "quarantined": 0, "memory": {}}
        self.tell("step_started", rows=rows, note=note, bound=bound)

    def progress(
        self,
        rows_done: int,
        memory: Mapping[str, int] = NOTHING,
        quarantined: int = 0,
        parts: int = 0,
    ) -> None:
        """Add it up, and write it down unless the last progress is hardly a second old."""
        self._total["rows_done"] += rows_done
        self._total["parts_done"] += parts
        self._total["quarantined"] += quarantined
        peaks = self._total["memory"]
        peaks.update({worker: max(peak, peaks.get(worker, 0)) for worker, peak in memory.items()})
        now = time.monotonic()
        if now - self._written >= PROGRESS_SECONDS:
            self._written = now
            self.tell("progress", **self._total)

    def round(self, round: int, rounds: int, metrics: Mapping[str, float]) -> None:
        """Write it down."""
        self.tell("round", round=round, rounds=rounds, metrics=dict(metrics))

    def trial(self, number: int, trials: int, told: Mapping[str, Any]) -> None:
        """Write it down."""
        self.tell("trial", number=number, trials=trials, told=dict(told))

    def step_done(self, result: Mapping[str, Any]) -> None:
        """Write it down, with the totals."""
        self.tell("step_done", result=dict(result), **self._total)

    def skipped(self, name: str, why: str) -> None:
        """Write it down."""
        self._step = name
        self.tell("skipped", why=why)

    def warning(self, text: str) -> None:
        """Write it down."""
        self.tell("warning", text=text)


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
        self,
        rows_done: int,
        memory: Mapping[str, int] = NOTHING,
        quarantined: int = 0,
        parts: int = 0,
    ) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.progress(rows_done, memory, quarantined, parts)

    def round(self, round: int, rounds: int, metrics: Mapping[str, float]) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.round(round, rounds, metrics)

    def trial(self, number: int, trials: int, told: Mapping[str, Any]) -> None:
        """Tell all."""
        for reporter in self.reporters:
            reporter.trial(number, trials, told)

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
