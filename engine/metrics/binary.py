"""What a model of two classes is worth on some rows: statistics that merge without rounding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum
from engine.metrics.histogram import LIMIT, ScoreHistogram, binary_labels
from engine.metrics.scores import mean

CLIP: Final = 1e-15
"""Least probability in a log loss: LightGBM's ``kEpsilon`` (include/LightGBM/meta.h), also the
default ``eps`` of scikit-learn's ``log_loss`` up to 1.2."""

BINS: Final = 20
ROC_POINTS: Final = 200
"""Points of a ROC curve that is kept."""

_FIXED_POINT: Final = float(1 << 24)  # an int64 bin then holds 2**39 rows without overflow

Vector = npt.NDArray[np.floating]


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose predicted probability falls in one twentieth of [0, 1].

    Args:
        rows: How many.
        predicted: Their mean predicted probability.
        observed: Their share of positives.
    """

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True, eq=False)
class BinaryScores:
    """Statistics of predicted probabilities against 0/1 labels; merges bit for bit in any order.

    Args:
        histogram: Rows by score and label.
        loss: Sum of -log of the probability given to the true label, clipped at ``CLIP``.
        squares: Sum of squared differences between label and probability.
        correct: Rows on the right side of 0.5 (positive when p > 0.5, as LightGBM decides).
        bins: Shape (3, 20) int64: rows, positives, sum of probabilities in units of 2**-24.
    """

    histogram: ScoreHistogram = field(default_factory=ScoreHistogram)
    loss: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    correct: int = 0
    bins: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, BINS), np.int64))

    @classmethod
    def of(cls, y: npt.NDArray[np.generic], p: Vector, *, limit: int = LIMIT) -> BinaryScores:
        """Score one block of rows.

        Args:
            y: Shape (n,), labels 0 or 1 in any numeric or boolean dtype.
            p: Shape (n,), probabilities of label 1, float32 or float64.
            limit: Most distinct scores the histogram keeps apart.

        Raises:
            MillraceError: On NaN, labels other than 0 and 1, or p outside [0, 1].
        """
        histogram = ScoreHistogram.of(y, p, limit)
        positive = binary_labels(y, p)
        outside = int(np.count_nonzero((p < 0) | (p > 1)))
        if outside:
            raise MillraceError(
                f"{outside} of {len(p)} predictions are not probabilities between 0 and 1",
                hint="a binary model must return probabilities, not raw scores",
            )
        # Contiguous float64, so that the logarithm takes the same path wherever a block is cut.
        likelihood = np.where(positive, p, 1.0 - p.astype(np.float64))
        return cls(
            histogram,
            ExactSum.of(-np.log(np.maximum(likelihood, CLIP))),
            ExactSum.of((1.0 - likelihood) ** 2),
            int(np.count_nonzero((p > 0.5) == positive)),
            _bins(positive, p),
        )

    def merge(self, other: BinaryScores) -> BinaryScores:
        """Return the statistics of both sets of rows."""
        return BinaryScores(
            self.histogram.merge(other.histogram),
            self.loss + other.loss,
            self.squares + other.squares,
            self.correct + other.correct,
            self.bins + other.bins,
        )

    def results(self) -> dict[str, float]:
        """Return the metrics by name; NaN where rows or a class are missing."""
        positives, negatives = self.histogram.totals
        rows = positives + negatives
        return {
            "rows": rows,
            "positives": positives,
            "auc": self.histogram.auc(),
            "auc_error": self.histogram.auc_error(),
            "log_loss": mean(self.loss.value, rows),
            "accuracy": mean(self.correct, rows),
            "brier": mean(self.squares.value, rows),
        }

    def curves(self) -> dict[str, Any]:
        """Return what a report draws: the ROC curve as two lists, the calibration bins as rows."""
        false_rate, true_rate = self.histogram.roc(ROC_POINTS)
        return {
            "roc": [false_rate.tolist(), true_rate.tolist()],
            "calibration": [[b.rows, b.predicted, b.observed] for b in self.calibration()],
        }

    def calibration(self) -> list[CalibrationBin]:
        """Return the bins that hold rows, from low to high probability."""
        return [
            CalibrationBin(rows, total / _FIXED_POINT / rows, positives / rows)
            for rows, positives, total in self.bins.T.tolist()
            if rows
        ]


def _bins(positive: npt.NDArray[np.bool_], p: Vector) -> npt.NDArray[np.int64]:
    place = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    fixed = np.rint(p.astype(np.float64) * _FIXED_POINT)
    # Sums of integers below 2**53: exact in the float64 that bincount adds up in.
    rows = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, weights, BINS).astype(np.int64) for weights in (positive, fixed)]
    return np.stack([rows, *sums])
