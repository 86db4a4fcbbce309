"""A run as plain data, for the pages, the JSON answers and the metrics: the one reader of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from jobs.runs.events import Event
from jobs.runs.folder import REPORT, Run
from jobs.runs.state import Entry, State
from jobs.runs.story import Stage, Step, Story
from jobs.show.text import brief_of, facts

REPORTS: Mapping[str, str] = MappingProxyType({"report": REPORT, "profile": "profile/profile.html"})
"""Pages that a run may leave in its folder, by name in an address; no other file is served."""


UNREADABLE = "UNREADABLE"
"""Stands for the state of a run whose folder is damaged."""

RECENT_SECONDS = 900.0
"""A run counts as recent for so long after its end: it is told to Prometheus, which asks seldom."""


@dataclass(frozen=True)
class Looked:
    """A run as it stands.

    Attributes:
        run: Its id.
        job: Name of the job.
        state: Its state, or `UNREADABLE`.
        message: Why, when that is worth saying.
        started: When it was made.
        ended: When it ended; None when it has not, or when nobody saw the end.
        seconds: How long it took, or has taken until now.
        host: Machine of its driver.
        pid: Process of its driver.
        steps: Its steps, in the order of the plan.
        now: When this was looked at.
    """

    run: str
    job: str
    state: str
    message: str
    started: datetime
    ended: datetime | None
    seconds: float
    host: str
    pid: int | None
    steps: Sequence[Step] = ()
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def active(self) -> bool:
        """Whether a driver is at work on it."""
        return self.state != UNREADABLE and State(self.state).active

    @property
    def recent(self) -> bool:
        """Whether it has ended, or was heard of last, a short time ago."""
        heard = max((step.told for step in self.steps if step.told), default=self.started)
        return recent(self.ended or heard)

    @property
    def step(self) -> Step | None:
        """The step at work, or the one that was when the run ended before its end."""
        at_work = (Stage.RUNNING, Stage.STOPPED)
        return next((step for step in reversed(self.steps) if step.stage in at_work), None)

    @property
    def peak(self) -> int | None:
        """Peak bytes of the worker that held most in any step; None when none was measured."""
        return max((step.peak for step in self.steps if step.peak is not None), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: those of the list of runs."""
        step = self.step
        told = {name: getattr(self, name) for name in ("run", "job", "message", "host", "pid")}
        ended = self.ended.isoformat() if self.ended else None
        times = {"started": self.started.isoformat(), "ended": ended}
        current = self.told(step) if step else None
        return {**told, "state": self.state, **times, "seconds": self.seconds, "step": current}

    def told(self, step: Step) -> dict[str, Any]:
        """Return a step as JSON values, with its rate and the time that is left."""
        times = ("started", "ended", "told")
        values = asdict(step)
        del values["boosted"]  # only for the time that is left
        found = {k: v.isoformat() if k in times and v else v for k, v in values.items()}
        figures = ("seconds", "rate", "left")
        return {
            **found,
            "stage": str(step.stage),
            "share": step.share,
            **{name: getattr(step, name)(self.now) for name in figures},
        }


@dataclass(frozen=True)
class Detail:
    """All that the page of one run shows.

    Attributes:
        look: How it stands.
        history: Its states.
        plan: The plan, or None before it is made.
        limit: Bytes that a worker may use, or None before the plan.
        results: What each finished step returned, as one line of text.
        warnings: All warnings, the oldest first.
        events: The last events, the newest first.
        spec: The resolved job, without what was left out.
        folder: Where the run folder lies.
        reports: Names of the pages in the run folder, as in `REPORTS`.
    """

    look: Looked
    history: Sequence[Entry]
    plan: Mapping[str, Any] | None
    limit: int | None
    results: Mapping[str, str]
    warnings: Sequence[Event]
    events: Sequence[Event]
    spec: Mapping[str, Any]
    folder: str
    reports: Sequence[str]

    @property
    def planned(self) -> Iterator[tuple[Mapping[str, Any], Step | None]]:
        """The steps of the plan, each with what was measured."""
        steps = {step.name: step for step in self.look.steps}
        for planned in (self.plan or {}).get("steps", ()):
            yield planned, steps.get(planned["name"])

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            **self.look.to_dict(),
            "steps": [self.look.told(step) for step in self.look.steps],
            "history": [entry.to_dict() for entry in self.history],
            "plan": self.plan,
            "limit": self.limit,
            "warnings": [_event(event) for event in self.warnings],
            "events": [_event(event) for event in self.events],
            "job_file": self.spec,
            "folder": self.folder,
            "reports": list(self.reports),
        }


def look(run: Run, story: Story) -> Looked:
    """Return how a run stands.

    Args:
        run: The run.
        story: What its events tell.

    Raises:
        OSError, ValueError, KeyError, MillraceError: Its folder is damaged, or is being removed.
    """
    brief, last, plan = brief_of(run), run.log.last(), run.plan()
    ended = brief["ended"]
    steps = _in_order(story, [step["name"] for step in (plan or {}).get("steps", ())])
    _settle(steps, active=State(brief["state"]).active, results=run.steps())
    return Looked(
        run=run.id,
        job=str(brief["job"]),
        state=brief["state"],
        message=last.message,
        started=datetime.fromisoformat(brief["started"]),
        ended=datetime.fromisoformat(ended) if ended else None,
        seconds=brief["seconds"],
        host=last.driver.host,
        pid=last.driver.pid,
        steps=steps,
    )


def detail(run: Run, story: Story) -> Detail:
    """Return all that is known of a run.

    Args:
        run: The run.
        story: What its events tell.

    Raises:
        OSError, ValueError, KeyError, MillraceError: Its folder is damaged, or is being removed.
    """
    plan, looked = run.plan(), look(run, story)
    return Detail(
        look=looked,
        history=run.log.entries(),
        plan=plan,
        limit=plan["limit"] if plan else None,
        results={name: facts(result) for name, result in run.steps().items()},
        warnings=list(story.warnings),
        events=list(story.events)[::-1],
        spec=_set(run.job()),
        folder=str(run),
        reports=[name for name, file in REPORTS.items() if _there(run, file)],
    )


def page(run: Run, name: str) -> bytes | None:
    """Return a page that a run has left in its folder; None when there is none.

    Args:
        run: The run.
        name: One of `REPORTS`.
    """
    return run.read(REPORTS[name])


def recent(when: datetime) -> bool:
    """Tell whether something was a short time ago."""
    return (datetime.now(UTC) - when).total_seconds() < RECENT_SECONDS


def said(event: Event) -> str:
    """Return what an event says, as one line."""
    values = event.fields
    for name in ("text", "why"):
        if name in values:
            return str(values[name])
    return facts({name: value for name, value in values.items() if value not in (None, {}, 0)})


def _there(run: Run, file: str) -> bool:
    return run.place.size(f"{run.id}/{file}") is not None


def _in_order(story: Story, planned: Sequence[str]) -> list[Step]:
    """Return the steps of the plan, begun or not, and after them those that it does not know."""
    names = [*planned, *(name for name in story.steps if name not in planned)]
    return [story.steps[name].copy() if name in story.steps else Step(name) for name in names]


def _settle(steps: Sequence[Step], *, active: bool, results: Mapping[str, Any]) -> None:
    """Put right what events do not tell: that a driver died, and rows that a pass has refused."""
    for step in steps:
        if step.stage is Stage.RUNNING and not active:
            step.stage = Stage.STOPPED
        counted = results.get(step.name, {}).get("quarantined", 0)
        step.quarantined = max(step.quarantined, counted)


def _set(value: Any) -> Any:
    """Return JSON values without those that stand for what was left out."""
    if isinstance(value, Mapping):
        return {name: _set(one) for name, one in value.items() if one not in (None, {}, [])}
    return [_set(one) for one in value] if isinstance(value, list) else value


def _event(event: Event) -> dict[str, Any]:
    fields = dict(event.fields)
    return {"time": event.time.isoformat(), "name": event.name, "step": event.step, **fields}
