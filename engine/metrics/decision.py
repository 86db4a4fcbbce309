"""When a row is called positive, and how such decisions are judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """How probabilities become decisions.

    Attributes:
        threshold: A row is called positive when its probability is above it.
        beta: How many times as much recall counts as precision in F-beta, above 0.
        percents: Shares of the rows with the highest scores, in percent, at which gain and lift are
            told.
    """

    threshold: float = 0.5
    beta: float = 1.0
    percents: tuple[int, ...] = (10,)

    def same(self, other: Decision) -> Decision:
        """Return it, after a look at the other: counts of two kinds of decisions do not add up.

        Raises:
            ValueError: The other is not the same.
        """
        if other != self:
            raise ValueError(f"statistics of {self} and of {other} cannot be merged")
        return self
