"""Calibrations of the probabilities of several classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.calibration.lines import Isotonic, Sigmoid, Vector
from engine.calibration.prior import normalised

TEMPERATURE: Final = "temperature"

LEAST: Final = 1e-15
"""Least probability whose logarithm is taken; as in the log loss."""


@dataclass(frozen=True)
class ByClass:
    """Each class against the rest, then divided by their sum.

    Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability
    estimates", section 4.

    Attributes:
        lines: Of each class by its code; None: its probability stays, there was nothing to learn.
    """

    lines: tuple[Isotonic | Sigmoid | None, ...]

    def apply(self, p: Vector) -> Vector:
        """Return calibrated probabilities, shape (n, classes)."""
        pairs = zip(self.lines, p.T, strict=True)
        columns = [one if line is None else line.apply(one) for line, one in pairs]
        return normalised(np.stack(columns, axis=1))

    def told(self) -> dict[str, Any]:
        """Return it as JSON; see `engine.calibration.restored`."""
        return {"kind": "by_class", "lines": [line and line.told() for line in self.lines]}


@dataclass(frozen=True)
class Temperature:
    """One number that makes all probabilities bolder or more timid.

    Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks".

    Attributes:
        sharpness: What the logarithms of the probabilities are multiplied with, above 0: one over
            the temperature.
    """

    sharpness: float

    def apply(self, p: Vector) -> Vector:
        """Return calibrated probabilities, shape (n, classes)."""
        return sharpened(np.log(np.maximum(p, LEAST)), self.sharpness)

    def told(self) -> dict[str, Any]:
        """Return it as JSON; see `engine.calibration.restored`."""
        return {"kind": TEMPERATURE, "sharpness": self.sharpness}


def sharpened(logs: Vector, sharpness: float) -> Vector:
    """Return the probabilities whose logarithms are multiples of these, shape (n, classes)."""
    drawn = sharpness * logs
    return normalised(np.exp(drawn - drawn.max(axis=1, keepdims=True)))
