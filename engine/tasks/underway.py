"""The partitions of a pass that are under way: started, run a second time, paused, run alone.

What lasts is bounded: as many partitions as were asked for are started or wait for the end of an
outage, and each has one result, that of the attempt which finishes first.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future

from engine import outages
from engine.errors import Outage
from engine.outages import Pause, next_pause
from engine.plan import Partition
from engine.tasks.calls import Done, Failed, call, outcome
from engine.tasks.idle import free_workers, homes
from engine.tasks.stragglers import Taken, late_after

RETRIES = 2
"""Runs of a task after an exception that is not a `MillraceError` (those are never retried)."""

ATTEMPTS = 3
"""At the same partition at the same time: the second worker may freeze too."""

LOOK_SECONDS = 0.5
"""So often is looked for what is late, and for pauses that have ended."""

TELL_SECONDS = 30.0
"""An outage that lasts is told of so often."""

CANCEL_SECONDS = 5.0
"""Cancelling is a message to the scheduler; what it does not know by then may run once more."""

RESTART_SECONDS = 30.0
"""A worker that hangs is killed after 4 of them; then the process starts anew."""


@dataclass(frozen=True)
class _Attempt:
    partition: Partition
    since: float
    """When it was submitted."""


class UnderWay:
    """One pass: a function called for every partition.

    Args:
        client: An open Dask client.
        function: Importable on workers; called with the work and a partition.
        work: What all calls share; picklable.
        partitions: What to work on.
        most: Most partitions that are under way at once.
        notice: Hears of second runs and outages.
    """

    def __init__(
        self,
        client: Client,
        function: Callable[[Any, Partition], Any],
        work: object,
        partitions: Sequence[Partition],
        most: int,
        notice: Callable[[str], None],
    ) -> None:
        """Start nothing yet but what all calls share."""
        self._client, self._function, self._work = client, function, pickle.dumps(work)
        self._most, self._notice = most, notice
        self._fresh = deque(partitions)
        self._attempts: dict[Future[Any], _Attempt] = {}
        self._losers: set[Future[Any]] = set()
        self._silent: set[str] = set()  # workers that do not hand over a result
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._paused: dict[int, Partition] = {}
        self._pauses: dict[int, Pause] = {}  # kept while the partition is tried again
        self._suspects: deque[Partition] = deque()
        self._alone: Partition | None = None
        self._taken: list[Taken] = []
        self._free_since: float | None = None
        self._told = float("-inf")
        self._shared = self._share()
        # Dask gives tasks to workers that hold what they need. It saves time and nothing else: a
        # worker that dies at this moment fails it ("Sample larger than population").
        with suppress(Exception):
            client.replicate([self._shared])

    def outcomes(self) -> Generator[Done[Any] | Failed]:
        """Yield what came of each partition, as they finish."""
        while True:
            self._fill()
            if not (self._attempts or self._paused):
                break
            try:
                future = self._ended.get(timeout=LOOK_SECONDS)
            except Empty:
                self._run_late_again()
                continue
            self._losers.discard(future)
            if (attempt := self._attempts.pop(future, None)) is None:
                continue  # it lost
            found = outcome(future, attempt.partition)
            if found is None:
                self._make_again(future, attempt.partition)
                continue
            verdict = self._finished(found) if isinstance(found, Done) else self._failed(found)
            if verdict is not None:
                yield verdict
        self._free_workers()

    def cancel(self) -> None:
        """Give up what is under way."""
        self._client.cancel([self._shared, *self._attempts, *self._losers], force=True)

    def _share(self, worker: str | None = None) -> Future[Any]:
        # A task of its own: Dask can make it again when a worker dies.
        return self._submitted(worker, pickle.loads, self._work)

    def _submitted(
        self, worker: str | None, function: Callable[..., Any], *given: object
    ) -> Future[Any]:
        return self._client.submit(
            function,
            *given,
            pure=False,
            retries=RETRIES,
            workers=worker,
            allow_other_workers=worker is not None,  # when that one has died
        )

    def _start(self, partition: Partition, worker: str | None = None) -> None:
        """Submit a partition; for a worker of its own with all it needs, nothing from another."""
        shared = self._shared if worker is None else self._share(worker)
        future = self._submitted(worker, call, self._function, shared, partition)
        self._attempts[future] = _Attempt(partition, time.monotonic())
        future.add_done_callback(self._ended.put)

    def _fill(self) -> None:
        """Start what may be started now."""
        if self._alone is not None:
            return
        if self._suspects:
            if not self._attempts:
                self._alone = self._suspects.popleft()
                self._start(self._alone)
            return
        now = time.monotonic()
        for index in [i for i in self._paused if self._pauses[i].until <= now]:
            self._start(self._paused.pop(index))
        while self._fresh and len(self._partitions()) + len(self._paused) < self._most:
            self._start(self._fresh.popleft())

    def _partitions(self) -> list[Partition]:
        """Return the partitions that are started, each once."""
        found = {one.partition.index: one.partition for one in self._attempts.values()}
        return list(found.values())

    def _others(self, partition: Partition) -> list[Future[Any]]:
        return [f for f, one in self._attempts.items() if one.partition.index == partition.index]

    def _finished(self, done: Done[Any]) -> Done[Any]:
        """Take the first result; other attempts at this partition do not count any more."""
        self._settle(done.partition)
        self._taken.append(Taken(done.partition.rows, done.seconds))
        self._pauses.pop(done.partition.index, None)
        if self._fresh:
            self._free_since = None  # a thread that gets another one is not free
        self._alone = None
        return done

    def _settle(self, partition: Partition) -> None:
        """Let other attempts at a partition count no more."""
        for future in self._others(partition):
            del self._attempts[future]
            self._losers.add(future)

    def _failed(self, failed: Failed) -> Failed | None:
        """Return what must be told of a failed attempt; ``None`` when the partition has a chance.

        A death of workers is no proof: Dask blames all that was assigned to the worker, waiting
        tasks too (dask/distributed#5234), and it may have been killed from outside. Who dies with
        nothing beside it is to blame.
        """
        partition, alone = failed.partition, self._alone is not None
        self._alone = None
        passing = failed.killed or isinstance(failed.error, Outage)
        if passing and self._others(partition):
            return None
        if isinstance(failed.error, Outage):
            return self._pause(partition, failed.error)
        if failed.killed and not alone:
            if self._shared.status == "error":
                self._shared = self._share()  # it was this that the workers died with
            self._suspects.append(partition)
            return None
        self._settle(partition)
        return Failed(partition, failed.error, alone)

    def _pause(self, partition: Partition, outage: Outage) -> Failed | None:
        index, now = partition.index, time.monotonic()
        before = self._pauses.get(index)
        pause = next_pause(before, now)
        if pause is None:
            assert before is not None
            return Failed(partition, outages.given_up(outage, now - before.since))
        self._paused[index], self._pauses[index] = partition, pause
        if now - self._told >= TELL_SECONDS:
            self._told = now
            place = f" ({outage.where})" if outage.where else ""
            what = f"{outage.what}{place}: what it stops is tried again"
            self._notice(f"{what} with growing pauses, for {pause.left:,.0f} s more")
        return None

    def _run_late_again(self) -> None:
        """Start late partitions a second time on other workers, where threads are free."""
        if self._paused or self._suspects or self._alone is not None:
            self._free_since = None
            return
        free, now = free_workers(self._client), time.monotonic()
        if self._fresh and not free:
            self._free_since = None
        if self._free_since is None and free:
            self._free_since = now  # from now on each one runs, or waits behind a late one
        if not free or self._free_since is None:
            return
        given = homes(self._client)
        late = [part for part in self._partitions() if self._is_late(part, now, self._free_since)]
        for partition in late:
            here = {given.get(future.key) for future in self._others(partition)}
            # One that waits at a free worker does not run there: that will do too.
            there = next((name for name in free if name not in here), next(iter(free), None))
            if there is None:
                return
            free.remove(there)
            self._start(partition, there)
            what = f"part {partition.index} takes far longer than the others"
            self._notice(f"{what}: it is run on a second worker too")

    def _is_late(self, partition: Partition, now: float, free_since: float) -> bool:
        """Tell whether the newest attempt takes too long, and another may be made."""
        began = [self._attempts[future].since for future in self._others(partition)]
        after = late_after(self._taken, partition.rows)
        if after is None or len(began) >= ATTEMPTS:
            return False
        return now - max(*began, free_since) > after

    def _make_again(self, future: Future[Any], partition: Partition) -> None:
        """Run a partition again elsewhere, whose worker does not hand over what it has made."""
        holders = self._client.who_has([future]).get(future.key, ())
        self._silent.update(holders)
        self._client.cancel([future], force=True)
        self._notice(f"part {partition.index} is run again: its worker keeps what it has made")
        names = (name for name in self._client.nthreads() if name not in self._silent)
        self._start(partition, next(names, None))

    def _free_workers(self) -> None:
        """Restart workers that hang: they are silent, or still run an attempt which has lost.

        Nothing else is under way, so no neighbour dies with it.
        """
        left = {future.key for future in self._losers if not future.done()}
        if not left and not self._silent:
            return
        hanging = {name for key, name in homes(self._client).items() if key in left}
        stuck = list((hanging | self._silent) & self._client.nthreads().keys())
        self._client.cancel(list(self._losers), force=True)
        until = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < until and left & homes(self._client).keys():
            time.sleep(0.02)
        # They may be gone by now, or have no nanny: then nobody can start them again.
        with suppress(KeyError, ValueError):
            self._client.restart_workers(stuck, timeout=RESTART_SECONDS, raise_for_error=False)
