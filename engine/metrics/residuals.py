"""How far labels lie beyond a predicted quantile: what a calibration is fitted to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.metrics.confidence import LEVEL, Interval
from engine.metrics.histogram import ScoreHistogram
from engine.metrics.scores import asked


def beyond(
    y: npt.NDArray[np.generic], p: npt.NDArray[np.float64], quantile: float
) -> npt.NDArray[np.float64]:
    """Return how far each label lies beyond a predicted quantile; below 0 when it does not.

    Beyond is above for the median and higher quantiles, below for lower ones: that is where an
    interval between two of them ends.

    Args:
        y: Shape (n,), labels.
        p: Shape (n,), the quantile that is predicted of each.
        quantile: Which one it is, in (0, 1).
    """
    labels = y.astype(np.float64)
    return labels - p if quantile >= 0.5 else p - labels


@dataclass(frozen=True)
class ResidualScores:
    """Rows counted by how far the label lies beyond the quantile; `engine.metrics.Scores`.

    Attributes:
        histogram: The rows by `beyond`, all as positives.
    """

    histogram: ScoreHistogram = field(default_factory=ScoreHistogram)

    def merge(self, other: ResidualScores) -> ResidualScores:
        """Return the counts of both sets of rows."""
        return ResidualScores(self.histogram.merge(other.histogram))

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the rows; of ``names``, when they are among them."""
        return asked({"rows": lambda: sum(self.histogram.totals)}, names)

    def intervals(self, level: float = LEVEL) -> dict[str, Interval]:
        """Return nothing: no metric is told."""
        return {}

    def curves(self) -> dict[str, Any]:
        """Return nothing: no figure is drawn of them."""
        return {}


@dataclass(frozen=True)
class Residuals:
    """Measures a quantile model where `engine.metrics.Measure` measures others.

    Attributes:
        quantile: Which quantile is predicted, in (0, 1).
    """

    quantile: float

    def empty(self) -> ResidualScores:
        """Return the scores of no rows."""
        return ResidualScores()

    def of(
        self,
        y: npt.NDArray[np.generic],
        p: npt.NDArray[np.float64],
        query: npt.NDArray[np.uint64] | None = None,
    ) -> ResidualScores:
        """Score one block of rows; arguments as for `engine.metrics.Measure`.

        Raises:
            MillraceError: A label or a prediction is missing.
        """
        scores = beyond(y, p, self.quantile)
        return ResidualScores(ScoreHistogram.of(np.ones(len(scores), np.bool_), scores))
