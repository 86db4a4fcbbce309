"""Metrics of how well scores rank positives above negatives, from counts by score.

All but the error bounds take counts with any leading axes and the scores on the last one, from low
to high, so that one call measures one histogram or many draws of it (`engine.metrics.confidence`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.metrics.histogram import ScoreHistogram

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ranked:
    """Positives and negatives above each cut between the scores, from none to all rows.

    Attributes:
        hits: Shape (..., k + 1): positives above.
        alarms: Shape (..., k + 1): negatives above.
    """

    hits: Floats
    alarms: Floats

    @classmethod
    def of(cls, positives: npt.NDArray[Any], negatives: npt.NDArray[Any]) -> Ranked:
        """Add up the counts of scores, shape (..., k), from the highest on."""
        return cls(*(_from_the_top(counts) for counts in (positives, negatives)))

    @classmethod
    def of_histogram(cls, histogram: ScoreHistogram) -> Ranked:
        """Add up the counts of a histogram."""
        return cls.of(histogram.positives, histogram.negatives)

    @property
    def called(self) -> Floats:
        """Rows above each cut, shape (..., k + 1)."""
        return self.hits + self.alarms

    def average_precision(self) -> Floats:
        """Return the area under the precision-recall curve as scikit-learn defines it.

        That is the mean over the positives of the precision at their score, without interpolation;
        shape (...). NaN without positives (scikit-learn: 0 with a warning).
        """
        gained = np.diff(self.hits, axis=-1)
        precision = _ratio(self.hits[..., 1:], self.called[..., 1:])
        total = np.where(gained > 0, gained * precision, 0.0).sum(axis=-1)
        return _ratio(total, self.hits[..., -1])

    def auc(self) -> Floats:
        """Return the area under the ROC curve by the trapezoidal rule; NaN with a single class."""
        height = self.hits[..., 1:] + self.hits[..., :-1]
        twice = (np.diff(self.alarms, axis=-1) * height).sum(axis=-1)
        return _ratio(twice, 2 * self.hits[..., -1] * self.alarms[..., -1])

    def ks(self) -> Floats:
        """Return the statistic of Kolmogorov and Smirnov of the two classes; NaN with one class.

        The greatest distance between the rates of true and of false positives over all cuts.
        """
        true, false = (_ratio(c, c[..., -1:]) for c in (self.hits, self.alarms))
        greatest: Floats = np.abs(true - false).max(axis=-1)
        return greatest

    def gain(self, share: float) -> Floats:
        """Return the share of all positives among the rows with the highest scores.

        Where the cut falls into rows of one score, these count in part: what rows chosen at random
        among them hold on average. NaN without positives.

        Args:
            share: Of all rows, in [0, 1].
        """
        wanted = share * self.called[..., -1:]
        after = (self.called < wanted).sum(axis=-1, keepdims=True)
        after = np.clip(after, 1, self.called.shape[-1] - 1)
        hits, called = (
            [np.take_along_axis(values, place, -1)[..., 0] for place in (after - 1, after)]
            for values in (self.hits, self.called)
        )
        within = _ratio(wanted[..., 0] - called[0], called[1] - called[0])
        found = hits[0] + np.nan_to_num(within) * (hits[1] - hits[0])
        return _ratio(found, self.hits[..., -1])

    def curve(self, points: int) -> dict[str, list[float]]:
        """Return what precision-recall and gain curves are drawn of, at about ``points`` cuts.

        Cuts are thinned evenly by rows and by positives, and the last one is kept.

        Returns:
            ``share`` of the rows above each cut, and ``precision`` and ``recall`` there; empty
            lists without positives.
        """
        if self.hits.ndim != 1 or not self.hits[-1]:
            return {"share": [], "precision": [], "recall": []}
        share, recall = self.called / self.called[-1], self.hits / self.hits[-1]
        wanted = np.linspace(0.0, 2.0, points)
        # Without the first cut: among no rows there is no precision.
        chosen = np.unique(np.searchsorted(share + recall, wanted).clip(1, len(share) - 1))
        chosen = np.unique(np.append(chosen, len(share) - 1))
        precision = self.hits[chosen] / self.called[chosen]
        found = {"share": share[chosen], "precision": precision, "recall": recall[chosen]}
        return {name: values.tolist() for name, values in found.items()}


def average_precision_error(histogram: ScoreHistogram) -> float:
    """Bound |average precision - that of the float32 scores|; 0 when nothing was shifted away.

    Rows that share a key may have been in any order: at best all positives of a key come first, at
    worst last. With ``a`` positives above, ``b`` negatives above (of the key too at worst), and
    ``p`` positives of the key, these add the sum of (a + j) / (a + b + j) over j = 1 to p, which is
    ``p - b (psi(a + b + p + 1) - psi(a + b + 1))`` by the digamma function.
    """
    ranked = Ranked.of_histogram(histogram)
    if not histogram.shift or not ranked.hits[-1]:
        return 0.0
    from scipy.special import digamma

    above, gained = ranked.hits[:-1], np.diff(ranked.hits)

    def total(negatives: Floats) -> float:
        first = above + negatives + 1
        lost = negatives * (digamma(first + gained) - digamma(first))
        return float((gained - lost).sum() / ranked.hits[-1])

    here = float(ranked.average_precision())
    best, worst = total(ranked.alarms[:-1]), total(ranked.alarms[1:])
    return max(best - here, here - worst, 0.0)


def _from_the_top(counts: npt.NDArray[Any]) -> Floats:
    total = np.cumsum(counts[..., ::-1], axis=-1, dtype=np.float64)
    return np.concatenate([np.zeros((*counts.shape[:-1], 1)), total], axis=-1)


def _ratio(part: Floats, whole: Floats) -> Floats:
    found: Floats = np.full(np.broadcast(part, whole).shape, np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found
