"""A run followed from outside, by its events: as lines, or as the view that its driver shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from jobs.runs.events import Event, Reporter, decoded
from jobs.runs.folder import Run
from jobs.runs.waiting import LOOK_SECONDS, Waiting
from jobs.show.progress import trial_text, watching
from jobs.show.text import facts


def events(run: Run, waiting: Waiting | None = None) -> Iterator[Event]:
    """Yield what has happened, and what goes on to happen as long as somebody waits for the end.

    Args:
        run: The run.
        waiting: The wait for its end; None: not beyond now.

    Raises:
        TimeoutError: The wait has taken too long.
    """
    mark = ""
    while True:
        over = waiting is None or waiting.over()
        found, mark = run.events.read(mark)
        yield from decoded(found)
        if waiting is None or over:
            return  # the state was looked at before the last lines were
        waiting.pause()


def watched(waiting: Waiting) -> None:
    """Show how a run goes, on stderr, until it has ended.

    Args:
        waiting: The wait for its end.

    Raises:
        TimeoutError: It has taken too long.
    """
    clock = _Clock()
    with watching(clock=clock) as reporter:
        done: dict[str, int] = {}
        for event in events(waiting.run, waiting):
            clock.at(event.time)
            _tell(reporter, event, done)


class _Clock:
    """The time of the event that is told; the time of day once there is none to be told."""

    def __init__(self) -> None:
        self._behind = 0.0
        self._told = float("-inf")

    def at(self, when: datetime) -> None:
        """Be at the time of an event."""
        self._told = time.monotonic()
        self._behind = (datetime.now(UTC) - when).total_seconds()

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        passed = time.monotonic() - self._told
        return time.time() - (self._behind if passed < LOOK_SECONDS else 0.0)


def _tell(reporter: Reporter, event: Event, done: dict[str, int]) -> None:
    """Tell a reporter what an event says; totals become what was added since the last one."""
    fields = event.fields
    if event.name == "step_started":
        done.update(rows_done=0, quarantined=0)
        reporter.step_started(event.step, fields["rows"], fields["note"], fields["bound"])
    elif event.name in ("progress", "step_done"):
        new = {name: fields[name] - done.get(name, 0) for name in ("rows_done", "quarantined")}
        done.update({name: fields[name] for name in new})
        reporter.progress(new["rows_done"], fields["memory"], new["quarantined"])
        if event.name == "step_done":
            reporter.step_done(fields["result"])
    elif event.name == "round":
        reporter.round(fields["round"], fields["rounds"], fields["metrics"])
    elif event.name == "trial":
        reporter.trial(fields["number"], fields["trials"], fields["told"])
    elif event.name == "skipped":
        reporter.skipped(event.step, fields["why"])
    elif event.name == "warning":
        reporter.warning(fields["text"])


def event_text(event: Event) -> str:
    """Write an event on one line: local time, step, what happened."""
    told = {name: value for name, value in event.fields.items() if value not in (None, "", {})}
    told.pop("versions", None)
    if event.name == "trial":
        text = f"{told['number']} of {told['trials']}: {trial_text(told['told'])}"
    else:
        text = told.pop("text", None) or told.pop("why", None) or facts(told)
    return f"{event.time.astimezone():%H:%M:%S}  {event.step:<9} {event.name:<14} {text}".rstrip()
