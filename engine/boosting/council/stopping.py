"""When to stop boosting: decided once for all ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Stopping:
    """Early stopping as LightGBM's own: the first of equal rounds is the best.

    Attributes:
        higher: Whether more of the metric is better.
        patience: Rounds without a better value after which to stop; None = never.
        best_round: Best round so far, from 1; 0 before the first.
        best: Its value.
    """

    higher: bool
    patience: int | None
    best_round: int = 0
    best: float = math.nan

    def stop(self, round: int, value: float) -> bool:
        """Take the value of a round and say whether it was the last."""
        if not self.best_round or self._better(value):
            self.best_round, self.best = round, value
        return self.patience is not None and round - self.best_round >= self.patience

    def _better(self, value: float) -> bool:
        if math.isnan(self.best):
            return not math.isnan(value)
        return value > self.best if self.higher else value < self.best
