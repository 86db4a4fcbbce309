"""Calibrated probabilities: what share of rows with a predicted probability is of the second class.

It is fitted on validation rows, from a `engine.metrics.histogram.ScoreHistogram` of the predicted
probabilities, whose parts merge exactly: no row is kept, and the order of partitions says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.metrics.histogram import ScoreHistogram

Kind = Literal["isotonic", "sigmoid"]
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
        """Return it as JSON; see `restored`."""
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
        calibrated: Vector = _logistic(self.slope * _log_odds(p) + self.intercept)
        return calibrated

    def told(self) -> dict[str, Any]:
        """Return it as JSON; see `restored`."""
        return {"kind": "sigmoid", "slope": self.slope, "intercept": self.intercept}


Calibration = Isotonic | Sigmoid


def restored(told: Mapping[str, Any]) -> Calibration:
    """Return the calibration that was told as JSON."""
    if told["kind"] == "isotonic":
        return Isotonic(tuple(told["predicted"]), tuple(told["observed"]))
    return Sigmoid(told["slope"], told["intercept"])


def fitted(kind: Kind, histogram: ScoreHistogram) -> Calibration:
    """Fit a calibration.

    Args:
        kind: ``isotonic``: the rising line that fits best; ``sigmoid``: two numbers.
        histogram: Validation rows by predicted probability and label.

    Raises:
        MillraceError: The rows are all of one class.
    """
    positives, negatives = histogram.totals
    if not positives or not negatives:
        raise MillraceError(
            f"{positives:,} validation rows are of the second class and {negatives:,} of the first",
            where="train.calibrate",
            hint="probabilities are calibrated on rows of both: hold out more, or leave it out",
        )
    p = histogram.scores.astype(np.float64)
    return (_isotonic if kind == "isotonic" else _sigmoid)(p, histogram)


def _isotonic(p: Vector, histogram: ScoreHistogram) -> Isotonic:
    """Fit by pooling adjacent violators; of each level only both ends are kept."""
    from scipy.optimize import isotonic_regression  # of the driver alone, and slow to load

    rows = (histogram.positives + histogram.negatives).astype(np.float64)
    levels = isotonic_regression(histogram.positives / rows, weights=rows).x
    changes = np.diff(levels) != 0
    kept = np.append(True, changes) | np.append(changes, True)
    return Isotonic(tuple(p[kept].tolist()), tuple(levels[kept].tolist()))


def _sigmoid(p: Vector, histogram: ScoreHistogram) -> Sigmoid:
    """Fit as Platt does: labels are drawn in a little, (positives + 1) / (positives + 2) for 1.

    Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    from scipy.optimize import minimize

    positives, negatives = histogram.totals
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    rows = (histogram.positives + histogram.negatives).astype(np.float64)
    wanted = high * histogram.positives + low * histogram.negatives
    odds, total = _log_odds(p), rows.sum()

    def loss(line: Vector) -> tuple[float, Vector]:
        drawn = line[0] * odds + line[1]
        off = (rows * _logistic(drawn) - wanted) / total
        value = (rows * np.logaddexp(0, drawn) - wanted * drawn).sum() / total
        return float(value), np.array([off @ odds, off.sum()])

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return Sigmoid(float(slope), float(intercept))


def _log_odds(p: Vector) -> Vector:
    near = np.clip(p, _NEAREST, 1 - _NEAREST)
    odds: Vector = np.log(near / (1 - near))
    return odds


def _logistic(odds: Vector) -> Vector:
    with np.errstate(over="ignore"):
        p: Vector = 1 / (1 + np.exp(-odds))
    return p
