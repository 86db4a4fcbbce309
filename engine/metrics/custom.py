"""The user's own metrics: summed without rounding, as millrace's are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum
from engine.metrics.confidence import LEVEL, Interval
from engine.metrics.scores import Scores

S = TypeVar("S", bound=Scores)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CustomMetric:
    """A metric that is made of sums over the rows; picklable when its functions are.

    Sums of single rows are asked for, and not of blocks, so that the value is the same bits for
    any number of workers.

    Attributes:
        name: What it is called; no name of millrace's own.
        terms: From labels (n,) and predictions (n,), or (n, classes), to what each row adds to each
            sum: shape (n,) or (n, sums), finite numbers. Codes stand for classes.
        value: From the sums, shape (sums,) float64, and the number of rows, at least 1, to the
            metric.
        higher_is_better: Its direction.
    """

    name: str
    terms: Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[Any]]
    value: Callable[[Floats, int], float]
    higher_is_better: bool = False

    def sums(self, y: npt.NDArray[Any], p: npt.NDArray[Any]) -> tuple[ExactSum, ...]:
        """Return the sums over one block of rows, none for no rows.

        Raises:
            MillraceError: The terms have another shape, or are not finite.
        """
        if not len(y):
            return ()
        terms = np.asarray(self.terms(y, p))
        if terms.ndim not in (1, 2) or len(terms) != len(y):
            raise MillraceError(
                f"metric {self.name!r} gave terms of shape {terms.shape} for {len(y)} rows",
                hint="return what each row adds: shape (rows,) or (rows, sums)",
            )
        return tuple(map(ExactSum.of, terms.reshape(len(y), -1).T))


@dataclass(frozen=True, eq=False)
class CustomScores(Generic[S]):
    """The statistics of a task together with the sums of custom metrics.

    Attributes:
        own: The task's own statistics.
        metrics: The custom metrics.
        sums: Sums of each; empty without rows.
        rows: Rows seen.
    """

    own: S
    metrics: tuple[CustomMetric, ...]
    sums: tuple[tuple[ExactSum, ...], ...]
    rows: int = 0

    def merge(self, other: CustomScores[S]) -> CustomScores[S]:
        """Return the statistics of both sets of rows; ``other`` are the rows that follow."""
        pairs = zip(self.sums, other.sums, strict=True)
        sums = tuple(_added(one, two) for one, two in pairs)
        rows = self.rows + other.rows
        return CustomScores(self.own.merge(other.own), self.metrics, sums, rows)

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the task's metrics and the custom ones, which are NaN without rows.

        Args:
            names: The ones that are wanted; all unless told.
        """
        custom = {
            metric.name: float(metric.value(np.array([s.value for s in sums]), self.rows))
            if self.rows
            else float("nan")
            for metric, sums in zip(self.metrics, self.sums, strict=True)
            if names is None or metric.name in names
        }
        return {**self.own.results(names), **custom}

    def intervals(self, level: float = LEVEL) -> dict[str, Interval]:
        """Return the confidence intervals of the task's own metrics."""
        return self.own.intervals(level)

    def curves(self) -> dict[str, Any]:
        """Return what a report draws of the task's own statistics."""
        return self.own.curves()


def _added(one: tuple[ExactSum, ...], two: tuple[ExactSum, ...]) -> tuple[ExactSum, ...]:
    if not (one and two):
        return one or two
    return tuple(a + b for a, b in zip(one, two, strict=True))
