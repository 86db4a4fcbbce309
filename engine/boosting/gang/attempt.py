"""One attempt at training: the futures of all ranks, and which error tells the cause."""

from __future__ import annotations

import queue
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, Future

from engine.boosting.events import Fitted, RoundEvent
from engine.boosting.gang.calls import answers, present
from engine.boosting.gang.cancelling import Cancelling
from engine.boosting.gang.hearing import Hearing
from engine.boosting.gang.orders import Orders
from engine.boosting.gang.saved import Saved
from engine.boosting.gang.seat import (
    Outcome,
    leave,
    reserve,
    run_rank,
    stop_after_round,
    unreachable,
)
from engine.boosting.work import Boosted
from engine.errors import Cancelled, MillraceError, RankLost, TrainingFailed

TICK = 0.5
"""Seconds between two looks at whether the user has cancelled, or a worker has fallen silent."""

QUIET_SECONDS = 10.0
"""How long a worker may take at most to end a child that is not wanted any more."""

LAST_SECONDS = 3.0
"""How long the checkpoint of the last round may take after the ranks have ended."""


class Gang:
    """The ranks of one attempt.

    Args:
        client: An open Dask client.
        workers: One address for each rank.
        orders: What they are told.
        saved: Where their checkpoints go.
        progress: Called with what they tell.
        cancel: Whether the user wants no more.

    Attributes:
        hearing: What was heard from them.
        over: Whether a rank was killed because it held too much memory.
    """

    def __init__(
        self,
        client: Client,
        workers: Sequence[str],
        orders: Orders,
        saved: Saved,
        progress: Callable[[RoundEvent], None],
        cancel: Callable[[], bool],
    ) -> None:
        """Keep all; nothing has begun."""
        self._client, self.workers, self.orders, self._saved = client, workers, orders, saved
        self._attempt, self._key = secrets.token_hex(8), secrets.token_bytes(32)
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._futures: list[Future[Any]] = []
        self._settled, self.over = False, False
        self._cancelling = Cancelling(cancel, self._ask_to_stop)
        self.hearing = Hearing(client, workers, orders.goal.learning.rounds, saved, progress)

    def run(self) -> Fitted:
        """Train.

        Raises:
            MillraceError: There is no model; all other ranks have left.
        """
        topic = f"millrace-training-{self._attempt}"
        self._client.subscribe_topic(topic, lambda event: self._inbox.put(event[1]))
        try:
            outcomes = self._collect(self._start(topic))
            self._settled = len(outcomes) == len(self.workers)
            boosted = self._agreed(outcomes)
            if self._cancelling.asked:
                self._finish(boosted)
            return self._fitted(boosted)
        finally:
            self._client.unsubscribe_topic(topic)
            self._disband()

    def _start(self, topic: str) -> list[Future[Any]]:
        ranks, conduct = range(len(self.workers)), self.orders.conduct
        calls = [(self._attempt, rank, self.workers[rank], conduct) for rank in ranks]
        places = tuple(self._ask(reserve, calls))
        if len(places) > 1:
            failures = self._ask(unreachable, [(rank, places) for rank in ranks])
            self._refuse([failure for one in failures for failure in one])
        works = [self.orders.work(rank, places, self._key) for rank in ranks]
        name = self.orders.fingerprint
        return self._submit(run_rank, [(self._attempt, work, topic, name) for work in works])

    def _refuse(self, failures: Sequence[str]) -> None:
        """Raise what kept the workers from reaching each other, if anything did."""
        if not failures:
            return
        there = present(self._client, self.orders.conduct.timeouts.answer)
        if gone := [worker for worker in self.workers if worker not in there]:
            raise RankLost(f"the worker {gone[0]} is gone", hint="look at its log")
        hint = "open these ports between the workers, or train with one worker"
        raise TrainingFailed(failures[0], where=f"{len(failures)} pairs failed", hint=hint)

    def _submit(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]
    ) -> list[Future[Any]]:
        """Run a function on every worker, each with its own arguments.

        A task whose worker is gone runs elsewhere, finds that out and says so; pinned without a
        second choice it would wait for ever (dask/distributed's default).
        """
        futures = [
            self._client.submit(
                function, *call, workers=[worker], allow_other_workers=True, pure=False, retries=0
            )
            for worker, call in zip(self.workers, calls, strict=True)
        ]
        self._futures += futures
        return futures

    def _ask(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        futures = self._submit(function, calls)
        deadline = time.monotonic() + self.orders.conduct.timeouts.answer
        found = []
        for worker, future in zip(self.workers, futures, strict=True):
            try:
                found.append(future.result(timeout=max(0.1, deadline - time.monotonic())))
            except MillraceError:
                raise
            except (Exception, CancelledError) as error:
                what = f"the worker {worker} did not answer: {type(error).__name__}: {error}"
                raise RankLost(what, hint="it may be frozen, busy or gone: see its log") from error
        return found

    def _collect(self, futures: Sequence[Future[Any]]) -> dict[int, Outcome]:
        """Wait for all ranks, or for as long as may be after the first has ended."""
        for rank, future in enumerate(futures):
            future.add_done_callback(lambda _, rank=rank: self._inbox.put(rank))
        outcomes: dict[int, Outcome] = {}
        deadline, looked = float("inf"), 0.0
        leaving = self.orders.conduct.timeouts.leave
        while len(outcomes) < len(futures) and time.monotonic() < deadline:
            try:
                if time.monotonic() - looked >= TICK:
                    looked = time.monotonic()
                    self._look(outcomes)
                item = self._inbox.get(timeout=TICK)
                if isinstance(item, int):
                    outcomes[item] = self._outcome(item, futures[item])
                    deadline = min(deadline, time.monotonic() + leaving)
                else:
                    self.hearing.take(item)
            except queue.Empty:
                continue
            except KeyboardInterrupt:
                self._cancelling.interrupted()
        return outcomes

    def _look(self, outcomes: Mapping[int, Outcome]) -> None:
        self._cancelling.look(self.hearing.round > 0)
        self.hearing.fetch()
        limit = self.orders.conduct.timeouts.frozen
        silent = self.hearing.silent(limit)
        if outcomes:  # they say what has happened, or will in a moment
            return
        if silent:
            what = f"the worker {self.workers[silent[0]]} gave no sign of life for {limit:.0f} s"
            raise RankLost(what, hint="it may be frozen or cut off: see its log")
        # A rank whose worker has died is known by the others only once they have all met.
        if gone := self._gone():
            rank = self.workers.index(gone[0])
            what = f"rank {rank} on {gone[0]} was lost: its Dask worker is gone"
            raise RankLost(what, hint="it was ended: see its log")

    def _gone(self) -> list[str]:
        """Return the workers that the scheduler knows no more."""
        there = self._client.scheduler_info(n_workers=-1)["workers"]
        # Dask returns no workers at all when the scheduler cannot be asked.
        return [worker for worker in self.workers if there and worker not in there]

    def _ask_to_stop(self) -> None:
        first, seconds = self.workers[:1], self.orders.conduct.timeouts.beat
        answers(self._client, stop_after_round, self._attempt, workers=first, seconds=seconds)

    def _outcome(self, rank: int, future: Future[Any]) -> Outcome:
        self.hearing.gone(rank)
        try:
            outcome: Outcome = future.result(timeout=self.orders.conduct.timeouts.answer)
        except (Exception, CancelledError) as error:
            what = f"rank {rank} on {self.workers[rank]} was lost: {type(error).__name__}: {error}"
            return Outcome(rank, error=RankLost(what, hint="see the log of this worker"))
        self.hearing.peaks[rank] = outcome.peak
        return outcome

    def _agreed(self, outcomes: dict[int, Outcome]) -> Boosted:
        boosted = _model(outcomes)
        if boosted is None:
            raise self._cause(outcomes)
        digests = {rank: o.boosted.digest for rank, o in outcomes.items() if o.boosted}
        if odd := sorted(rank for rank in digests if digests[rank] != boosted.digest):
            raise TrainingFailed(
                "the ranks ended with different models",
                where=", ".join(f"rank {rank} on {self.workers[rank]}" for rank in odd),
                hint="different machines or builds of LightGBM? report it with the versions",
            )
        return boosted

    def _finish(self, boosted: Boosted) -> None:
        """Wait for the checkpoint of the last round, unless training had come to its end.

        Raises:
            Cancelled: It had not.
        """
        if boosted.stopped not in ("", "asked") or boosted.rounds >= self.hearing.rounds:
            return
        deadline = time.monotonic() + LAST_SECONDS
        while self._saved.round < boosted.rounds and time.monotonic() < deadline:
            self.hearing.fetch()
            try:
                item = self._inbox.get(timeout=0.1)
            except queue.Empty:
                continue
            if not isinstance(item, int):
                self.hearing.take(item)
        raise Cancelled(f"training was cancelled after round {boosted.rounds}")

    def _fitted(self, boosted: Boosted) -> Fitted:
        peaks = self.hearing.peaks
        return Fitted(
            model=boosted.model,
            best_round=boosted.best_round,
            rounds=boosted.rounds,
            history=boosted.history,
            peak_memory=[peaks.get(rank, 0) for rank in range(len(self.workers))],
            importance=boosted.importance,
            stopped=boosted.stopped,
        )

    def _cause(self, outcomes: dict[int, Outcome]) -> MillraceError:
        """Return the error of the rank that failed first, not of those that left because of it."""
        errors = [outcome for outcome in outcomes.values() if outcome.error]
        self.over = any(outcome.over for outcome in errors)
        for outcome in [*(o for o in errors if not o.left), *errors]:
            assert outcome.error is not None
            return outcome.error
        silent = [self.workers[rank] for rank in range(len(self.workers)) if rank not in outcomes]
        what = f"the workers {', '.join(silent)} gave no answer after training had ended"
        return RankLost(what, hint="they may be frozen: see their logs")

    def _disband(self) -> None:
        """Cancel what is still under way and wait until its children are gone."""
        self._client.cancel(self._futures, force=True)
        if not self._settled:
            # A worker that is gone has no child; a frozen one cannot answer: do not wait long.
            seconds = min(QUIET_SECONDS, self.orders.conduct.timeouts.leave)
            answers(self._client, leave, self._attempt, workers=self.workers, seconds=seconds)


def _model(outcomes: Mapping[int, Outcome]) -> Boosted | None:
    return outcomes[0].boosted if 0 in outcomes else None
