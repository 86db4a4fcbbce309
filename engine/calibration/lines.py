"""Calibrations of one number: the probability of the second of two classes, or a quantile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

CONFORMAL: Final = "conformal"
"""How quantiles are calibrated."""

Vector = npt.NDArray[np.float64]

_NEAREST = 1e-7
"""A probability nearer to 0 or 1 counts as so near: float32 knows nothing nearer to 1."""


@dataclass(frozen=True)
class Isotonic:
    """A rising line through points; flat before the first and after the last.

    Attributes:
        predicted: Probabilities of the model, rising.
        observed: What they become, rising.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]

    def apply(self, p: Vector) -> Vector:
        """Return calibrated probabilities, shape (n,)."""
        return np.interp(p, self.predicted, self.observed)

    def told(self) -> dict[str, Any]:
        """Return it as JSON; see `engine.calibration.restored`."""
        return {
            "kind": "isotonic",
            "predicted": list(self.predicted),
            "observed": list(self.observed),
        }


@dataclass(frozen=True)
class Sigmoid:
    """A straight line through log odds (Platt scaling).

    Attributes:
        slope: What the log odds of the model are multiplied with.
        intercept: What is added to them then.
    """

    slope: float
    intercept: float

    def apply(self, p: Vector) -> Vector:
        """Return calibrated probabilities, shape (n,)."""
        calibrated: Vector = logistic(self.slope * log_odds(p) + self.intercept)
        return calibrated

    def told(self) -> dict[str, Any]:
        """Return it as JSON; see `engine.calibration.restored`."""
        return {"kind": "sigmoid", "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Shift:
    """A constant that is added to a predicted quantile.

    Attributes:
        amount: The constant, in units of the label.
    """

    amount: float

    def apply(self, p: Vector) -> Vector:
        """Return calibrated quantiles, shape (n,)."""
        return p + self.amount

    def told(self) -> dict[str, Any]:
        """Return it as JSON; see `engine.calibration.restored`."""
        return {"kind": CONFORMAL, "amount": self.amount}


def log_odds(p: Vector) -> Vector:
    """Return the logarithms of the odds of probabilities."""
    near = np.clip(p, _NEAREST, 1 - _NEAREST)
    odds: Vector = np.log(near / (1 - near))
    return odds


def logistic(odds: Vector) -> Vector:
    """Return the probabilities of log odds."""
    with np.errstate(over="ignore"):
        p: Vector = 1 / (1 + np.exp(-odds))
    return p
