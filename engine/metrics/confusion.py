"""Metrics of decisions, from counts of rows by true and by predicted class.

All take counts with any leading axes, so that one call measures one table or a thousand draws of
it (`engine.metrics.confidence`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]
Metrics = Mapping[str, Floats]


@dataclass(frozen=True)
class Margins:
    """What metrics of decisions are made of; the last axis are the k classes.

    Attributes:
        actual: Shape (..., k): rows of each class.
        predicted: Shape (..., k): rows predicted as it.
        right: Shape (..., k): rows predicted as it rightly.
    """

    actual: Floats
    predicted: Floats
    right: Floats

    @classmethod
    def of(cls, tables: Numbers) -> Margins:
        """Sum tables (..., k, k) of rows by true class and predicted class."""
        counts = tables.astype(np.float64)
        right = np.diagonal(counts, axis1=-2, axis2=-1)
        return cls(counts.sum(axis=-1), counts.sum(axis=-2), right)

    def precision(self) -> Floats:
        """Return the precision of each class, NaN for one that was never predicted."""
        return _ratio(self.right, self.predicted)

    def recall(self) -> Floats:
        """Return the recall of each class, NaN for one without rows."""
        return _ratio(self.right, self.actual)

    def f_beta(self, beta: float) -> Floats:
        """Return F-beta of each class, NaN for one without rows that was never predicted.

        ``(1 + beta^2) right / (beta^2 actual + predicted)``: van Rijsbergen 1979, "Information
        retrieval".
        """
        squared = beta * beta
        return _ratio((1 + squared) * self.right, squared * self.actual + self.predicted)

    def accuracy(self) -> Floats:
        """Return the share of rows that are predicted rightly; NaN without rows."""
        return _ratio(self.right.sum(axis=-1), self.actual.sum(axis=-1))

    def balanced_accuracy(self) -> Floats:
        """Return the mean recall of the classes that rows have."""
        return _mean(self.recall(), self.actual > 0)

    def mcc(self) -> Floats:
        """Return Matthews' correlation (Gorodkin 2004 for several classes).

        0 where all rows were predicted as one class, as in scikit-learn; NaN where all are of one
        class (scikit-learn: 0).
        """
        rows = self.actual.sum(axis=-1)
        actual = rows * rows - (self.actual**2).sum(axis=-1)
        predicted = rows * rows - (self.predicted**2).sum(axis=-1)
        above = self.right.sum(axis=-1) * rows - (self.actual * self.predicted).sum(axis=-1)
        # The root of each, since their product may be beyond what float64 keeps whole.
        found = _ratio(above, np.sqrt(actual) * np.sqrt(predicted))
        return np.where((predicted == 0) & (actual > 0), 0.0, found)

    def kappa(self) -> Floats:
        """Return Cohen's kappa (1960); NaN where chance alone would be always right."""
        rows = self.actual.sum(axis=-1)
        chance = (self.actual * self.predicted).sum(axis=-1)
        return _ratio(self.right.sum(axis=-1) * rows - chance, rows * rows - chance)


def of_two(tables: Numbers, beta: float) -> Metrics:
    """Return the metrics of decisions between two classes.

    Precision is NaN when no row was called positive, recall without positive rows (scikit-learn:
    0 with a warning), F-beta when there are neither.

    Args:
        tables: Shape (..., 2, 2): rows by label and by decision.
        beta: Of F-beta, told as ``f_beta`` beside ``f1`` where it is not 1.
    """
    margins = Margins.of(tables)
    found = {
        "accuracy": margins.accuracy(),
        "balanced_accuracy": margins.balanced_accuracy(),
        "precision": margins.precision()[..., 1],
        "recall": margins.recall()[..., 1],
        "f1": margins.f_beta(1.0)[..., 1],
        "mcc": margins.mcc(),
        "kappa": margins.kappa(),
    }
    return found if beta == 1 else {**found, "f_beta": margins.f_beta(beta)[..., 1]}


def of_several(tables: Numbers, beta: float) -> Metrics:
    """Return the metrics of decisions between several classes.

    ``_macro`` is the mean over the classes that rows have or were given, where a class that was
    never predicted has precision 0 and one without rows recall 0, ``_weighted`` that over rows of
    the classes' values: scikit-learn's definitions. (Micro averages are the accuracy.)

    Args:
        tables: Shape (..., k, k): rows by true class and predicted class.
        beta: Of F-beta, told as ``f_beta_macro`` and ``f_beta_weighted`` where it is not 1.
    """
    margins = Margins.of(tables)
    seen = margins.actual + margins.predicted > 0
    by_class = {
        "precision": margins.precision(),
        "recall": margins.recall(),
        "f1": margins.f_beta(1.0),
    }
    if beta != 1:
        by_class["f_beta"] = margins.f_beta(beta)
    filled = {name: np.nan_to_num(values) for name, values in by_class.items()}
    rows = margins.actual.sum(axis=-1)
    weighted = {name: (v * margins.actual).sum(axis=-1) for name, v in filled.items()}
    return {
        "accuracy": margins.accuracy(),
        "balanced_accuracy": margins.balanced_accuracy(),
        **{f"{name}_macro": _mean(values, seen) for name, values in filled.items()},
        **{f"{name}_weighted": _ratio(total, rows) for name, total in weighted.items()},
        "mcc": margins.mcc(),
        "kappa": margins.kappa(),
    }


def _ratio(part: Floats, whole: Floats) -> Floats:
    found: Floats = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


def _mean(values: Floats, counted: npt.NDArray[np.bool_]) -> Floats:
    return _ratio(np.where(counted, values, 0.0).sum(axis=-1), counted.sum(axis=-1, dtype=float))
