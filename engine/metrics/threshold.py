"""Which threshold decides best: every one that there is, tried on the counts by score.

A row is called positive when its probability is above the threshold, as everywhere in millrace.
Counts merge exactly, so the threshold is the same however the rows were split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.metrics.histogram import ScoreHistogram

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cuts:
    """Every way to cut the rows in two by their score, from none positive to all positive.

    Attributes:
        histogram: The rows, with k distinct scores.
        hits: Shape (k + 1,): rows rightly called positive, 0 at first, never falling.
        alarms: Shape (k + 1,): rows wrongly called positive, the same way.
    """

    histogram: ScoreHistogram
    hits: Counts
    alarms: Counts

    @classmethod
    def of(cls, histogram: ScoreHistogram) -> Cuts:
        """Count what lies above each cut; a shifted histogram is cut between its keys only."""
        hits, alarms = (
            np.concatenate([[0], np.cumsum(counts[::-1])])
            for counts in (histogram.positives, histogram.negatives)
        )
        return cls(histogram, hits, alarms)

    def threshold(self, cut: int) -> float:
        """Return the threshold of a cut: half way between the scores on both sides of it.

        It is a float32, as the scores that were counted are: rows fall on their side of it whether
        they are compared in float32 or in float64 (there but for neighbouring scores). Of
        probabilities the threshold for none positive is 1, and only the cut that calls rows with
        probability 0 positive is below 0.

        Args:
            cut: 0 (none positive) to k (all positive).
        """
        scores, keys = self.histogram.scores, len(self.histogram.keys)
        place = keys - cut  # the first key that is positive
        if place == keys:
            return 1.0 if scores[-1] <= 1 else self._greatest(keys - 1)
        above = float(scores[place])
        below = self._greatest(place - 1) if place else _next_below(scores[0])
        middle = float(np.float32((below + above) / 2))
        return middle if middle < above else below

    def _greatest(self, place: int) -> float:
        """Return the greatest score that has a key."""
        if not self.histogram.shift:
            return float(self.histogram.scores[place])
        return _next_below(np.float32(self.histogram.after(place)))


def best_fbeta(histogram: ScoreHistogram, beta: float = 1.0) -> tuple[float, float]:
    """Return the threshold with the highest F-beta.

    Every threshold that there is is tried; of equals the highest is taken: the fewest positives.

    Args:
        histogram: Rows by predicted probability and label.
        beta: How many times as much recall counts as precision (van Rijsbergen 1979, "Information
            retrieval"), above 0.

    Returns:
        The threshold, above which a row is positive, and F-beta there.

    Raises:
        MillraceError: There is no positive row, or ``beta`` is not above 0.
    """
    if not 0 < beta < float("inf"):
        raise MillraceError(f"beta is {beta}: it must be above 0", hint="1 weighs both alike")
    positives, negatives = histogram.totals
    if not positives:
        what = f"there is no best F-beta: none of {negatives} rows is positive"
        raise MillraceError(what, hint="take more validation rows, or a fixed threshold")
    cuts = Cuts.of(histogram)
    # Of integers up to 2**53 and of such a beta as 0.5, 1 or 2 only the division is rounded, so
    # equals are equal.
    squared = beta * beta
    called = (cuts.hits + cuts.alarms).astype(np.float64)
    values = (1 + squared) * cuts.hits / (squared * positives + called)
    best = int(np.argmax(values))
    return cuts.threshold(best), float(values[best])


def least_cost(
    histogram: ScoreHistogram, false_positive: float, false_negative: float
) -> tuple[float, float]:
    """Return the threshold at which wrong decisions cost least.

    Every threshold that there is is tried, also none positive and all positive; of equals the
    highest is taken: the fewest positives. With probabilities that are right it is near
    ``false_positive / (false_positive + false_negative)`` (Elkan 2001, "The foundations of
    cost-sensitive learning").

    Args:
        histogram: Rows by predicted probability and label.
        false_positive: What it costs to call a negative row positive, at least 0.
        false_negative: What it costs to miss a positive row, at least 0.

    Returns:
        The threshold, above which a row is positive, and the mean cost of a row there.

    Raises:
        MillraceError: There are no rows, or a cost is negative or not finite.
    """
    costs = (false_positive, false_negative)
    if not all(0 <= cost < float("inf") for cost in costs):
        raise MillraceError(f"costs of wrong decisions are {costs}: they must be 0 or more")
    positives, negatives = histogram.totals
    if not positives + negatives:
        raise MillraceError("there is no best threshold: there are no rows to choose it on")
    cuts = Cuts.of(histogram)
    values = false_positive * cuts.alarms + false_negative * (positives - cuts.hits)
    best = int(np.argmin(values))
    return cuts.threshold(best), float(values[best]) / (positives + negatives)


def _next_below(score: np.float32) -> float:
    return float(np.nextafter(np.float32(score), np.float32(-np.inf)))
