"""The boosters of all folds of a trial, round by round together.

All folds take the same step before the next one is taken: so the mean of the metric over the folds
is known after every round, and early stopping and pruning look at the mean. Each fold holds its
own rows, binned: with k folds about k times the rows. A trial of one fold after the other would
need a k-th of that, and could be judged only when it is nearly at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import fsum
from typing import Any

from engine.boosting.council.decisions import LABELS, Decisions, Labels
from engine.boosting.council.stopping import Stopping
from engine.boosting.native import lightgbm
from engine.boosting.rank.rounds import predictions
from engine.boosting.rank.stock import Part
from engine.boosting.work import Goal
from engine.tuning.boosted.held import value
from engine.tuning.boosted.work import Outcome


@dataclass
class FoldBooster:
    """The booster of one fold and the rows that it holds out.

    Attributes:
        booster: LightGBM's.
        held: The rows that are held out.
        goal: How they are measured.
        grows: Whether it still finds a split that gains.
        value: The metric after its last round.
    """

    booster: Any
    held: Part
    goal: Goal
    grows: bool = True
    value: float = float("nan")

    def __post_init__(self) -> None:
        """Read the labels; they stay for the whole trial."""
        self._y = self.held.vector("y")
        self._query = self.held.vector("query") if self.held.has("query") else None

    @classmethod
    def of(cls, train: Part, held: Part, goal: Goal, params: dict[str, Any]) -> FoldBooster:
        """Return the booster of a fold before its first round.

        Args:
            train: Rows that it trains on.
            held: Rows that it holds out.
            goal: What is to be learned.
            params: LightGBM's, as for its datasets.

        Raises:
            ContractRefused: Nothing can be learned from these labels, or measured by them.
            lightgbm.basic.LightGBMError: LightGBM refuses the parameters.
        """
        Decisions(goal)(LABELS, [Labels(train.counts(), held.counts())])
        data, valid = train.dataset(params), held.dataset(params)
        for part, rows in ((train, data), (held, valid)):
            part.start(rows, None)
        booster = lightgbm().Booster(params, data)
        booster.add_valid(valid, "valid")
        return cls(booster, held, goal)

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
        p = predictions(self.booster)
        self.value = value(self.goal.measure, self.goal.metric, self._y, p, self._query)


class Lockstep:
    """Boosts all folds of a trial until it ends.

    Args:
        goal: What is to be learned.
        parts: Of each fold, the rows that it trains on and those that it holds out.
        params: LightGBM's, as for the datasets.
        tell: Called with the number of each round and the metric of each fold.
    """

    def __init__(
        self,
        goal: Goal,
        parts: Iterator[tuple[Part, Part]],
        params: dict[str, Any],
        tell: Callable[[int, list[float]], None],
    ) -> None:
        """Load the rows of all folds.

        Raises:
            ContractRefused: Of a fold nothing can be learned.
            lightgbm.basic.LightGBMError: LightGBM refuses the parameters.
        """
        self._goal, self._tell = goal, tell
        self._folds = [FoldBooster.of(train, held, goal, params) for train, held in parts]

    def run(self) -> Outcome:
        """Boost all rounds, or until early stopping or no tree of any fold can grow."""
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
            stop = stopping.stop(number, mean(values))
            best = tuple(values) if stopping.best_round == number else best
            if stop or not any(fold.grows for fold in self._folds):
                break
        return Outcome(stopping.best_round, best)


def mean(values: list[float] | tuple[float, ...]) -> float:
    """Return the mean, the same in any order; of one value, itself."""
    return fsum(values) / len(values)
