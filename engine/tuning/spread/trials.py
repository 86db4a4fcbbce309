"""Trials one after another: folds in a thread, what comes of them in a queue."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from engine.errors import (
    Cancelled,
    ContractRefused,
    ModelError,
    ModelFailed,
    SpecError,
    TaskFailed,
    TrainingFailed,
)
from engine.tuning.spread.fold import Fitting, FoldWorth
from engine.tuning.trial import Ended, Heard, Trial

FAILURES: Final = (
    *(SpecError, TrainingFailed, TaskFailed),
    *(ContractRefused, ModelError, ModelFailed),
)
"""What the parameters of a trial may lead to: weights that grow beyond all bounds are told as rows
that cannot be measured. Anything else concerns all trials, and ends the search."""

QUIET_SECONDS: Final = 30.0
"""How long work that was told to end may take; what does not end then is left to the cluster."""


class SpreadTrials:
    """Runs trials one after another, each on all workers; see `engine.tuning.trial.Trials`.

    Folds come one after the other too. Of several folds the mean over those that are done is told
    after each but the last; with validation rows, each round.

    Args:
        fitting: Learns from a fold.
        higher: Whether more of the metric is better.
        alive: Whether the cluster is there: a trial that fails without it is not to blame.
    """

    def __init__(self, fitting: Fitting, higher: bool, alive: Callable[[], bool]) -> None:
        """Keep all; nothing has begun."""
        self._fitting, self._higher, self._alive = fitting, higher, alive
        self._inbox: queue.SimpleQueue[Heard | Ended | BaseException] = queue.SimpleQueue()
        self._course: _Course | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End the trial that is under way, and leave nothing."""
        if self._course is not None:
            self._course.stop.set()
            self._course.join(QUIET_SECONDS)
        self._fitting.close()

    @property
    def slots(self) -> int:
        """One: a trial takes the whole cluster."""
        return 1

    def start(self, trial: Trial) -> None:
        """Begin a trial."""
        self._course = _Course(self._fitting, self._higher, self._alive, trial, self._inbox)
        self._course.start()

    def stop(self, number: int) -> None:
        """End a trial early: it is told as ``pruned`` soon."""
        if self._course is not None and self._course.trial.number == number:
            self._course.stop.set()

    def heard(self, seconds: float) -> Iterator[Heard | Ended]:
        """Yield what has happened, waiting so long at most for the first.

        Raises:
            MillraceError: Something failed that concerns all trials.
        """
        with suppress(queue.Empty):
            item = self._inbox.get(timeout=seconds)
            while True:
                if isinstance(item, BaseException):
                    raise item
                yield item
                item = self._inbox.get_nowait()


class _Course(threading.Thread):
    """One trial under way.

    A thread, so that rounds are heard, and the trial can be stopped, while the cluster is at work.
    It ends with the process: whoever ends it by force must not wait for a worker.
    """

    def __init__(
        self,
        fitting: Fitting,
        higher: bool,
        alive: Callable[[], bool],
        trial: Trial,
        inbox: queue.SimpleQueue[Heard | Ended | BaseException],
    ) -> None:
        super().__init__(name=f"trial-{trial.number}", daemon=True)
        self.trial, self.stop = trial, threading.Event()
        self._fitting, self._alive, self._inbox = fitting, alive, inbox
        self._sign = -1 if higher else 1
        self._done: list[FoldWorth] = []

    def run(self) -> None:
        """Go through the folds, and tell how it ended."""
        began = time.monotonic()
        try:
            self._through()
            state, reason = "done", ""
        except Cancelled:
            state, reason = "pruned", ""
        except FAILURES as error:
            if not self._alive():
                return self._inbox.put(error)
            state, reason = "failed", str(error)
        except BaseException as error:
            return self._inbox.put(error)
        best = together(self._done, self._sign)
        peak = max((one.peak for one in self._done), default=0)
        self._inbox.put(
            Ended(
                self.trial.number,
                state,  # type: ignore[arg-type]
                best.value,
                best.round if self._fitting.rounds else 0,
                best.folds,
                time.monotonic() - began,
                peak,
                reason,
            )
        )

    def _through(self) -> None:
        count = self._fitting.folds
        for fold in range(count):
            if self.stop.is_set():
                raise Cancelled("the trial was stopped")
            found = self._fitting.fit(self.trial, fold, told=self._round, cancel=self.stop.is_set)
            self._done.append(found)
            best = together(self._done, self._sign)
            # After the last fold there is nothing more to be saved.
            if fold + 1 < count and best.value is not None:
                self._inbox.put(Heard(self.trial.number, fold + 1, best.value, best.folds))

    def _round(self, number: int, value: float) -> None:
        """Tell of a round; of several folds, the others have not seen it yet."""
        if self._fitting.folds == 1:
            self._inbox.put(Heard(self.trial.number, number, value, (value,)))


@dataclass(frozen=True)
class Best:
    """What some folds are worth together.

    Attributes:
        value: Mean of the metric over the folds at the best round; None: there is none.
        round: That round, from 1 on.
        folds: The metric of each fold at that round.
    """

    value: float | None = None
    round: int = 0
    folds: tuple[float, ...] = ()


def together(folds: Sequence[FoldWorth], sign: int) -> Best:
    """Return what folds are worth at the round whose mean over them is best.

    Looked at are the rounds that all of them have: where each fold stops early by itself, those of
    the first that stopped.

    Args:
        folds: What came of each.
        sign: 1 when less of the metric is better, -1 when more is.
    """
    rows = list(zip(*(one.values for one in folds), strict=False))
    means = [sum(row) / len(row) for row in rows]
    known = [place for place, mean in enumerate(means) if math.isfinite(mean)]
    if not known:
        return Best()
    place = min(known, key=lambda one: sign * means[one])
    return Best(means[place], place + 1, rows[place])
