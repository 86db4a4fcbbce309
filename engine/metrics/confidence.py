"""Confidence intervals of metrics, from the statistics that parts of the data merge into.

No interval needs the rows. Proportions have Wilson's, means the normal one by exact sums of
squares, AUC DeLong's by exact counts. Where there is no good formula the counts are drawn again: a
bootstrap whose rows have Poisson weights (Chamandy and others 2012, "Estimating uncertainty for
massive data streams") only changes how many rows each cell of a table holds, and the weights of
``n`` alike rows add up to one Poisson draw of mean ``n``. So tables are drawn and not rows, from a
fixed seed: the interval, too, is the same for any partitioning.

Rows are taken for independent. Rows of one patient or one day are not, and intervals too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.exact import ExactSum, nearest
from engine.metrics.histogram import ScoreHistogram

Interval = tuple[float, float]
Both = tuple[ExactSum, ExactSum]
"""A sum of values, and that of their squares."""
Floats = npt.NDArray[np.float64]

DRAWS: Final = 400
"""Draws of a bootstrap: the ends of a 95 % interval stand on its 10 outermost draws each."""
SEED: Final = 0x5EED
LEVEL: Final = 0.95

_BATCH: Final = 1 << 20  # cells that are drawn at once: 8 MiB, and as much for each term

NONE: Final[Interval] = (float("nan"), float("nan"))
_NORMAL: Final = NormalDist()


def sums(values: Floats, squares: bool) -> Both:
    """Add up values, shape (n,), and their squares where these are wanted (else nothing)."""
    return ExactSum.of_both(values) if squares else (ExactSum.of(values), ExactSum())


def added(one: Both, two: Both) -> Both:
    """Return the sums of both sets of values."""
    return one[0] + two[0], one[1] + two[1]


def quantile(level: float) -> float:
    """Return how many standard errors an interval of a level reaches to each side.

    Raises:
        ValueError: The level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"a confidence level must lie between 0 and 1, not be {level}")
    return _NORMAL.inv_cdf((1 + level) / 2)


def wilson(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Return the score interval of a proportion; NaN without trials.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    if not trials:
        return NONE
    z, share = quantile(level), successes / trials
    middle = share + z * z / (2 * trials)
    reach = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # Rounding must not cut off what was observed.
    low, high = (middle - reach) / scale, (middle + reach) / scale
    return min(max(0.0, low), share), max(min(1.0, high), share)


def of_mean(total: ExactSum, squares: ExactSum, rows: int, level: float = LEVEL) -> Interval:
    """Return the normal interval of a mean; NaN under two rows.

    Args:
        total: Sum of the values.
        squares: Sum of their squares.
        rows: How many values.
        level: Of confidence.
    """
    if rows < 2:
        return NONE
    mean = total.fraction / rows
    # The variance is taken of whole numbers, as a difference of large ones it would be rounded.
    spread = nearest((squares.fraction / rows - mean * mean) / (rows - 1))
    reach = quantile(level) * math.sqrt(max(spread, 0.0))
    return nearest(mean) - reach, nearest(mean) + reach


def of_root(total: ExactSum, squares: ExactSum, rows: int, level: float = LEVEL) -> Interval:
    """Return the interval of the root of a mean, such as RMSE, by the delta method.

    Arguments are those of `of_mean`. The error of the root is that of the mean over twice the root.
    """
    low, high = of_mean(total, squares, rows, level)
    mean = nearest(total.fraction / rows) if rows else 0.0
    if not mean > 0:
        return (low, high) if rows < 2 else (0.0, 0.0)
    root = math.sqrt(mean)
    reach = (high - low) / (4 * root)
    return max(0.0, root - reach), root + reach


def delong(histogram: ScoreHistogram, level: float = LEVEL) -> Interval:
    """Return the interval of an AUC by DeLong's variance, on the scale of log odds.

    DeLong, DeLong and Clarke-Pearson (1988), "Comparing the areas under two or more correlated
    receiver operating characteristic curves": the variances over the positives of the share of
    negatives below each, and over the negatives of the share of positives above each, ties half;
    here over the scores, weighted by their counts. Log odds (Qin and Hotilovac 2008, "Comparison
    of non-parametric confidence intervals for the area under the ROC curve") keep it within (0, 1).

    NaN with fewer than two rows of a class; an AUC of 0 or 1 is its own interval, which says
    nothing of its error.
    """
    positives, negatives = histogram.totals
    if positives < 2 or negatives < 2:
        return NONE
    auc = histogram.auc()
    below = (np.cumsum(histogram.negatives) - histogram.negatives / 2) / negatives
    above = 1 - (np.cumsum(histogram.positives) - histogram.positives / 2) / positives
    spread = sum(
        float(counts @ (shares - auc) ** 2) / (rows - 1) / rows
        for counts, shares, rows in (
            (histogram.positives, below, positives),
            (histogram.negatives, above, negatives),
        )
    )
    if not 0 < auc < 1:
        return auc, auc
    odds = math.log(auc / (1 - auc))
    reach = quantile(level) * math.sqrt(spread) / (auc * (1 - auc))
    return _logistic(odds - reach), _logistic(odds + reach)


def bootstrap(
    counts: npt.NDArray[np.int64],
    metrics: Callable[[npt.NDArray[np.int64]], Mapping[str, Floats]],
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Return the intervals of metrics of a table of counts, by drawing the table again.

    Bias-corrected percentiles (Efron 1981, "Nonparametric standard errors and confidence
    intervals") of ``DRAWS`` draws; those at which a metric is not defined are left out, and NaN is
    the answer where it is not defined at all.

    Args:
        counts: Rows by cell, any shape.
        metrics: From tables (draws, *shape) to the metrics of each, shape (draws,).
        level: Of confidence.
    """
    random = np.random.Generator(np.random.PCG64(SEED))
    cells = np.flatnonzero(counts)
    seen = metrics(counts[None])
    drawn: dict[str, list[Floats]] = {name: [] for name in seen}
    batch = min(DRAWS, max(1, _BATCH // max(1, counts.size)))
    for first in range(0, DRAWS, batch):
        tables = np.zeros((min(batch, DRAWS - first), counts.size), np.int64)
        tables[:, cells] = random.poisson(counts.ravel()[cells], (len(tables), len(cells)))
        for name, values in metrics(tables.reshape(-1, *counts.shape)).items():
            drawn[name].append(values)
    return {
        name: _percentiles(float(seen[name][0]), np.concatenate(values), level)
        for name, values in drawn.items()
    }


def moved(interval: Interval, here: float, there: float) -> Interval:
    """Return an interval that was found around one estimate as one around another."""
    low, high = (end - here + there for end in interval)
    return low, high


def _percentiles(seen: float, values: Floats, level: float) -> Interval:
    drawn = values[~np.isnan(values)]
    if math.isnan(seen) or not len(drawn):
        return NONE
    # The share of draws below what was observed, ties half: a half unless draws are biased.
    share = (float((drawn < seen).mean()) + float((drawn <= seen).mean())) / 2
    middle = _NORMAL.inv_cdf(min(max(share, 0.5 / len(drawn)), 1 - 0.5 / len(drawn)))
    z = quantile(level)
    ends = [_NORMAL.cdf(2 * middle - z), _NORMAL.cdf(2 * middle + z)]
    low, high = (float(end) for end in np.quantile(drawn, ends))
    return min(low, seen), max(high, seen)


def _logistic(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
