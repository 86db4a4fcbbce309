"""What runs on a Dask worker: the child process of a trial, watched; and how it is ended."""

from __future__ import annotations

import asyncio
import base64
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import psutil
from distributed import get_worker

from engine.boosting.gang import scratch
from engine.boosting.gang.child import Ending, Event, Wish
from engine.errors import MillraceError
from engine.tuning.boosted import parked
from engine.tuning.boosted.work import Outcome, TrialWork

TOLD_SECONDS = 0.2
"""Seconds between two messages about a trial; what happens in between goes together."""

PATIENCE_SECONDS = 60.0
"""How long a trial that is to stop may be in its round, or load rows, before its child is ended
and the rows that it holds with it."""


@dataclass
class _Wanted:
    """What is wanted of a child, and since when."""

    wish: Wish = Wish.GO_ON
    since: float = 0.0

    def stop(self) -> None:
        if self.wish is Wish.GO_ON:
            self.wish, self.since = Wish.STOP, time.monotonic()

    @property
    def now(self) -> Wish:
        late = self.wish is Wish.STOP and time.monotonic() - self.since > PATIENCE_SECONDS
        return Wish.END if late else self.wish


_wanted: dict[tuple[str, int], _Wanted] = {}
"""Trials whose child is running in this worker."""


def run_trial(work: TrialWork, topic: str) -> Outcome:
    """Run a trial in a child process until it ends.

    Args:
        work: What the trial is told.
        topic: Dask topic of its rounds.
    """
    worker, began = get_worker(), time.monotonic()
    if worker.address != work.worker:
        return Outcome(lost=f"its Dask worker {work.worker} is gone", here=False)
    root, keep = scratch.root(worker), work.conduct.keep_bins
    gone = _gone(worker)
    teller = _Teller(lambda said: worker.log_event(topic, {**said, "attempt": work.attempt}))
    _wanted[work.seat] = _Wanted()
    try:
        with scratch.in_use(root, work.bench.fingerprint, keep) as folder:
            held = _Held()
            beat = work.conduct.timeouts.beat
            wish = _wish(work, gone, lambda: _look(teller, held, beat))
            ending = _ran(replace(work, scratch=folder), teller, wish)
            scratch.used(folder)
            teller.tell_all()
    finally:
        _wanted.pop(work.seat, None)
    if gone():  # as after a freeze: who tidied up could not remove what was in use here
        scratch.leave_behind(work.bench.fingerprint, keep, worker)
    peak = max(ending.peak, held.most)
    return replace(_outcome(ending), seconds=time.monotonic() - began, peak=peak)


def _ran(work: TrialWork, teller: _Teller, wish: Callable[[], Wish]) -> Ending:
    """Run a trial in a child, which waits for the next one if it ends as it should.

    Not if nobody wants the trial any more: a worker that was frozen hears of its end, and then
    that the study is over.
    """
    child, good = parked.taken(work), False
    try:
        ending = child.run(work, teller.hear, wish)
        said = (ending.last or {}).get("kind")
        good = said in ("done", "left") and wish() is not Wish.END
    finally:
        if good:
            parked.park(work.bench.study, child)
        else:
            child.close()
    return ending


def _look(teller: _Teller, held: _Held, beat: float) -> None:
    held.look()
    teller.tell_all()
    if time.monotonic() - teller.told >= beat:
        teller.say([])


def _gone(worker: Any) -> Callable[[], bool]:
    """Return what tells whether this task was cancelled, or its client has died."""
    key = worker.get_current_task()

    def gone() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return gone


def _wish(
    work: TrialWork, gone: Callable[[], bool], look: Callable[[], None]
) -> Callable[[], Wish]:
    """Return what is wanted: nothing more once nobody waits for the trial."""

    def wish() -> Wish:
        look()
        return Wish.END if gone() else _wanted[work.seat].now

    return wish


@dataclass
class _Held:
    """The most bytes of this worker and all its child processes together."""

    most: int = 0

    def look(self) -> None:
        own = psutil.Process()
        # Pages of shared libraries count once, with the children.
        memory = own.memory_info()
        held = memory.rss - getattr(memory, "shared", 0)
        for child in own.children(recursive=True):
            try:
                held += child.memory_info().rss
            except psutil.Error:  # it has just ended
                continue
        self.most = max(self.most, held)


@dataclass
class _Teller:
    """Passes rounds on: all of them, and not more often than `TOLD_SECONDS`."""

    tell: Callable[[dict[str, Any]], None]
    waiting: list[tuple[int, list[float]]] = field(default_factory=list)
    told: float = 0.0

    def hear(self, event: Event) -> None:
        if event["kind"] == "round":
            self.waiting.append((event["round"], event["folds"]))
        if time.monotonic() - self.told >= TOLD_SECONDS:
            self.tell_all()

    def tell_all(self) -> None:
        if self.waiting:
            self.say(self.waiting)

    def say(self, rounds: list[tuple[int, list[float]]]) -> None:
        self.tell({"rounds": rounds})
        self.waiting, self.told = [], time.monotonic()


def _outcome(ending: Ending) -> Outcome:
    match ending.last or {"kind": None}:
        case {"kind": "done", "best_round": best_round, "folds": folds}:
            return Outcome(best_round, tuple(folds))
        case {"kind": "left"}:
            return Outcome()
        case {"kind": "failed", "error": packed}:
            error: MillraceError = pickle.loads(base64.b64decode(packed))
            return Outcome(failed=str(error))
    tail = "; ".join(ending.stderr[-3:])
    said = ending.cause() + (f" (last said: {tail})" if tail else "")
    return Outcome(failed=said) if ending.over else Outcome(lost=said)


def end_trial(study: str, attempt: int) -> None:
    """End a trial here after its round, if it runs. Runs in the worker's event loop."""
    if (study, attempt) in _wanted:
        _wanted[study, attempt].stop()


async def leave(study: str) -> None:
    """End the children of a study here; return when they are gone.

    Runs in the worker's event loop, outside of tasks.
    """
    while running := [seat for seat in _wanted if seat[0] == study]:
        for seat in running:
            _wanted[seat].wish = Wish.END
        await asyncio.sleep(0.05)
    parked.close(study)
