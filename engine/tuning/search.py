"""The search: trials are begun, heard, stopped early and kept, until there are enough of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.errors import Cancelled, TrainingFailed
from engine.tuning.curve import Curve, Rule
from engine.tuning.history import History, Record
from engine.tuning.sampler import Params, Sampler
from engine.tuning.trial import Ended, Heard, Trial, Trials

LOOK_SECONDS = 0.5
"""The wish to end and the time are looked at this often."""

FAILURES = 3
"""So many trials that fail before any has a value end the search."""


@dataclass(frozen=True)
class Search:
    """What is searched for, and how.

    Attributes:
        sampler: Says what is tried next.
        rule: Says which trials are stopped early.
        trials: How many there are at most.
        rounds: Boosting rounds of a trial at most.
        higher: Whether more of the metric is better.
        seconds: From so long on no trial begins, and those under way are stopped as soon as one
            has a value; None: it may take any time.
        parallel: Trials at once at most; None: as many as can run.
        curve: What the rule compares trials by.
    """

    sampler: Sampler
    rule: Rule
    trials: int
    rounds: int
    higher: bool
    seconds: float | None = None
    parallel: int | None = None
    curve: type[Curve] = Curve

    @property
    def sign(self) -> int:
        """What turns the metric into a loss."""
        return -1 if self.higher else 1


def best(records: Sequence[Record], higher: bool) -> Record | None:
    """Return the trial with the best value; of equal ones the first; None: none has a value.

    A trial that was stopped early is taken only where none has come to its end.
    """
    sign = -1 if higher else 1
    known = [one for one in records if one.value is not None]
    ended = [one for one in known if one.state == "done"] or known
    return min(ended, key=lambda one: (sign * (one.value or 0.0), one.number), default=None)


def search(
    trials: Trials,
    wanted: Search,
    history: History,
    *,
    told: Callable[[Record], None],
    cancel: Callable[[], bool],
) -> list[Record]:
    """Search, going on from the trials that are kept.

    Trials that are kept are not run again, but for those that failed. One at a time, the search
    is the same every time; side by side, the parameters of a grid, of random draws and of halving
    are the same, which trials are stopped and what TPE suggests may depend on which of them came
    first.

    Args:
        trials: Runs them.
        wanted: What is searched for.
        history: Where trials are kept.
        told: Hears of each trial that has ended, before the next begins.
        cancel: Whether the user wants no more.

    Returns:
        All trials by number, those from before included.

    Raises:
        Cancelled: ``cancel`` said so; what has ended is kept.
        TrainingFailed: No trial has a value.
    """
    course = _Course(trials, wanted, history, told)
    while course.begin() or course.running:
        for event in trials.heard(LOOK_SECONDS):
            course.hear(event)
        course.look_at_time()
        if cancel():
            raise Cancelled("the search was cancelled", hint="`millrace resume` goes on with it")
    course.assert_some()
    return [course.records[number] for number in sorted(course.records)]


@dataclass
class _Running:
    """A trial under way: what was heard of it, and whether it was told to stop."""

    params: Params
    began: float
    curve: Curve
    values: list[float] = field(default_factory=list)
    folds: dict[int, tuple[float, ...]] = field(default_factory=dict)
    stopped: bool = False


class _Course:
    """A search on its way."""

    def __init__(
        self, trials: Trials, wanted: Search, history: History, told: Callable[[Record], None]
    ) -> None:
        """Take up what is kept."""
        self._trials, self._wanted, self._history, self._told = trials, wanted, history, told
        kept = history.read()
        self.records = {n: one for n, one in kept.items() if one.state != "failed"}
        self._curves = {n: one.curve(wanted.sign, wanted.curve) for n, one in self.records.items()}
        self.running: dict[int, _Running] = {}
        self._next = 0
        before = max((one.ended for one in kept.values()), default=0.0)
        self._began = time.monotonic() - before

    def begin(self) -> bool:
        """Begin as many trials as there are slots for; tell whether any was begun."""
        slots = min(self._trials.slots, self._wanted.parallel or self._trials.slots)
        begun = False
        while len(self.running) < slots and not self._over and self._begin_next():
            begun = True
        return begun

    def _begin_next(self) -> bool:
        while self._next in self.records or self._next in self.running:
            self._next += 1
        if self._next >= self._wanted.trials:
            return False
        ended = [self.records[number] for number in sorted(self.records)]
        running = {number: one.params for number, one in self.running.items()}
        params = self._wanted.sampler.params(self._next, ended, running)
        if params is None:
            return False
        self.running[self._next] = _Running(params, time.monotonic(), self._wanted.curve())
        self._trials.start(Trial(self._next, params, self._wanted.rounds))
        return True

    def hear(self, event: Heard | Ended) -> None:
        """Take in what has happened to a trial."""
        one = self.running.get(event.trial)
        if one is None:
            return
        if isinstance(event, Ended):
            self._end(event, one)
        elif not one.stopped and math.isfinite(event.value):
            one.curve = one.curve.and_then(event.round, self._wanted.sign * event.value)
            one.values.append(event.value)
            one.folds[event.round] = event.folds
            if self._wanted.rule.stops(event.trial, one.curve, self._others(event.trial)):
                self._stop(event.trial, one)

    def _others(self, number: int) -> Mapping[int, Curve]:
        under_way = {other: one.curve for other, one in self.running.items() if other != number}
        return {**self._curves, **under_way}

    def _stop(self, number: int, one: _Running) -> None:
        one.stopped = True  # rounds until it has stopped count for nothing: they depend on luck
        self._trials.stop(number)

    def _end(self, event: Ended, one: _Running) -> None:
        record = self._record(event, one)
        del self.running[event.trial]
        self.records[event.trial] = record
        self._curves[event.trial] = record.curve(self._wanted.sign, self._wanted.curve)
        self._history.add(record)
        self._told(record)
        if not self._valued and len(self.records) >= FAILURES:
            self.assert_some()

    def _record(self, event: Ended, one: _Running) -> Record:
        rounds, values = one.curve.rounds, tuple(one.values)
        record = Record(
            event.trial,
            one.params,
            event.state,
            event.value,
            event.best_round,
            event.folds,
            rounds,
            values,
            event.seconds or time.monotonic() - one.began,
            time.monotonic() - self._began,
            event.peak_memory,
            event.reason,
        )
        if event.state == "pruned" or (one.stopped and event.state == "done"):
            return self._stopped(record, one)
        if event.state == "done" and (event.value is None or not math.isfinite(event.value)):
            reason = "its metric is no number"
            record = replace(record, state="failed", reason=reason)
        if record.state == "failed":
            return replace(record, value=None, best_round=0, folds=())
        return record

    def _stopped(self, record: Record, one: _Running) -> Record:
        """Return what a trial came to that was stopped: by those rounds that count."""
        if not record.values:
            return replace(record, state="pruned", value=None, best_round=0, folds=())
        sign = self._wanted.sign
        place = one.curve.place([sign * value for value in record.values])
        round, value = one.curve.round(place), record.values[place]
        folds = one.folds[record.rounds[place]]
        return replace(record, state="pruned", value=value, best_round=round, folds=folds)

    @property
    def _valued(self) -> bool:
        return any(one.value is not None for one in self.records.values())

    @property
    def _over(self) -> bool:
        limit = self._wanted.seconds
        return limit is not None and self._valued and time.monotonic() - self._began >= limit

    def look_at_time(self) -> None:
        """Stop all trials when the search has taken too long."""
        if self._over:
            for number, one in self.running.items():
                if not one.stopped:
                    self._stop(number, one)

    def assert_some(self) -> None:
        """Raise `TrainingFailed` when no trial has a value."""
        if not self._valued:
            reasons = dict.fromkeys(one.reason for one in self.records.values() if one.reason)
            what = f"no trial of {len(self.records)} came to a value"
            why = next(iter(reasons), "none was measured")
            raise TrainingFailed(f"{what}: {why}", where="tune", hint="look at tune.space")
