"""The events of a run, followed from the first to the last: how far each step is."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from jobs.runs.events import Event

EVENTS_TOLD = 200
"""Of a run's events the last so many are shown; progress is told by the bars."""


class Stage(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    STOPPED = "stopped"


@dataclass
class Step:
    """What is known of one step.

    Attributes:
        name: The step.
        stage: Where it stands.
        tries: How often it was begun; more than once when a run was resumed.
        started: When it was begun last.
        ended: When it was done.
        told: When it was heard of last.
        rows: Rows that it will read, or None when that is not known.
        done: Rows that it has worked on.
        parts: Partitions that are finished; 0 also of a step that does not count them.
        quarantined: Rows that were set aside.
        memory: Peak bytes by worker, its child processes included.
        bound: Projected peak bytes of a worker.
        note: What it does, or why it was skipped.
        round: Boosting rounds that are done.
        rounds: Boosting rounds at most.
        boosted: When the first round was told of, and which it was.
        curves: Values by metric: round and value.
        result: What it returned.
    """

    name: str
    stage: Stage = Stage.WAITING
    tries: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    told: datetime | None = None
    rows: int | None = None
    done: int = 0
    parts: int = 0
    quarantined: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    bound: int | None = None
    note: str = ""
    round: int | None = None
    rounds: int | None = None
    boosted: tuple[datetime, int] | None = None
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)

    def copy(self) -> Step:
        """Return a step that does not change any more when this one hears of more."""
        curves = {metric: list(curve) for metric, curve in self.curves.items()}
        return replace(self, memory=dict(self.memory), curves=curves)

    @property
    def peak(self) -> int | None:
        """Peak bytes of the worker that held most; None when none was measured."""
        return max(self.memory.values(), default=None)

    @property
    def share(self) -> float | None:
        """Share of its work that is done, 0 to 1; None when that is not known."""
        if self.stage is Stage.DONE:
            return 1.0
        if self.round and self.rounds:
            return min(1.0, self.round / self.rounds)
        return min(1.0, self.done / self.rows) if self.rows else None

    def seconds(self, now: datetime) -> float | None:
        """Return how long it has run; a step that was stopped ran until it was heard of last."""
        if self.started is None:
            return None
        end = self.ended or (self.told if self.stage is Stage.STOPPED else now)
        return max(0.0, ((end or now) - self.started).total_seconds())

    def rate(self, now: datetime) -> float | None:
        """Return rows a second since it was begun; None before the first, and while it boosts."""
        seconds = self.seconds(now)
        return self.done / seconds if seconds and self.done and self.round is None else None

    def left(self, now: datetime) -> float | None:
        """Return the seconds that it will still take at most; None when nobody can say."""
        if self.stage is not Stage.RUNNING:
            return None
        if self.boosted and self.round and self.rounds and self.told:
            when, first = self.boosted
            boosting = (self.told - when).total_seconds()
            speed = (self.round - first) / boosting if boosting > 0 else 0.0
            return (self.rounds - self.round) / speed if speed > 0 else None
        rate, rows = self.rate(now), (self.rows or 0) - self.done
        return rows / rate if rate and rows > 0 else None


@dataclass
class Story:
    """What the events of a run tell.

    Attributes:
        steps: By name, in the order in which they were begun.
        events: The last ones, the oldest first, without progress and rounds.
        warnings: All warnings, the oldest first.
    """

    steps: dict[str, Step] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_TOLD))
    warnings: list[Event] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        """Go on by one event; an event with a name that is not known is only kept."""
        if event.name not in ("progress", "round"):
            self.events.append(event)
        if event.name == "warning":
            self.warnings.append(event)
        elif event.name == "driver_started":
            self._interrupt()
        elif event.name == "step_started":
            self._begin(event)
        elif event.step:
            step = self.steps.setdefault(event.step, Step(event.step))
            step.told = event.time
            _hear(step, event)

    def _interrupt(self) -> None:
        """What an earlier driver had under way, the new one has not begun."""
        for step in self.steps.values():
            step.stage = Stage.STOPPED if step.stage is Stage.RUNNING else step.stage

    def _begin(self, event: Event) -> None:
        before = self.steps.pop(event.step, None)
        told = event.fields
        self.steps[event.step] = Step(
            event.step,
            Stage.RUNNING,
            tries=(before.tries if before else 0) + 1,
            started=event.time,
            told=event.time,
            rows=told.get("rows"),
            bound=told.get("bound"),
            note=told.get("note") or "",
        )


def _hear(step: Step, event: Event) -> None:
    told = event.fields
    if event.name in ("progress", "step_done"):
        step.done = told.get("rows_done", step.done)
        step.parts = told.get("parts_done", step.parts)
        step.quarantined = told.get("quarantined", step.quarantined)
        step.memory.update(told.get("memory", {}))
    if event.name == "round":
        if step.boosted is None or told["round"] <= step.boosted[1]:
            step.boosted = event.time, told["round"]
        step.round, step.rounds = told["round"], told["rounds"]
        for name, value in told["metrics"].items():
            curve = step.curves.setdefault(name, [])
            # After a restart rounds begin again at the last checkpoint.
            while curve and curve[-1][0] >= told["round"]:
                curve.pop()
            curve.append((told["round"], value))
    elif event.name == "step_done":
        step.stage, step.ended, step.result = Stage.DONE, event.time, told.get("result", {})
    elif event.name == "skipped":
        step.stage, step.note = Stage.SKIPPED, told.get("why", "")
