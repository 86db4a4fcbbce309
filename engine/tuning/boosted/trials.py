"""Trials from the client's side: given to workers, heard, begun anew when they are lost."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, Self

from distributed import Client, Future

from engine.boosting.gang.calls import answers
from engine.boosting.gang.training import tidy
from engine.errors import SpecError
from engine.tuning.boosted.crew import Crew
from engine.tuning.boosted.curve import Curves
from engine.tuning.boosted.seat import end_trial, leave, run_trial
from engine.tuning.boosted.study import Study
from engine.tuning.boosted.underway import Underway
from engine.tuning.boosted.work import Outcome, TrialWork
from engine.tuning.trial import Ended, Heard, Trial

TICK = 0.5
"""Seconds between two looks at whether workers are still there."""

QUIET_SECONDS = 10.0
"""How long workers may take at most to end children that are not wanted any more."""

RETRIES = 1
"""How often a trial begins anew when its process was killed."""


class BoostedTrials:
    """Runs LightGBM trials side by side; see `engine.tuning.trial.Trials`.

    A trial has the same result whichever worker it runs on and whatever runs beside it. It always
    begins with its first round: a trial that is started again under its number with more rounds
    makes the same trees once more, and only its new rounds are told.

    Args:
        client: An open Dask client.
        study: What all trials share.
        cancel: Whether the user wants no more, looked at while other trainings hold the workers.
    """

    def __init__(
        self, client: Client, study: Study, cancel: Callable[[], bool] = lambda: False
    ) -> None:
        """Keep all; nothing has begun."""
        self._client, self._study = client, study
        self._bench, self._conduct = study.bench, study.bench.conduct
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._crew = Crew(client, study.workers, study.each, self._conduct.timeouts, cancel)
        self._curves = Curves(study.better, study.learning.early_stopping)
        self._underway: dict[int, Underway] = {}
        self._attempts, self._looked = 0, 0.0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Hold the workers.

        Raises:
            RankLost: There are none.
            Cancelled: The user wants no more.
        """
        with ExitStack() as stack:
            topic = self._topic
            self._client.subscribe_topic(topic, lambda event: self._inbox.put(event[1]))
            stack.callback(self._client.unsubscribe_topic, topic)
            stack.callback(tidy, self._client, self._bench.fingerprint, self._conduct)
            stack.enter_context(self._crew)
            stack.callback(self._disband)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        """End all trials; nothing of them is left."""
        self._stack.close()

    @property
    def slots(self) -> int:
        """Trials that may run at once."""
        return self._study.slots

    def start(self, trial: Trial) -> None:
        """Begin a trial; one whose parameters cannot be is told as ``failed`` soon."""
        try:
            goal = self._study.goal(trial)
        except SpecError as error:
            self._inbox.put(Ended(trial.number, "failed", reason=str(error)))
            return
        self._begin(Underway(trial, goal))

    def stop(self, number: int) -> None:
        """End a trial early: it is told as ``pruned`` soon."""
        for attempt, one in list(self._underway.items()):
            if one.trial.number == number:
                one.stopped = True
                self._end(attempt, one)

    def heard(self, seconds: float) -> Iterator[Heard | Ended]:
        """Yield what has happened, waiting so long at most for the first.

        Raises:
            RankLost: No worker is left to run a trial.
        """
        deadline, found = time.monotonic() + seconds, False
        while not found:
            left = deadline - time.monotonic()
            if time.monotonic() - self._looked >= TICK:
                self._looked = time.monotonic()
                self._look()
            with suppress(queue.Empty):
                item = self._inbox.get(timeout=max(0.0, min(TICK, left)))
                while True:
                    for told in self._take(item):
                        found = True
                        yield told
                    item = self._inbox.get_nowait()
            if left <= 0:
                return

    @property
    def _topic(self) -> str:
        return f"millrace-{self._bench.study}"

    def _begin(self, one: Underway) -> None:
        self._attempts += 1
        self._underway[self._attempts] = one
        self._seat()

    def _seat(self) -> None:
        """Give trials that wait to workers that have room."""
        for attempt, one in self._underway.items():
            if one.worker or not (worker := self._crew.free(self._busy())):
                continue
            one.seated(worker)
            work = TrialWork(self._bench, attempt, one.goal, worker)
            # A task whose worker is gone runs elsewhere, finds that out and says so; pinned
            # without a second choice it would wait for ever.
            one.future = self._client.submit(
                run_trial, work, self._topic,
                workers=[worker], allow_other_workers=True, pure=False, retries=0,
            )  # fmt: skip
            one.future.add_done_callback(lambda _, attempt=attempt: self._inbox.put(attempt))

    def _busy(self) -> list[str]:
        return [one.worker for one in self._underway.values() if one.worker]

    def _take(self, item: Any) -> Iterator[Heard | Ended]:
        """Yield what a message says: rounds, the number of an attempt that has ended, an end."""
        if isinstance(item, Ended):
            yield item
        elif isinstance(item, int):
            if (one := self._underway.pop(item, None)) is not None:
                yield from self._ended(one, self._outcome(one))
        elif (one := self._underway.get(item["attempt"])) is not None:
            one.silence.broken()
            one.spoke = True
            for number, folds in item["rounds"]:
                yield from self._curves.add(one.trial.number, number, tuple(folds))

    def _outcome(self, one: Underway) -> Outcome:
        if one.future is None:  # it was told to end before it had a worker
            return Outcome()
        try:
            outcome: Outcome = one.future.result(timeout=self._conduct.timeouts.answer)
        except (Exception, CancelledError) as error:
            what = f"the worker {one.worker} was lost: {type(error).__name__}: {error}"
            return Outcome(lost=what, here=False)
        return outcome

    def _ended(self, one: Underway, outcome: Outcome) -> Iterator[Ended]:
        """Yield how a trial has ended, unless it begins anew."""
        number = one.trial.number
        one.peak = max(one.peak, outcome.peak)
        ended = Ended(number, "done", seconds=one.seconds, peak_memory=one.peak)
        if one.stopped and not outcome.best_round:
            yield self._curves.best(number, replace(ended, state="pruned"))
        elif outcome.failed:
            yield replace(ended, state="failed", reason=outcome.failed)
        elif outcome.best_round:
            yield self._curves.at(outcome.best_round, outcome.folds, ended)
        elif not one.may_begin_anew(outcome, RETRIES, self._conduct.restarts):
            yield replace(ended, state="failed", reason=f"it was lost again: {outcome.lost}")
        else:
            if not outcome.here:
                self._crew.lost(one.worker)
            self._begin(one.anew(outcome))
        self._seat()

    def _look(self) -> None:
        """Look after workers that are gone or frozen, and trials that wait."""
        limit = self._conduct.timeouts.frozen
        gone = set(self._crew.look())
        for attempt, one in list(self._underway.items()):
            if not one.worker:
                continue
            if one.worker in gone or (one.spoke and one.silence.seconds() > limit):
                self._crew.lost(one.worker, frozen=one.worker not in gone)
                self._cancel(one)
                self._inbox.put(attempt)
            elif one.stopped:  # it may have begun after it was told to end
                self._end(attempt, one)
        self._seat()

    def _end(self, attempt: int, one: Underway) -> None:
        if not one.worker:
            self._inbox.put(attempt)
            return
        beat = self._conduct.timeouts.beat
        answers(self._client, end_trial, self._bench.study, attempt,
                workers=[one.worker], seconds=beat)  # fmt: skip

    def _cancel(self, one: Underway) -> None:
        if one.future is not None:
            self._client.cancel([one.future], force=True)

    def _disband(self) -> None:
        """Cancel what is under way and wait until its children are gone."""
        futures: list[Future[Any]] = [o.future for o in self._underway.values() if o.future]
        self._underway.clear()
        with suppress(Exception):  # without a scheduler the workers end them by themselves
            self._client.cancel(futures, force=True)
            seconds = min(QUIET_SECONDS, self._conduct.timeouts.leave)
            workers = self._crew.workers
            answers(self._client, leave, self._bench.study, workers=workers, seconds=seconds)
