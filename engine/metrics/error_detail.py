"""What an evaluation of predicted numbers tells beside what each round of a training does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.exact import ExactSum
from engine.metrics import confidence
from engine.metrics.confidence import Both, Interval, added
from engine.metrics.counted import DISTINCT, ValueCounts
from engine.metrics.losses import mape, squared_log
from engine.metrics.residual_table import ResidualTable

Floats = npt.NDArray[np.float64]

_BLOCK: Final = 1 << 16  # rows whose terms stay in the cache, and take little memory
_NOTHING: Both = (ExactSum(), ExactSum())


@dataclass(frozen=True, eq=False)
class ErrorDetail:
    """More statistics of errors; merges bit for bit in any order.

    Attributes:
        fourths: Sum of the squares of squared errors.
        greatest: The greatest absolute error; 0 without rows.
        logs: Sums of squared logarithmic errors and of their squares, over rows that have one.
        unlogged: Rows that have none: the label or the prediction is -1 or less.
        relative: Sums of `engine.metrics.losses.mape` and of its squares.
        table: Rows by prediction and residual.
        sizes: Rows by absolute error.
    """

    fourths: ExactSum = field(default_factory=ExactSum)
    greatest: float = 0.0
    logs: Both = _NOTHING
    unlogged: int = 0
    relative: Both = _NOTHING
    table: ResidualTable = field(default_factory=ResidualTable)
    sizes: ValueCounts = field(default_factory=ValueCounts)

    @classmethod
    def of(cls, y: Floats, p: Floats, limit: int = DISTINCT) -> ErrorDetail:
        """Measure one block of rows: finite labels and predictions, contiguous, shape (n,).

        Args:
            y: Labels.
            p: Predictions.
            limit: Most distinct absolute errors that are kept apart.
        """
        blocks = (slice(start, start + _BLOCK) for start in range(0, len(y), _BLOCK))
        found = reduce(cls.merge, (cls._of_block(y[rows], p[rows]) for rows in blocks), cls())
        # Counted at once: to merge the counts of blocks would take a sort for each.
        return replace(found, sizes=ValueCounts.of(np.abs(p - y), limit))

    @classmethod
    def _of_block(cls, y: Floats, p: Floats) -> ErrorDetail:
        error = p - y
        logged = (y > -1) & (p > -1)
        whole = bool(logged.all())
        return cls(
            ExactSum.of_squares(error * error),
            float(np.abs(error).max(initial=0.0)),
            ExactSum.of_both(squared_log(y, p) if whole else squared_log(y[logged], p[logged])),
            len(y) - int(np.count_nonzero(logged)),
            ExactSum.of_both(mape(y, p, {})),
            ResidualTable.of(p, -error),
        )

    def merge(self, other: ErrorDetail) -> ErrorDetail:
        """Return the statistics of both sets of rows."""
        return ErrorDetail(
            self.fourths + other.fourths,
            max(self.greatest, other.greatest),
            added(self.logs, other.logs),
            self.unlogged + other.unlogged,
            added(self.relative, other.relative),
            self.table.merge(other.table),
            self.sizes.merge(other.sizes),
        )

    def results(self, rows: int) -> dict[str, float]:
        """Return the metrics by name, of all rows that there are; NaN without."""
        if not rows:
            names = ("median_absolute_error", "mape", "rmsle", "max_error")
            return dict.fromkeys(names, float("nan"))
        logged = self.logs[0].value / rows
        median, off = self.sizes.quantile(0.5)
        return {
            "median_absolute_error": median,
            "median_absolute_error_error": off,
            "mape": self.relative[0].value / rows,
            "rmsle": float("nan") if self.unlogged else logged**0.5,
            "max_error": self.greatest,
        }

    def intervals(self, squares: ExactSum, rows: int, level: float) -> dict[str, Interval]:
        """Return the intervals of these metrics and of RMSE.

        Args:
            squares: Sum of squared errors.
            rows: How many there are.
            level: Of confidence.
        """
        logged = confidence.NONE if self.unlogged else confidence.of_root(*self.logs, rows, level)
        return {
            "rmse": confidence.of_root(squares, self.fourths, rows, level),
            "mape": confidence.of_mean(*self.relative, rows, level),
            "rmsle": logged,
        }

    def fits(self, r2: float, explained: float, level: float) -> dict[str, Interval]:
        """Return the intervals of R2 and of explained variance, by drawing the table again.

        Args:
            r2: The exact value; that of the table lies a little beside it.
            explained: The exact value.
            level: Of confidence.
        """
        if not self.table.counts.size:
            return dict.fromkeys(("r2", "explained_variance"), confidence.NONE)
        found = confidence.bootstrap(self.table.counts, self.table.fits, level)
        here = self.table.fits(self.table.counts[None])
        there = {"r2": r2, "explained_variance": explained}
        return {
            name: confidence.moved(ends, float(here[name][0]), there[name])
            for name, ends in found.items()
        }
