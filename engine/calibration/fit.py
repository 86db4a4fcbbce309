"""Fit calibrations to counted rows."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from engine.calibration.classes import TEMPERATURE, ByClass, Temperature
from engine.calibration.counted import SHARPNESS, CountedScores
from engine.calibration.lines import Isotonic, Shift, Sigmoid, Vector, log_odds, logistic
from engine.errors import MillraceError
from engine.metrics.histogram import ScoreHistogram

Kind = Literal["isotonic", "sigmoid"]
"""How a probability is calibrated."""

Method = Literal["isotonic", "sigmoid", "temperature"]
"""How those of several classes are."""

_ROUNDED = 1e-12
"""Relative error of a rank: 0.9 * (9 + 1) is to be 9, however 0.9 is rounded."""


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


def fitted(kind: Kind, histogram: ScoreHistogram) -> Isotonic | Sigmoid:
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


def fitted_classes(method: Method, scores: CountedScores) -> ByClass | Temperature:
    """Fit a calibration of the probabilities of several classes.

    Args:
        method: ``isotonic`` or ``sigmoid``: each class against the rest; ``temperature``: all of
            them by one number.
        scores: Validation rows; with slopes for ``temperature``.

    Raises:
        MillraceError: There are no rows, or all are of one class.
    """
    counts = [histogram.totals[0] for histogram in scores.histograms]
    if sum(count > 0 for count in counts) < 2:
        raise MillraceError(
            f"{sum(counts):,} validation rows are of {sum(count > 0 for count in counts)} class",
            where="train.calibrate",
            hint="probabilities are calibrated on rows of several: hold out more, or leave it out",
        )
    if method == TEMPERATURE:
        return Temperature(_sharpness([slope.value for slope in scores.slopes]))
    fit = _isotonic if method == "isotonic" else _sigmoid
    return ByClass(
        tuple(
            fit(one.scores.astype(np.float64), one) if count else None
            for one, count in zip(scores.histograms, counts, strict=True)
        )
    )


def _sharpness(slopes: list[float]) -> float:
    """Return where the loss is least: it is convex, so its slope rises through 0 once."""
    after = next((place for place, slope in enumerate(slopes) if slope >= 0), None)
    if after is None or after == 0:
        return SHARPNESS[-1 if after is None else 0]
    low, high = slopes[after - 1], slopes[after]
    share = -low / (high - low)
    steps = np.log(SHARPNESS[after - 1 : after + 1])
    return float(np.exp(steps[0] + share * (steps[1] - steps[0])))


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
    odds, total = log_odds(p), rows.sum()

    def loss(line: Vector) -> tuple[float, Vector]:
        drawn = line[0] * odds + line[1]
        off = (rows * logistic(drawn) - wanted) / total
        value = (rows * np.logaddexp(0, drawn) - wanted * drawn).sum() / total
        return float(value), np.array([off @ odds, off.sum()])

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return Sigmoid(float(slope), float(intercept))
