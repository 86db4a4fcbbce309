"""When to stop boosting: decided once for all ranks."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.metrics import HIGHER_IS_BETTER


@dataclass
class Stopping:
    """Early stopping as LightGBM's own: the first of equal rounds is the best.

    Attributes:
        metric: Name of the metric, as in `HIGHER_IS_BETTER`.
        patience: Rounds without a better value after which to stop; None = never.
        best_round: Best round so far, from 1.
        best: Its value.
    """

    metric: str
    patience: int | None
    best_round: int = 0
    best: float = field(default=float("nan"))

    def stop(self, round: int, value: float) -> bool:
        """Take the value of a round and say whether it was the last."""
        if not self.best_round or self._better(value):
            self.best_round, self.best = round, value
        return self.patience is not None and round - self.best_round >= self.patience

    def _better(self, value: float) -> bool:
        return value > self.best if HIGHER_IS_BETTER[self.metric] else value < self.best
