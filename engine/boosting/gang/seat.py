"""What runs on a Dask worker: keep ports, try the others' ports, run a rank, be quiet again."""

from __future__ import annotations

import asyncio
import base64
import pickle
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from distributed import get_worker
from distributed.comm.addressing import get_address_host

from engine.boosting.gang.child import Ending, Event, watch
from engine.boosting.work import Boosted, Place, Work
from engine.errors import MillraceError, RankLost, TrainingFailed

THROTTLE = 0.2
"""Seconds between two events of the same kind that go to the client."""

CONNECT_SECONDS = 10.0

Seat = tuple[str, int]
"""Name of an attempt, and a rank."""

_kept: dict[Seat, tuple[socket.socket, socket.socket]] = {}
"""Listening sockets: a rank starts once, and only in the process that keeps its ports."""

_running: dict[Seat, threading.Event] = {}
"""Ranks whose child is running, each with the flag that ends it."""


@dataclass(frozen=True)
class Outcome:
    """How a rank ended.

    Attributes:
        rank: Its number.
        boosted: The model; its text only from rank 0. None when there is none.
        error: Why there is none.
        left: Whether it only left because another rank was lost.
        peak: Peak resident bytes of the child and its Dask worker together.
    """

    rank: int
    boosted: Boosted | None = None
    error: MillraceError | None = None
    left: bool = False
    peak: int = 0


def reserve(attempt: str, rank: int, worker: str) -> Place:
    """Take two ports of this worker and keep them.

    Args:
        attempt: Name of this attempt.
        rank: The rank that will live here.
        worker: Address of the Dask worker that this must be.

    Raises:
        RankLost: This is another worker.
    """
    if get_worker().address != worker:
        raise RankLost(
            f"the worker {worker} is gone", hint="look at its log, then run the job again"
        )
    host = socket.gethostbyname(get_address_host(worker))
    pair = (_listening(host), _listening(host))
    _kept[attempt, rank] = pair
    port, hub = (kept.getsockname()[1] for kept in pair)
    return Place(rank, worker, host, port, hub)


def _listening(host: str) -> socket.socket:
    kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    kept.bind((host, 0))
    kept.listen(128)
    return kept


def unreachable(rank: int, places: Sequence[Place]) -> list[str]:
    """Return, for each rank whose port this worker cannot connect to, a sentence that says so."""
    found = []
    for place in places:
        for port in (place.port, place.hub):
            try:
                # Nobody accepts: the listener only answers. We close first, so that the port we
                # tried is free at once for LightGBM.
                socket.create_connection((place.host, port), CONNECT_SECONDS).close()
            except OSError as error:
                found.append(f"{places[rank]} cannot connect to {place} at port {port}: {error}")
    return found


def run_rank(attempt: str, work: Work, topic: str) -> Outcome:
    """Run a rank in a child process until it ends.

    Args:
        attempt: The attempt whose ports `reserve` took in this process.
        work: What the rank is told.
        topic: Dask topic of the events.
    """
    worker, seat = get_worker(), (attempt, work.rank)
    pair = _kept.pop(seat, None)
    if worker.address != work.place.worker or pair is None:
        return Outcome(work.rank, error=_lost(work, "its Dask worker is gone or was restarted"))
    stop = _running[seat] = threading.Event()
    teller = _Teller(lambda event: worker.log_event(topic, {**event, "rank": work.rank}))
    try:
        sockets = [kept.detach() for kept in pair]
        ending = watch(work, sockets, teller.hear, _unwanted(worker, stop))
    finally:
        _running.pop(seat, None)
        teller.flush()
    return _outcome(work, ending)


def _unwanted(worker: Any, stop: threading.Event) -> Callable[[], bool]:
    """Return whether the running task has been cancelled, also by the death of its client."""
    key = worker.get_current_task()

    def look() -> bool:
        task = worker.state.tasks.get(key)
        return stop.is_set() or task is None or task.state == "cancelled"

    return look


@dataclass
class _Teller:
    """Passes events on, not more often than `THROTTLE`, and the last of each kind always."""

    tell: Callable[[Event], None]
    waiting: Event | None = None
    told: float = 0.0

    def hear(self, event: Event) -> None:
        if event["kind"] == "beat":
            return
        if self.waiting is not None and self.waiting["kind"] != event["kind"]:
            self.flush()
        self.waiting = event
        if time.monotonic() - self.told >= THROTTLE:
            self.flush()

    def flush(self) -> None:
        if self.waiting is not None:
            self.tell(self.waiting)
            self.waiting, self.told = None, time.monotonic()


def _outcome(work: Work, ending: Ending) -> Outcome:
    match ending.last or {"kind": None}:
        case {"kind": "done", **said}:
            fields = ("model", "digest", "best_round", "rounds", "history", "importance")
            boosted = Boosted(**{name: said[name] for name in fields})
            return Outcome(work.rank, boosted, peak=ending.peak)
        case {"kind": "failed", "error": packed}:
            error = pickle.loads(base64.b64decode(packed))
            return Outcome(work.rank, error=error, peak=ending.peak)
        case {"kind": "left", "lost": lost, "reason": reason}:
            what = RankLost(f"{work.places[lost]} was lost: {reason}", hint=_HINT)
            return Outcome(work.rank, error=what, left=True, peak=ending.peak)
    return Outcome(work.rank, error=_death(work, ending), peak=ending.peak)


_HINT = "the Dask worker lives on; run the job again, with more memory per worker if that was short"


def _death(work: Work, ending: Ending) -> TrainingFailed:
    tail = "; ".join(ending.stderr[-3:])
    return _lost(work, ending.cause() + (f" (last said: {tail})" if tail else ""))


def _lost(work: Work, reason: str) -> RankLost:
    return RankLost(f"{work.place} was lost: {reason}", hint=_HINT)


async def leave(attempt: str) -> None:
    """Give the ports of an attempt back and end its children here; return when they are gone.

    Runs in the worker's event loop, outside of tasks.
    """
    for seat in [seat for seat in _kept if seat[0] == attempt]:
        for kept in _kept.pop(seat):
            kept.close()
    while running := [seat for seat in _running if seat[0] == attempt]:
        for seat in running:
            _running[seat].set()
        await asyncio.sleep(0.05)
