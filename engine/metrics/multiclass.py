"""What a model of several classes is worth on some rows: statistics that merge without rounding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum
from engine.metrics.binary import CLIP
from engine.metrics.histogram import refuse_missing
from engine.metrics.scores import mean

MATRIX_CLASSES: Final = 20
"""Classes up to which a report shows the whole confusion matrix."""

Matrix = npt.NDArray[np.floating]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MulticlassScores:
    """Statistics of class probabilities against codes of classes; the same in any order.

    The predicted class is the most probable one, the first of equals, as NumPy's ``argmax`` and
    scikit-learn have it. (LightGBM's ``multi_error`` counts a tie with the true class as an error.)

    Attributes:
        confusion: Shape (k, k) int64: rows by true class and predicted class.
        loss: Sum of -log of the probability given to the true class, clipped at ``CLIP``: the
            ``multi_logloss`` of LightGBM (src/metric/multiclass_metric.hpp).
    """

    confusion: Counts
    loss: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def empty(cls, classes: int) -> MulticlassScores:
        """Return the statistics of no rows."""
        return cls(np.zeros((classes, classes), np.int64))

    @classmethod
    def of(cls, y: npt.NDArray[np.generic], p: Matrix, classes: int) -> MulticlassScores:
        """Score one block of rows.

        Args:
            y: Shape (n,), codes 0 to ``classes - 1`` in any numeric dtype.
            p: Shape (n, classes), probabilities; those of a row need not add up to 1.
            classes: How many there are.

        Raises:
            MillraceError: On NaN, labels that are no code, p outside [0, 1], or other shapes.
        """
        codes = _codes(y, p, classes)
        outside = int(np.count_nonzero(((p < 0) | (p > 1)).any(axis=1)))
        if outside:
            raise MillraceError(
                f"{outside} of {len(p)} predictions are not probabilities between 0 and 1",
                hint="a multiclass model must return probabilities, not raw scores",
            )
        cells = codes * classes + p.argmax(axis=1)
        counts = np.bincount(cells, minlength=classes * classes).astype(np.int64)
        # Contiguous float64, so that the logarithm takes the same path wherever a block is cut.
        likelihood = p[np.arange(len(p)), codes].astype(np.float64)
        loss = ExactSum.of(-np.log(np.maximum(likelihood, CLIP)))
        return cls(counts.reshape(classes, classes), loss)

    def merge(self, other: MulticlassScores) -> MulticlassScores:
        """Return the statistics of both sets of rows."""
        return MulticlassScores(self.confusion + other.confusion, self.loss + other.loss)

    def by_class(self) -> Counts:
        """Return rows, rows predicted as it, and rows predicted rightly of each class: (k, 3)."""
        matrix = self.confusion
        return np.stack([matrix.sum(axis=1), matrix.sum(axis=0), matrix.diagonal()], axis=1)

    def results(self) -> dict[str, float]:
        """Return the metrics by name; NaN without rows.

        ``f1_macro`` is over the classes that rows have or were given, ``balanced_accuracy`` (the
        mean recall) over those that rows have: scikit-learn's definitions.
        """
        actual, predicted, right = self.by_class().T
        rows = int(actual.sum())
        seen, present = actual + predicted > 0, actual > 0
        return {
            "rows": rows,
            "log_loss": mean(self.loss.value, rows),
            "accuracy": mean(int(right.sum()), rows),
            "balanced_accuracy": _average(right[present] / actual[present]),
            "f1_macro": _average(2 * right[seen] / (actual + predicted)[seen]),
        }

    def curves(self) -> dict[str, Any]:
        """Return counts by class, and the confusion matrix unless there are too many classes."""
        by_class = {"by_class": self.by_class().tolist()}
        if len(self.confusion) > MATRIX_CLASSES:
            return by_class
        return {**by_class, "confusion": self.confusion.tolist()}


def _codes(y: npt.NDArray[np.generic], p: Matrix, classes: int) -> Counts:
    """Return the labels as integers, after checking both."""
    if y.ndim != 1 or p.shape != (len(y), classes):
        what = f"labels have shape {y.shape}, predictions {p.shape}: not one row each of {classes}"
        raise MillraceError(f"{what} probabilities")
    refuse_missing(y, p.max(axis=1))
    codes = y.astype(np.int64)
    odd = int(np.count_nonzero((codes != y) | (codes < 0) | (codes >= classes)))
    if odd:
        raise MillraceError(
            f"{odd} of {len(y)} labels are no codes of classes from 0 to {classes - 1}",
            hint="give the classes in `train.classes`, or leave it out",
        )
    return codes


def _average(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
