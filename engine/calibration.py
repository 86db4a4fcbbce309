"""Calibrated predictions: probabilities that are shares of rows, quantiles that are quantiles.

They are fitted on validation rows, from a `engine.metrics.histogram.ScoreHistogram` of the
predicted probabilities (of a quantile: of the residuals), whose parts merge exactly: no row is
kept, and the order of partitions says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.metrics.histogram import ScoreHistogram

Kind = Literal["isotonic", "sigmoid"]
"""How probabilities are calibrated."""
CONFORMAL: Final = "conformal"
"""How quantiles are."""
Vector = npt.NDArray[np.float64]

_ROUNDED = 1e-12
"""Relative error of a rank: 0.9 * (9 + 1) is to be 9, however 0.9 is rounded."""

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
        """Return it as JSON; see `restored`."""
        return {"kind": CONFORMAL, "amount": self.amount}


Calibration = Isotonic | Sigmoid | Shift


def restored(told: Mapping[str, Any]) -> Calibration:
    """Return the calibration that was told as JSON."""
    if told["kind"] == "isotonic":
        return Isotonic(tuple(told["predicted"]), tuple(told["observed"]))
    if told["kind"] == CONFORMAL:
        return Shift(told["amount"])
    return Sigmoid(told["slope"], told["intercept"])


def shifted(quantile: float, histogram: ScoreHistogram) -> Shift:
    """Fit the constant that makes a predicted quantile one, by split conformal prediction.

    A new label then lies beyond it with a probability of at most ``quantile`` or ``1 - quantile``,
    whichever is less, and not much less (by 1 / (rows + 1), without ties), as long as it and those
    of the validation rows could have come in any order. This is one end of the interval in
    Theorem 2 of Romano, Patterson and Candes, "Conformalized Quantile Regression", 2019.

    Args:
        quantile: Which quantile is predicted, in (0, 1).
        histogram: Validation rows by `engine.metrics.residuals.beyond`.

    Raises:
        MillraceError: There are too few rows for such a quantile, or a label is too far away.
    """
    rows, share = sum(histogram.totals), max(quantile, 1 - quantile)
    rank = math.ceil(share * (rows + 1) * (1 - _ROUNDED))
    if rank > rows:
        needed = math.ceil(share / (1 - share) * (1 - _ROUNDED))
        raise MillraceError(
            f"{rows:,} validation rows are too few for the quantile {quantile:g}: it takes "
            f"{needed:,} at least, and more to be of use",
            where="train.calibrate",
            hint="hold out more, or leave it out",
        )
    amount = histogram.above(rank)
    if not math.isfinite(amount):
        raise MillraceError(
            "labels are farther from their quantile than float32 can tell",
            where="train.calibrate",
            hint="train on a label of a smaller scale, or leave it out",
        )
    return Shift(amount if quantile >= 0.5 else -amount)


def fitted(kind: Kind, histogram: ScoreHistogram) -> Calibration:
    """Fit a calibration of probabilities.

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
