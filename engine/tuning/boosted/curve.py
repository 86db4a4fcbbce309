"""What was heard of each trial, so that no round is told twice and a pruned one has its best."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from engine.boosting.council.stopping import Stopping
from engine.tuning.boosted.lockstep import mean
from engine.tuning.trial import Ended, Heard


@dataclass
class _Curve:
    """The last round of a trial and the best so far."""

    stopping: Stopping
    last: int = 0
    folds: tuple[float, ...] = ()


@dataclass
class Curves:
    """The rounds of all trials of a study.

    Attributes:
        higher: Whether more of the metric is better.
        patience: Rounds without a better mean after which a trial stops; or None.
    """

    higher: bool
    patience: int | None
    _known: dict[int, _Curve] = field(default_factory=dict)

    def add(self, trial: int, number: int, folds: tuple[float, ...]) -> Iterator[Heard]:
        """Yield a round of a trial, unless it was told before: a trial may begin anew."""
        curve = self._known.setdefault(trial, _Curve(Stopping(self.higher, self.patience)))
        if number <= curve.last:
            return
        curve.last = number
        curve.stopping.stop(number, mean(folds))
        if curve.stopping.best_round == number:
            curve.folds = folds
        yield Heard(trial, number, mean(folds), folds)

    def best(self, trial: int, ended: Ended) -> Ended:
        """Return the end of a trial with the best round that was heard of it."""
        curve = self._known.get(trial)
        return ended if curve is None else self.at(curve.stopping.best_round, curve.folds, ended)

    def at(self, best_round: int, folds: tuple[float, ...], ended: Ended) -> Ended:
        """Return the end of a trial with its best round."""
        value = mean(folds)
        return replace(
            ended,
            value=None if math.isnan(value) else value,
            best_round=best_round,
            folds=folds,
        )
