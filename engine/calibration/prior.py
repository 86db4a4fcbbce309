"""Probabilities of a model that saw some classes less often than there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.calibration.lines import Vector


@dataclass(frozen=True)
class Prior:
    """Corrects for training rows that were left out by class.

    The odds of a class among the rows that were kept are its odds among all rows times the share of
    it that was kept: so they are divided by it again. Elkan 2001, "The foundations of
    cost-sensitive learning", theorem 2; Dal Pozzolo, Caelen, Johnson and Bontempi 2015,
    "Calibrating probability with undersampling for unbalanced classification", equation 4.

    Attributes:
        kept: Share of the training rows of each class that were learned from, in (0, 1].
    """

    kept: tuple[float, ...]

    def apply(self, p: Vector) -> Vector:
        """Return probabilities as they are among all rows: shape (n,) or (n, classes)."""
        if p.ndim == 1:
            no, yes = self.kept
            return np.asarray(p * no / (p * no + (1 - p) * yes))
        return normalised(p / np.array(self.kept))

    def told(self) -> dict[str, Any]:
        """Return it as JSON; see `engine.calibration.restored`."""
        return {"kind": "prior", "kept": list(self.kept)}


def normalised(p: Vector) -> Vector:
    """Return rows (n, classes) divided by their sums; one that is 0 is shared alike.

    Sums are taken class by class, so that those of a row do not depend on the rows beside it.
    """
    total = p[:, 0].copy()
    for code in range(1, p.shape[1]):
        total += p[:, code]
    none = total == 0
    shared = p / np.where(none, 1.0, total)[:, None]
    shared[none] = 1 / p.shape[1]
    return np.asarray(shared)
