"""One attempt at training: the futures of all ranks, and which error tells the cause."""

from __future__ import annotations

import queue
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from distributed import Client, Future

from engine.boosting.events import Fitted, RoundEvent
from engine.boosting.gang.seat import Outcome, leave, reserve, run_rank, unreachable
from engine.boosting.gang.shards import Shard
from engine.boosting.learning import Conduct
from engine.boosting.work import Boosted, Goal, Place, Work
from engine.errors import Cancelled, MillraceError, RankLost, TrainingFailed

TICK = 0.5
"""Seconds between two looks at whether the user has cancelled."""

QUIET_SECONDS = 10.0
"""How long a worker may take at most to end a child that is not wanted any more."""


@dataclass(frozen=True)
class Orders:
    """What all ranks are told; see `engine.boosting.work.Work`."""

    goal: Goal
    conduct: Conduct
    source: bytes
    shards: Sequence[Shard]
    bins: bytes
    sample_rows: int
    threads: int

    def work(self, rank: int, places: tuple[Place, ...], key: bytes) -> Work:
        """Return what one rank is told."""
        fields = {name: value for name, value in vars(self).items() if name != "shards"}
        return Work(rank=rank, places=places, key=key, shard=self.shards[rank], **fields)


@dataclass
class Gang:
    """The ranks of one attempt.

    Attributes:
        client: An open Dask client.
        workers: One address for each rank.
        orders: What they are told.
        progress: Called with their events.
        cancel: Whether the user wants no more.
    """

    client: Client
    workers: Sequence[str]
    orders: Orders
    progress: Callable[[RoundEvent], None]
    cancel: Callable[[], bool]
    attempt: str = field(default_factory=lambda: secrets.token_hex(8))
    peaks: dict[int, int] = field(default_factory=dict)
    inbox: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    futures: list[Future[Any]] = field(default_factory=list)
    settled: bool = False

    def run(self) -> Fitted:
        """Train.

        Raises:
            MillraceError: There is no model; all other ranks have left.
        """
        topic = f"millrace-training-{self.attempt}"
        self.client.subscribe_topic(topic, lambda event: self.inbox.put(event[1]))
        try:
            outcomes = self._collect(self._start(topic))
            self.settled = len(outcomes) == len(self.workers)
            return self._fitted(outcomes)
        finally:
            self.client.unsubscribe_topic(topic)
            self._disband()

    def _start(self, topic: str) -> list[Future[Any]]:
        ranks = range(len(self.workers))
        places = tuple(self._ask(reserve, [(self.attempt, r, self.workers[r]) for r in ranks]))
        if len(places) > 1:
            failures = self._ask(unreachable, [(rank, places) for rank in ranks])
            if found := [failure for one in failures for failure in one]:
                hint = "open these ports between the workers, or train with one worker"
                raise TrainingFailed(found[0], where=f"{len(found)} pairs failed", hint=hint)
        key = secrets.token_bytes(32)
        works = [self.orders.work(rank, places, key) for rank in ranks]
        return self._submit(run_rank, [(self.attempt, work, topic) for work in works])

    def _submit(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]
    ) -> list[Future[Any]]:
        """Run a function on every worker, each with its own arguments.

        A task whose worker is gone runs elsewhere, finds that out and says so; pinned without a
        second choice it would wait for ever (dask/distributed's default).
        """
        futures = [
            self.client.submit(
                function, *call, workers=[worker], allow_other_workers=True, pure=False, retries=0
            )
            for worker, call in zip(self.workers, calls, strict=True)
        ]
        self.futures += futures
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
            future.add_done_callback(lambda _, rank=rank: self.inbox.put(rank))
        outcomes: dict[int, Outcome] = {}
        deadline, looked = float("inf"), 0.0
        while len(outcomes) < len(futures) and time.monotonic() < deadline:
            if time.monotonic() - looked >= TICK:
                looked = time.monotonic()
                self._stop_if_cancelled()
            try:
                item = self.inbox.get(timeout=TICK)
            except queue.Empty:
                continue
            if isinstance(item, int):
                outcomes[item] = self._outcome(item, futures[item])
                deadline = min(deadline, time.monotonic() + self.orders.conduct.timeouts.leave)
            else:
                self._pass_on(item)
        return outcomes

    def _stop_if_cancelled(self) -> None:
        if self.cancel():
            raise Cancelled("training was cancelled", hint="resume runs it again")

    def _outcome(self, rank: int, future: Future[Any]) -> Outcome:
        try:
            outcome: Outcome = future.result(timeout=self.orders.conduct.timeouts.answer)
        except (Exception, CancelledError) as error:
            what = f"rank {rank} on {self.workers[rank]} was lost: {type(error).__name__}: {error}"
            return Outcome(rank, error=RankLost(what, hint="see the log of this worker"))
        self.peaks[rank] = outcome.peak
        return outcome

    def _pass_on(self, event: dict[str, Any]) -> None:
        rank, kind = event["rank"], event["kind"]
        self.peaks[rank] = max(self.peaks.get(rank, 0), event["peak"])
        if kind == "round" and rank:  # rank 0 tells it for all
            return
        self.progress(
            RoundEvent(
                kind=kind,
                rank=rank,
                round=event.get("round", 0),
                rounds=self.orders.goal.learning.rounds,
                metrics=event.get("metrics", {}),
                rows=event.get("rows", 0),
                peak_memory=event["peak"],
                seconds=event["seconds"],
            )
        )

    def _fitted(self, outcomes: dict[int, Outcome]) -> Fitted:
        boosted = outcomes[0].boosted if 0 in outcomes else None
        if boosted is None:
            raise self._cause(outcomes)
        digests = {rank: o.boosted.digest for rank, o in outcomes.items() if o.boosted}
        if odd := sorted(rank for rank in digests if digests[rank] != boosted.digest):
            raise TrainingFailed(
                "the ranks ended with different models",
                where=", ".join(f"rank {rank} on {self.workers[rank]}" for rank in odd),
                hint="different machines or builds of LightGBM? report it with the versions",
            )
        return self._result(boosted)

    def _result(self, boosted: Boosted) -> Fitted:
        return Fitted(
            model=boosted.model,
            best_round=boosted.best_round,
            rounds=boosted.rounds,
            history=boosted.history,
            peak_memory=[self.peaks.get(rank, 0) for rank in range(len(self.workers))],
            importance=boosted.importance,
        )

    def _cause(self, outcomes: dict[int, Outcome]) -> MillraceError:
        """Return the error of the rank that failed first, not of those that left because of it."""
        errors = [outcome for outcome in outcomes.values() if outcome.error]
        for outcome in [*(o for o in errors if not o.left), *errors]:
            assert outcome.error is not None
            return outcome.error
        silent = [self.workers[rank] for rank in range(len(self.workers)) if rank not in outcomes]
        what = f"the workers {', '.join(silent)} gave no answer after training had ended"
        return RankLost(what, hint="they may be frozen: see their logs")

    def _disband(self) -> None:
        """Cancel what is still under way and wait until its children are gone."""
        self.client.cancel(self.futures, force=True)
        if self.settled:
            return
        for worker in self.workers:
            # A worker that is gone has no child; a frozen one cannot answer, so do not wait long.
            with suppress(Exception):
                self.client.sync(
                    self.client.run,
                    leave,
                    self.attempt,
                    workers=[worker],
                    on_error="ignore",
                    callback_timeout=min(QUIET_SECONDS, self.orders.conduct.timeouts.leave),
                )
