"""What runs on a Dask worker: keep ports, try the others' ports, run a rank, be quiet again."""

from __future__ import annotations

import asyncio
import base64
import pickle
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from distributed import get_worker

from engine.boosting.gang import scratch
from engine.boosting.gang.child import Ending, Event, Wish, watch
from engine.boosting.gang.ports import Pair, listening, own_address
from engine.boosting.learning import Conduct
from engine.boosting.work import Boosted, Place, Work
from engine.errors import MillraceError, RankLost

THROTTLE = 0.2
"""Seconds between two events of the same kind that go to the client."""

CONNECT_SECONDS = 10.0

Seat = tuple[str, int]
"""Name of an attempt, and a rank."""

_kept: dict[Seat, Pair] = {}
"""Listening sockets: a rank starts once, and only in the process that keeps its ports."""

_running: dict[Seat, Wish] = {}
"""Ranks whose child is running, and what is wanted of it."""


@dataclass(frozen=True)
class Outcome:
    """How a rank ended.

    Attributes:
        rank: Its number.
        boosted: The model; its text only from rank 0. None when there is none.
        error: Why there is none.
        left: Whether it only left because another rank was lost.
        over: Whether it was killed because it held too much memory.
        peak: Peak resident bytes of the child and its Dask worker together.
    """

    rank: int
    boosted: Boosted | None = None
    error: MillraceError | None = None
    left: bool = False
    over: bool = False
    peak: int = 0


def reserve(attempt: str, rank: int, worker: str, conduct: Conduct) -> Place:
    """Take two ports of this worker and keep them.

    Args:
        attempt: Name of this attempt.
        rank: The rank that will live here.
        worker: Address of the Dask worker that this must be.
        conduct: Says which ports, and which network.

    Raises:
        RankLost: This is another worker.
        SpecError: This host is not in the network.
        TrainingFailed: No port is free.
    """
    if get_worker().address != worker:
        raise RankLost(
            f"the worker {worker} is gone", hint="look at its log, then run the job again"
        )
    host = own_address(worker, conduct.network)
    pair = _kept[attempt, rank] = listening(host, conduct.ports, worker)
    port, hub = (kept.getsockname()[1] for kept in pair)
    return Place(rank, worker, host, port, hub)


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


def run_rank(attempt: str, work: Work, topic: str, fingerprint: str) -> Outcome:
    """Run a rank in a child process until it ends.

    Args:
        attempt: The attempt whose ports `reserve` took in this process.
        work: What the rank is told.
        topic: Dask topic of the events.
        fingerprint: Names the folder of its binned rows.
    """
    worker, seat = get_worker(), (attempt, work.rank)
    pair = _kept.pop(seat, None)
    if worker.address != work.place.worker or pair is None:
        return Outcome(work.rank, error=_lost(work, "its Dask worker is gone or was restarted"))
    _running[seat] = Wish.GO_ON
    teller = _Teller(lambda event: worker.log_event(topic, {**event, "rank": work.rank}))
    root, keep = scratch.root(worker), work.conduct.keep_bins
    try:
        with scratch.in_use(root, fingerprint, keep) as folder:
            sockets = [kept.detach() for kept in pair]
            wish = _wish(worker, seat, lambda: _alive(teller, folder, work.conduct.timeouts.beat))
            ending = watch(replace(work, scratch=folder), sockets, teller.hear, wish)
            teller.flush()
    finally:
        _running.pop(seat, None)
    return _outcome(work, ending)


def _wish(worker: Any, seat: Seat, alive: Callable[[], None]) -> Callable[[], Wish]:
    """Return what is wanted: nothing more once the task was cancelled, or its client has died."""
    key = worker.get_current_task()

    def look() -> Wish:
        alive()
        task = worker.state.tasks.get(key)
        return Wish.END if task is None or task.state == "cancelled" else _running[seat]

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


def _alive(teller: _Teller, folder: Path, beat: float) -> None:
    """Tell the client that this worker lives, and its disk that the folder is in use."""
    teller.flush()
    if time.monotonic() - teller.told >= beat:
        teller.tell({"kind": "beat"})
        teller.told = time.monotonic()
        scratch.used(folder)


def _outcome(work: Work, ending: Ending) -> Outcome:
    match ending.last or {"kind": None}:
        case {"kind": "done", **said}:
            boosted = Boosted(**{field.name: said[field.name] for field in fields(Boosted)})
            return Outcome(work.rank, boosted, peak=ending.peak)
        case {"kind": "failed", "error": packed}:
            error = pickle.loads(base64.b64decode(packed))
            return Outcome(work.rank, error=error, peak=ending.peak)
        case {"kind": "left", "lost": lost, "reason": reason}:
            what = RankLost(f"{work.places[lost]} was lost: {reason}", hint=_HINT)
            return Outcome(work.rank, error=what, left=True, peak=ending.peak)
    error = _lost(work, _death(ending), _OVER if ending.over else _HINT)
    return Outcome(work.rank, error=error, over=ending.over, peak=ending.peak)


_HINT = "the Dask worker lives on: see its log for what ended this process"
_OVER = "give each worker more memory, or use more of them; it would be the same again"


def _death(ending: Ending) -> str:
    tail = "; ".join(ending.stderr[-3:])
    return ending.cause() + (f" (last said: {tail})" if tail else "")


def _lost(work: Work, reason: str, hint: str = _HINT) -> RankLost:
    return RankLost(f"{work.place} was lost: {reason}", hint=hint)


def stop_after_round(attempt: str) -> None:
    """Ask the ranks of an attempt here to end together after a round."""
    for seat in [seat for seat in _running if seat[0] == attempt]:
        _running[seat] = Wish.STOP


async def leave(attempt: str) -> None:
    """Give the ports of an attempt back and end its children here; return when they are gone.

    Runs in the worker's event loop, outside of tasks.
    """
    for seat in [seat for seat in _kept if seat[0] == attempt]:
        for kept in _kept.pop(seat):
            with suppress(OSError):
                kept.close()
    while running := [seat for seat in _running if seat[0] == attempt]:
        for seat in running:
            _running[seat] = Wish.END
        await asyncio.sleep(0.05)
