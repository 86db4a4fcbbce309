"""What a model of odd rows says of some rows, and what it is worth where labels are known."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.metrics import confidence
from engine.metrics.confidence import Interval
from engine.metrics.histogram import LIMIT, ScoreHistogram, refuse_missing
from engine.metrics.ranked import Ranked, average_precision_error
from engine.metrics.residual_table import Axis
from engine.metrics.scores import asked, mean

_CURVE: Final = 200


@dataclass(frozen=True, eq=False)
class AnomalyScores:
    """Rows by how odd they are said to be; merges bit for bit in any order.

    Attributes:
        histogram: Rows by score and by label, 1 for odd; without labels all count as 0.
        odd: Rows with a score above 0: those that the model calls odd.
    """

    histogram: ScoreHistogram = field(default_factory=ScoreHistogram)
    odd: int = 0

    @classmethod
    def of(
        cls,
        p: npt.NDArray[np.floating],
        y: npt.NDArray[np.generic] | None = None,
        *,
        limit: int = LIMIT,
    ) -> AnomalyScores:
        """Measure one block of rows.

        Args:
            p: Shape (n,), how odd a row is; above 0 odd.
            y: Shape (n,), labels where they are known: 1 for odd, 0 for others.
            limit: Most distinct scores that are kept apart.

        Raises:
            MillraceError: On NaN, labels other than 0 and 1, or other shapes.
        """
        if p.ndim != 1:
            raise MillraceError(f"scores of odd rows have shape (rows,), not {p.shape}")
        labels = np.zeros(len(p), np.bool_) if y is None else y
        refuse_missing(labels, p)
        return cls(ScoreHistogram.of(labels, p, limit), int(np.count_nonzero(p > 0)))

    def merge(self, other: AnomalyScores) -> AnomalyScores:
        """Return the counts of both sets of rows."""
        return AnomalyScores(self.histogram.merge(other.histogram), self.odd + other.odd)

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the metrics by name; NaN without rows, those of the ranking without both labels.

        Args:
            names: The ones that are wanted; all unless told.
        """
        rows = sum(self.histogram.totals)
        return asked(
            {
                "rows": lambda: rows,
                "odd": lambda: mean(self.odd, rows),
                "positives": lambda: self.histogram.totals[0],
                "auc": self.histogram.auc,
                "auc_error": self.histogram.auc_error,
                "average_precision": self._average_precision,
                "average_precision_error": lambda: average_precision_error(self.histogram),
            },
            names,
        )

    def intervals(self, level: float = confidence.LEVEL) -> dict[str, Interval]:
        """Return Wilson's interval of the share of odd rows, and DeLong's of the AUC."""
        rows = sum(self.histogram.totals)
        return {
            "odd": confidence.wilson(self.odd, rows, level),
            "auc": confidence.delong(self.histogram, level),
        }

    def curves(self) -> dict[str, Any]:
        """Return what a report draws.

        ``scores``: where ranges of scores begin, how wide they are, and their rows. With labels
        also ``roc`` and ``ranked``, as of two classes.
        """
        rows = self.histogram.positives + self.histogram.negatives
        if not len(rows):
            return {}
        axis, number = Axis.of(self.histogram.scores.astype(np.float64))
        # Sums of counts below 2**53: exact in the float64 that bincount adds up in.
        counts = np.bincount(number, rows, len(axis.places)).astype(np.int64)
        found: dict[str, Any] = {"scores": [axis.starts.tolist(), axis.width, counts.tolist()]}
        if all(self.histogram.totals):
            found["roc"] = [rates.tolist() for rates in self.histogram.roc(_CURVE)]
            found["ranked"] = Ranked.of_histogram(self.histogram).curve(_CURVE)
        return found

    def _average_precision(self) -> float:
        if not all(self.histogram.totals):
            return float("nan")
        return float(Ranked.of_histogram(self.histogram).average_precision())
