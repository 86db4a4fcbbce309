"""What a model is worth on some rows: the one shape that the statistics of all tasks have."""

from __future__ import annotations

from typing import Any, Protocol, Self


class Scores(Protocol):
    """Statistics of predictions against labels; parts of the data merge without rounding.

    `engine.metrics.Measure` makes them. Rankings merge in the order of the rows, since a query may
    go on where a part ends; all others in any order.
    """

    def merge(self, other: Self) -> Self:
        """Return the statistics of both sets of rows; ``other`` are the rows that follow."""

    def results(self) -> dict[str, float]:
        """Return counts and metrics by name; NaN where there is nothing to tell."""

    def curves(self) -> dict[str, Any]:
        """Return what a report draws of them, by the name of the figure, as JSON values."""


def mean(total: float, rows: int) -> float:
    """Return a sum over the rows that it was made of; NaN without rows."""
    return total / rows if rows else float("nan")
