"""The boosters of all folds of a trial, round by round together.

All folds take the same step before the next one is taken: so the mean of the metric over the folds
is known after every round, and early stopping and pruning look at the mean. Each fold holds its
own rows, binned: with k folds about k times the rows. A trial of one fold after the other would
need a k-th of that, and could be judged only when it is nearly at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.council.decisions import LABELS, Decisions, Labels
from engine.boosting.council.stopping import Stopping
from engine.boosting.native import lightgbm
from engine.boosting.rank.rounds import predictions
from engine.boosting.rank.stock import Part
from engine.boosting.work import Goal
from engine.tuning.boosted.held import value
from engine.tuning.boosted.work import Outcome


@dataclass(frozen=True)
class FoldRows:
    """The rows of one fold as LightGBM holds them: the same for all trials of a study.

    Attributes:
        train: Dataset that is trained on.
        held: Dataset of the rows that are held out.
        y: Their labels, shape (n,).
        query: Their queries, shape (n,), for a ranking.
    """

    train: Any
    held: Any
    y: npt.NDArray[np.float32]
    query: npt.NDArray[np.uint64] | None

    @classmethod
    def of(cls, train: Part, held: Part, goal: Goal, params: dict[str, Any]) -> FoldRows:
        """Load the rows of a fold.

        Args:
            train: Rows that are trained on.
            held: Rows that are held out.
            goal: What is to be learned.
            params: LightGBM's; those of datasets are the same for all trials.

        Raises:
            ContractRefused: Nothing can be learned from these labels, or measured by them.
        """
        Decisions(goal)(LABELS, [Labels(train.counts(), held.counts())])
        data, valid = train.dataset(params), held.dataset(params)
        for part, rows in ((train, data), (held, valid)):
            part.start(rows, None)
        query = held.vector("query") if held.has("query") else None
        return cls(data, valid, held.vector("y"), query)


@dataclass
class FoldBooster:
    """The booster of one fold.

    Attributes:
        booster: LightGBM's.
        rows: What it trains on and what is held out.
        goal: How that is measured.
        grows: Whether it still finds a split that gains.
        value: The metric after its last round.
    """

    booster: Any
    rows: FoldRows
    goal: Goal
    grows: bool = True
    value: float = float("nan")

    @classmethod
    def of(cls, rows: FoldRows, goal: Goal, params: dict[str, Any]) -> FoldBooster:
        """Return the booster of a fold before its first round.

        Args:
            rows: Of the fold.
            goal: What is to be learned.
            params: LightGBM's.

        Raises:
            lightgbm.basic.LightGBMError: LightGBM refuses the parameters.
        """
        booster = lightgbm().Booster(params, rows.train)
        booster.add_valid(rows.held, "valid")
        return cls(booster, rows, goal)

    def step(self, number: int, rate: float | None) -> None:
        """Boost a round, unless no tree can grow any more, and measure.

        Args:
            number: Of the round, from 1.
            rate: Learning rate of this round; ``None``: that of the parameters.
        """
        if not self.grows:
            return
        if rate is not None:
            self.booster.reset_parameter({"learning_rate": rate})
        finished = self.booster.update()
        self.grows = not finished and self.booster.current_iteration() >= number
        p, rows = predictions(self.booster), self.rows
        self.value = value(self.goal.measure, self.goal.metric, rows.y, p, rows.query)


class Lockstep:
    """Boosts all folds of a trial until it ends.

    Args:
        goal: What is to be learned.
        folds: The rows of each fold.
        params: LightGBM's, as for the datasets.
        tell: Called with the number of each round and the metric of each fold.
        stop: Looked at after each round: whether the trial is not wanted any more.
    """

    def __init__(
        self,
        goal: Goal,
        folds: Sequence[FoldRows],
        params: dict[str, Any],
        tell: Callable[[int, list[float]], None],
        stop: Callable[[], bool],
    ) -> None:
        """Make the boosters of all folds.

        Raises:
            lightgbm.basic.LightGBMError: LightGBM refuses the parameters.
        """
        self._goal, self._tell, self._stop = goal, tell, stop
        self._folds = [FoldBooster.of(rows, goal, params) for rows in folds]

    def run(self) -> Outcome:
        """Boost all rounds, or until early stopping or no tree of any fold can grow.

        The outcome of a trial that is not wanted any more has no best round.
        """
        learning = self._goal.learning
        higher = self._goal.measure.better(self._goal.metric)
        stopping = Stopping(higher, learning.early_stopping)
        best: tuple[float, ...] = ()
        for number in range(1, learning.rounds + 1):
            rate = learning.schedule(number) if learning.schedule else None
            for fold in self._folds:
                fold.step(number, rate)
            values = [fold.value for fold in self._folds]
            self._tell(number, values)
            if self._stop():
                return Outcome()
            enough = stopping.stop(number, mean(values))
            best = tuple(values) if stopping.best_round == number else best
            if enough or not any(fold.grows for fold in self._folds):
                break
        return Outcome(stopping.best_round, best)


def mean(values: list[float] | tuple[float, ...]) -> float:
    """Return the mean, the same in any order; of one value, itself."""
    return fsum(values) / len(values)
