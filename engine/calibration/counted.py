"""Rows counted by what a model says of them: all that a calibration or a threshold is fitted to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.calibration.classes import LEAST, sharpened
from engine.calibration.lines import Isotonic, Sigmoid, Vector
from engine.calibration.prior import Prior
from engine.exact import ExactSum
from engine.metrics.confidence import LEVEL, Interval
from engine.metrics.histogram import LIMIT, ScoreHistogram

SHARPNESS: Final = tuple(float(one) for one in np.geomspace(1 / 16, 16, 65))
"""What is tried of `engine.calibration.Temperature`: steps of 9 %, interpolated between."""

_FEWEST: Final = 1 << 10  # scores of a class that are kept apart, however many classes there are


@dataclass(frozen=True, eq=False)
class CountedScores:
    """Rows by probability and label; `engine.metrics.Scores`.

    Attributes:
        histograms: Of two classes one, of the probability of the second; of several one for each
            class against the rest.
        slopes: How fast the summed log loss grows with each of `SHARPNESS`; empty unless asked for.
    """

    histograms: tuple[ScoreHistogram, ...]
    slopes: tuple[ExactSum, ...] = ()

    def merge(self, other: CountedScores) -> CountedScores:
        """Return the counts of both sets of rows."""
        pairs = zip(self.histograms, other.histograms, strict=True)
        slopes = zip(self.slopes, other.slopes, strict=True)
        return CountedScores(
            tuple(one.merge(two) for one, two in pairs), tuple(one + two for one, two in slopes)
        )

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the rows, if they are wanted."""
        told = names is None or "rows" in names
        return {"rows": sum(self.histograms[0].totals)} if told else {}

    def intervals(self, level: float = LEVEL) -> dict[str, Interval]:
        """Return nothing: rows are counted, not estimated."""
        return {}

    def curves(self) -> dict[str, Any]:
        """Return nothing: no figure is drawn of them."""
        return {}


@dataclass(frozen=True)
class Counted:
    """Counts rows where `engine.metrics.Measure` measures them.

    Attributes:
        classes: Number of classes; 2: predictions are the probability of the second.
        sharpness: Whether `Temperature` is to be fitted.
    """

    classes: int = 2
    sharpness: bool = False

    def empty(self) -> CountedScores:
        """Return the counts of no rows."""
        shape = (0,) if self.classes == 2 else (0, self.classes)
        return self.of(np.empty(0), np.empty(shape))

    def of(
        self,
        y: npt.NDArray[np.generic],
        p: Vector,
        query: npt.NDArray[np.uint64] | None = None,
    ) -> CountedScores:
        """Count one block of rows.

        Args:
            y: Shape (n,), labels; codes of classes.
            p: Shape (n,) or (n, classes), probabilities.
            query: Not looked at.
        """
        if p.ndim == 1:
            return CountedScores((ScoreHistogram.of(y, p),))
        limit = max(_FEWEST, LIMIT // self.classes)
        found = tuple(
            ScoreHistogram.of(y == code, p[:, code], limit) for code in range(self.classes)
        )
        return CountedScores(found, self._slopes(y, p) if self.sharpness else ())

    def _slopes(self, y: npt.NDArray[np.generic], p: Vector) -> tuple[ExactSum, ...]:
        """Return the derivatives: the mean logarithm that is expected, less that of the label."""
        logs = np.log(np.maximum(p, LEAST))
        own = logs[np.arange(len(p)), y.astype(np.intp)]
        return tuple(ExactSum.of(_expected(logs, one) - own) for one in SHARPNESS)


def _expected(logs: Vector, sharpness: float) -> Vector:
    """Return the mean of the logarithms under the probabilities that they are sharpened to."""
    weighed = sharpened(logs, sharpness) * logs
    total = weighed[:, 0].copy()
    for code in range(1, logs.shape[1]):  # class by class: see `engine.calibration.prior`
        total += weighed[:, code]
    return total


def mapped(
    histogram: ScoreHistogram, calibration: Isotonic | Sigmoid | Prior | None
) -> ScoreHistogram:
    """Return the same rows, counted by what a calibration makes of their score.

    Args:
        histogram: Rows by probability.
        calibration: What is applied to it; it need not keep different scores apart.
    """
    if calibration is None:
        return histogram
    scores = calibration.apply(histogram.scores.astype(np.float64)).astype(np.float32)
    distinct, places = np.unique(scores, return_inverse=True)
    same = ScoreHistogram.of(np.zeros(len(distinct)), distinct, histogram.limit)
    positives, negatives = (
        np.bincount(places, weights=one, minlength=len(distinct)).astype(np.int64)
        for one in (histogram.positives, histogram.negatives)
    )
    return ScoreHistogram(same.keys, positives, negatives, same.shift, histogram.limit)
