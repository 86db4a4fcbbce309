"""The workers that run trials: held, so that no other training shares their memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Self

from distributed import Client, Lock

from cluster.resources import pin
from engine.boosting.events import Timeouts
from engine.boosting.gang.attempts import release
from engine.errors import Cancelled, RankLost


class Crew:
    """Workers with room for some trials each.

    Args:
        client: An open Dask client.
        wanted: Workers at most.
        each: Trials that one of them runs at once.
        timeouts: How long the first of them may take to be there.
        cancel: Whether the user wants no more.
    """

    def __init__(
        self, client: Client, wanted: int, each: int, timeouts: Timeouts, cancel: Callable[[], bool]
    ) -> None:
        """Nobody is held yet."""
        self._client, self._wanted, self._each = client, wanted, each
        self._timeouts, self._cancel = timeouts, cancel
        self._held: list[str] = []
        self._shunned: set[str] = set()
        self._alone: float | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Wait for workers and hold them, in the order of addresses: so no two wait for each other.

        Raises:
            RankLost: There are none.
            Cancelled: The user wants no more.
        """
        with suppress(TimeoutError):  # fewer do the same more slowly
            self._client.wait_for_workers(self._wanted, timeout=self._timeouts.answer)
        there = sorted(self._there())[: self._wanted]
        if not there:
            what = "the cluster has no workers to run trials"
            raise RankLost(what, hint="see why workers did not start")
        with ExitStack() as stack:
            stack.callback(self._stack.close)
            for worker in there:
                while not self._hold(worker, 2.0):
                    if self._cancel():
                        raise Cancelled("tuning was cancelled while it waited for its workers")
            stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        """Give all workers back."""
        self._held.clear()
        self._stack.close()

    @property
    def workers(self) -> Sequence[str]:
        """Addresses of the workers that are held."""
        return tuple(self._held)

    def free(self, busy: Sequence[str]) -> str:
        """Return the worker with the most room; empty when there is none.

        Args:
            busy: The worker of each trial that runs.
        """
        taken = Counter(busy)
        room = {worker: self._each - taken[worker] for worker in self._held}
        best = max(room, key=lambda worker: room[worker], default="")
        return best if room.get(best, 0) > 0 else ""

    def lost(self, worker: str, *, frozen: bool = False) -> None:
        """Give a worker no more trials.

        Args:
            worker: Its address.
            frozen: It is still known to the scheduler, but does not answer.
        """
        if worker in self._held:
            self._held.remove(worker)
        if frozen:
            self._shunned.add(worker)

    def look(self) -> list[str]:
        """Take new workers for lost ones; return those that the scheduler knows no more.

        Raises:
            RankLost: For long there has been none.
        """
        there = self._there()
        # Dask returns no workers at all when the scheduler cannot be asked.
        gone = [worker for worker in self._held if there and worker not in there]
        for worker in sorted(there - set(self._held) - self._shunned):
            if len(self._held) - len(gone) < self._wanted:
                self._hold(worker, 0.2)
        if len(self._held) > len(gone):
            self._alone = None
            return gone
        self._alone = self._alone or time.monotonic()
        if time.monotonic() - self._alone > self._timeouts.answer:
            what = f"no worker was there for {self._timeouts.answer:.0f} s to run trials"
            raise RankLost(what, hint="see the workers' logs")
        return gone

    def _there(self) -> set[str]:
        return set(self._client.scheduler_info(n_workers=-1)["workers"])

    def _hold(self, worker: str, seconds: float) -> bool:
        lock = Lock(pin(worker), self._client.scheduler, self._client.loop)
        if not lock.acquire(timeout=f"{seconds} s"):
            return False
        self._stack.callback(release, lock)
        self._held.append(worker)
        return True
