"""What a model is worth on some rows: the one shape that the statistics of all tasks have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, Self

from engine.metrics.confidence import LEVEL, Interval

Asked = Callable[[], float]
"""A metric that is computed when it is asked for."""


class Scores(Protocol):
    """Statistics of predictions against labels; parts of the data merge without rounding.

    `engine.metrics.Measure` makes them. Rankings merge in the order of the rows, since a query may
    go on where a part ends; all others in any order.
    """

    def merge(self, other: Self) -> Self:
        """Return the statistics of both sets of rows; ``other`` are the rows that follow."""

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return counts and metrics by name; NaN where there is nothing to tell.

        Args:
            names: The ones that are wanted; all unless told.
        """

    def intervals(self, level: float = LEVEL) -> dict[str, Interval]:
        """Return the confidence intervals of those metrics that have one; NaN as in `results`.

        Args:
            level: Of confidence, in (0, 1).
        """

    def curves(self) -> dict[str, Any]:
        """Return what a report draws of them, by the name of the figure, as JSON values."""


def asked(known: Mapping[str, Asked], names: Collection[str] | None) -> dict[str, float]:
    """Return the metrics that are asked for, in the order they are known; all without names."""
    return {name: tell() for name, tell in known.items() if names is None or name in names}


def mean(total: float, rows: int) -> float:
    """Return a sum over the rows that it was made of; NaN without rows."""
    return total / rows if rows else float("nan")
