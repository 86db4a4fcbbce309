"""A trial that has begun and not ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

from engine.boosting.council.silence import Silence
from engine.boosting.work import Goal
from engine.tuning.boosted.work import Outcome
from engine.tuning.trial import Trial


@dataclass
class Underway:
    """A trial that has begun and not ended.

    Attributes:
        trial: The trial.
        goal: What it is to learn.
        worker: Address of its worker; empty: it waits for one.
        future: Its Dask future.
        began: When it was first given to a worker, on the clock of `time.monotonic`.
        silence: Since its worker was heard last.
        spoke: Whether its worker was heard at all.
        stopped: Whether it was told to end.
        killed: How often its process was killed.
        moved: How often its worker was lost.
        peak: Highest bytes of its workers, so far.
    """

    trial: Trial
    goal: Goal
    worker: str = ""
    future: Any = None
    began: float = field(default_factory=time.monotonic)
    silence: Silence = field(default_factory=Silence)
    spoke: bool = False
    stopped: bool = False
    killed: int = 0
    moved: int = 0
    peak: int = 0

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def seated(self, worker: str) -> None:
        """Note that it was given to a worker."""
        self.worker, self.silence, self.spoke = worker, Silence(), False

    def may_begin_anew(self, outcome: Outcome, retries: int, restarts: int) -> bool:
        """Tell whether it is worth another attempt after it was lost.

        Args:
            outcome: How it was lost.
            retries: How often its process may be killed.
            restarts: How often its worker may be lost.
        """
        return self.killed < retries if outcome.here else self.moved < restarts

    def anew(self, outcome: Outcome) -> Underway:
        """Return the same trial before its next attempt."""
        killed, moved = self.killed + outcome.here, self.moved + (not outcome.here)
        return replace(self, worker="", future=None, killed=killed, moved=moved)
