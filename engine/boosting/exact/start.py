"""The score that boosting starts from: one constant of all rows, exact in any order.

LightGBM takes the mean of the ranks' own averages for most objectives (GBDT::BoostFromAverage),
which depends on who has which rows. Here, sums are kept as fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

LOGS = ("poisson", "gamma", "tweedie")
"""Objectives whose raw score is the logarithm of what is predicted."""

LEAST = 1e-15
"""LightGBM's ``kEpsilon``: shares and means are kept that far from 0."""


@dataclass(frozen=True)
class Sums:
    """Weighted sums over rows; adds up over ranks.

    Attributes:
        weight: Of all rows.
        label: Of their labels.
        classes: The weight of each class; only of labels that are codes.
    """

    weight: Fraction
    label: Fraction
    classes: tuple[Fraction, ...] = ()

    @classmethod
    def of(
        cls, y: npt.NDArray[np.float32], weight: npt.NDArray[np.float32] | None, classes: int
    ) -> Sums:
        """Return those of some rows.

        Args:
            y: Shape (n,), labels.
            weight: Shape (n,); None = all the same.
            classes: Number of classes that labels are codes of; 0 = they are none.
        """
        w = np.ones(len(y), np.float32) if weight is None else weight
        shares = tuple(total(w[y == code]) for code in range(classes))
        return cls(total(w), total(y * w), shares)

    def __add__(self, other: Sums) -> Sums:
        """Return those of both; in any order the same."""
        pairs = zip_longest(self.classes, other.classes, fillvalue=Fraction(0))
        classes = tuple(one + more for one, more in pairs)
        return Sums(self.weight + other.weight, self.label + other.label, classes)

    def scores(self, objective: str) -> tuple[float, ...]:
        """Return the raw score of each output that boosting starts from.

        As ``BoostFromScore`` of src/objective/*.hpp: the best constant, or 0 for ranking.
        """
        if not self.weight or objective == "lambdarank":
            return (0.0,)
        if self.classes:
            shares = [max(float(one / self.weight), LEAST) for one in self.classes]
            ova = objective == "multiclassova"
            return tuple(_logit(share) if ova else math.log(share) for share in shares)
        mean = float(self.label / self.weight)
        if objective in LOGS:
            return (math.log(max(mean, LEAST)),)
        return (_logit(mean),) if objective in ("binary", "cross_entropy") else (mean,)


def _logit(share: float) -> float:
    kept = min(max(share, LEAST), 1 - LEAST)
    return math.log(kept / (1 - kept))


def total(values: npt.NDArray[np.float32]) -> Fraction:
    """Return the exact sum of float32 values, fewer than 2^29 of them."""
    mantissa, exponent = np.frexp(values)
    lowest = int(exponent.min(initial=0))
    # Whole numbers of 24 bits each, added up as float64 for each exponent without rounding.
    sums = np.bincount(exponent - lowest, np.ldexp(mantissa.astype(np.float64), 24))
    parts = (
        Fraction(int(found)) * Fraction(2) ** (at + lowest - 24) for at, found in enumerate(sums)
    )
    return sum(parts, Fraction(0))
