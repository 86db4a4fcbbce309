"""Training until there is a model: a lost rank costs the rounds since the last checkpoint."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from distributed import Client, Lock

from cluster.resources import pin
from engine.boosting.events import Fitted, RoundEvent
from engine.boosting.gang.attempt import Gang
from engine.boosting.gang.calls import present
from engine.boosting.gang.orders import Orders
from engine.boosting.gang.saved import Saved
from engine.boosting.gang.seating import seated
from engine.boosting.gang.shards import Shard, redealt, shards
from engine.boosting.source import ShardPart
from engine.errors import Cancelled, RankLost, TrainingFailed

GATHER_SECONDS = 5.0
"""How long a restart waits for all workers before it goes on with fewer: a nanny takes 2 to 4 s to
start one anew."""

NETWORK = re.compile(r"LightGBMError: .*(?:socket|network|connect|\bport \d)", re.IGNORECASE)
"""What LightGBM says of its network (src/network/linkers_socket.cpp, socket_wrapper.hpp)."""


@dataclass
class Attempts:
    """One training, from the first attempt to the model or the last failure.

    Attributes:
        client: An open Dask client.
        workers: Ranks wanted.
        parts: All partitions with their numbers of rows.
        orders: What all ranks are told; each attempt adds its shards and its start.
        saved: The checkpoints.
        progress: Called with what happens.
        cancel: Whether the user wants no more.
    """

    client: Client
    workers: int
    parts: Sequence[ShardPart]
    orders: Orders
    saved: Saved
    progress: Callable[[RoundEvent], None]
    cancel: Callable[[], bool]
    _restarts: int = 0
    _gang: Gang | None = None
    _nobody: bool = False

    def run(self) -> Fitted:
        """Train.

        Raises:
            MillraceError: There is no model, and another attempt would be no use.
        """
        reason = ""
        while True:
            try:
                return replace(self._attempt(reason), restarts=self._restarts)
            except Cancelled as error:
                raise Cancelled(error.what, hint=self.saved.told()) from error
            except TrainingFailed as error:
                if not self._may_pass(error):
                    raise self._final(error) from error
                self._restarts, reason = self._restarts + 1, error.what

    def _attempt(self, reason: str) -> Fitted:
        workers = self._gathered() if reason else self._all()
        if self._gang is not None:
            self._gang.hearing.salvage(workers)
        if reason:
            rounds = self.orders.goal.learning.rounds
            self.progress(RoundEvent("restart", 0, self.saved.round, rounds, reason=reason))
        while True:
            chosen, dealt = self._dealt(workers)
            with _locked(self.client, chosen, self.cancel):
                if self._known().issuperset(chosen):
                    return self._trained(chosen, dealt)
            # A cluster that scales gave one back while we waited for its lock.
            workers = self._gathered() if reason else self._all()

    def _trained(self, workers: list[str], dealt: list[Shard]) -> Fitted:
        if not self._restarts:
            self.saved.begin()
        orders = self._orders(dealt)
        self._gang = Gang(self.client, workers, orders, self.saved, self.progress, self.cancel)
        return self._gang.run()

    def _known(self) -> set[str]:
        """Return the addresses of all workers that the scheduler has."""
        return set(self.client.scheduler_info(n_workers=-1)["workers"])

    def _dealt(self, workers: list[str]) -> tuple[list[str], list[Shard]]:
        """Return who trains on what: a rank that is left keeps its rows, which are binned."""
        if self._gang is None:
            dealt = shards(self.parts, len(workers))
        else:
            seats = seated(self._gang.workers, workers)
            workers = [worker for worker, _ in seats]
            dealt = redealt(self._gang.orders.shards, [rank for _, rank in seats])
        return workers[: len(dealt)], dealt

    def _orders(self, dealt: Sequence[Shard]) -> Orders:
        start = self.saved.start()
        orders = replace(self.orders, shards=dealt, start=start)
        # The clock of a checkpoint goes on in the ranks; without one, theirs begins anew.
        return orders if start else orders.within(self.saved.seconds)

    def _all(self) -> list[str]:
        """Return as many workers as are wanted, waiting for those that are just starting."""
        patience = self.orders.conduct.timeouts.answer
        try:
            self.client.wait_for_workers(self.workers, timeout=patience)
        except TimeoutError as error:
            there = len(self._known())
            raise RankLost(
                f"training needs {self.workers} workers, the cluster has {there}",
                where="cluster.workers",
                hint="see why workers did not start, or ask for fewer",
            ) from error
        return sorted(self._known())[: self.workers]

    def _gathered(self) -> list[str]:
        """Return the workers that are left, a moment after one was lost.

        Raises:
            RankLost: None is left.
        """
        patience, began = self.orders.conduct.timeouts.answer, time.monotonic()
        while True:
            there = present(self.client, min(GATHER_SECONDS, patience))
            waited = time.monotonic() - began
            if len(there) >= self.workers or (there and waited > GATHER_SECONDS):
                return there[: self.workers]
            if waited > patience:
                self._nobody = True
                what = f"no worker answered for {patience:.0f} s after a rank was lost"
                raise RankLost(what, hint="see the workers' logs")
            if self.cancel():
                raise Cancelled("training was cancelled while it waited for its workers")
            time.sleep(0.2)

    def _may_pass(self, error: TrainingFailed) -> bool:
        """Tell whether another attempt is allowed, and may end otherwise."""
        if self._restarts >= self.orders.conduct.restarts or self._nobody:
            return False
        if self._gang is not None and self._gang.over:
            return False
        return isinstance(error, RankLost) or NETWORK.search(error.what) is not None

    def _final(self, error: TrainingFailed) -> TrainingFailed:
        """Return the error with what the user must know at the end."""
        if self._gang is not None:
            self._gang.hearing.salvage(present(self.client, 1.0))
        times = f" (training had been restarted {self._restarts} times)" if self._restarts else ""
        hints = [error.hint, self.saved.told()]
        hint = "; ".join(hint for hint in hints if hint)
        return type(error)(error.what + times, where=error.where, hint=hint)


@contextmanager
def _locked(client: Client, workers: Sequence[str], cancel: Callable[[], bool]) -> Iterator[None]:
    """Hold the workers, so that a second training waits instead of sharing their memory.

    Taken in the order of addresses, so that two trainings never wait for each other. The leases
    end by themselves when the client dies.
    """
    with ExitStack() as stack:
        for worker in sorted(workers):
            lock = Lock(pin(worker), client.scheduler, client.loop)
            while not lock.acquire(timeout="2 s"):
                if cancel():
                    raise Cancelled("training was cancelled while it waited for its workers")
            stack.callback(release, lock)
        yield


def release(lock: Lock) -> None:
    """Give a worker back."""
    with suppress(Exception):  # without a scheduler there is no lock; what ended it is told
        lock.release()
