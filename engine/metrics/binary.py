"""What a model of two classes is worth on some rows: statistics that merge without rounding."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum
from engine.metrics import confidence, confusion
from engine.metrics.confidence import Interval
from engine.metrics.decision import Decision
from engine.metrics.histogram import LIMIT, ScoreHistogram, binary_labels
from engine.metrics.ranked import Ranked, average_precision_error
from engine.metrics.reliability import CalibrationBin, binned, bins_of, no_bins
from engine.metrics.scores import Asked, asked, mean

CLIP: Final = 1e-15
"""Least probability in a log loss: LightGBM's ``kEpsilon`` (include/LightGBM/meta.h), also the
default ``eps`` of scikit-learn's ``log_loss`` up to 1.2."""

ROC_POINTS: Final = 200
"""Points of a curve that is kept."""

DRAWN_SCORES: Final = 1 << 11
"""Ranges of scores that a bootstrap draws; the rest of an AUC in 2,048 ranges is of no account."""

Vector = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class BinaryScores:
    """Statistics of predicted probabilities against 0/1 labels; merges bit for bit in any order.

    Args:
        histogram: Rows by score and label.
        loss: Sum of -log of the probability given to the true label, clipped at ``CLIP``.
        loss_squares: Sum of the squares of these; like ``fourths`` 0 for the rounds of a training.
        squares: Sum of squared differences between label and probability.
        fourths: Sum of the squares of these.
        hits: Rows rightly called positive: with a probability above the threshold, as LightGBM
            decides at 0.5.
        alarms: Rows wrongly called positive.
        bins: Shape (3, 20) int64: rows, positives, sum of probabilities in units of 2**-24.
        decision: The threshold, and how decisions are judged.
    """

    histogram: ScoreHistogram = field(default_factory=ScoreHistogram)
    loss: ExactSum = field(default_factory=ExactSum)
    loss_squares: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    fourths: ExactSum = field(default_factory=ExactSum)
    hits: int = 0
    alarms: int = 0
    bins: npt.NDArray[np.int64] = field(default_factory=no_bins)
    decision: Decision = field(default_factory=Decision)

    @classmethod
    def of(
        cls,
        y: npt.NDArray[np.generic],
        p: Vector,
        *,
        limit: int = LIMIT,
        decision: Decision | None = None,
        whole: bool = True,
    ) -> BinaryScores:
        """Score one block of rows.

        Args:
            y: Shape (n,), labels 0 or 1 in any numeric or boolean dtype.
            p: Shape (n,), probabilities of label 1, float32 or float64.
            limit: Most distinct scores the histogram keeps apart.
            decision: The threshold, and how decisions are judged; 0.5 and F1 unless told.
            whole: Whether what only an evaluation tells is counted too: squares, for confidence.

        Raises:
            MillraceError: On NaN, labels other than 0 and 1, or p outside [0, 1].
        """
        decision = decision or Decision()
        histogram = ScoreHistogram.of(y, p, limit)
        positive = binary_labels(y, p)
        outside = int(np.count_nonzero((p < 0) | (p > 1)))
        if outside:
            raise MillraceError(
                f"{outside} of {len(p)} predictions are not probabilities between 0 and 1",
                hint="a binary model must return probabilities, not raw scores",
            )
        # Contiguous float64, so that the logarithm takes the same path wherever a block is cut.
        likelihood = np.where(positive, p, 1.0 - p.astype(np.float64))
        called = p > decision.threshold
        hits = int(np.count_nonzero(called & positive))
        return cls(
            histogram,
            *confidence.sums(-np.log(np.maximum(likelihood, CLIP)), whole),
            *confidence.sums((1.0 - likelihood) ** 2, whole),
            hits,
            int(np.count_nonzero(called)) - hits,
            binned(positive, p),
            decision,
        )

    def merge(self, other: BinaryScores) -> BinaryScores:
        """Return the statistics of both sets of rows, which are decided about alike."""
        return BinaryScores(
            self.histogram.merge(other.histogram),
            self.loss + other.loss,
            self.loss_squares + other.loss_squares,
            self.squares + other.squares,
            self.fourths + other.fourths,
            self.hits + other.hits,
            self.alarms + other.alarms,
            self.bins + other.bins,
            self.decision.same(other.decision),
        )

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Rows by label and by decision, shape (2, 2)."""
        positives, negatives = self.histogram.totals
        return np.array(
            [[negatives - self.alarms, self.alarms], [positives - self.hits, self.hits]], np.int64
        )

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the metrics by name; NaN where rows or a class are missing.

        Decisions at the threshold: `engine.metrics.confusion.of_two`. The ranking, of scores
        rounded to float32: ``auc``, ``average_precision``, ``ks``, and at the rows with the highest
        scores in percent ``gain@10`` (the share of all positives that are among them) and
        ``lift@10`` (how many times as many as among all rows); ``auc_error`` and
        ``average_precision_error`` bound what was lost where scores share a key.

        Args:
            names: The ones that are wanted; all unless told.
        """
        positives, negatives = self.histogram.totals
        rows = positives + negatives
        ranked = cache(lambda: Ranked.of_histogram(self.histogram))
        gains = {percent: _gain(ranked, percent) for percent in self.decision.percents}
        return asked(
            {
                "rows": lambda: rows,
                "positives": lambda: positives,
                "auc": self.histogram.auc,
                "auc_error": self.histogram.auc_error,
                "average_precision": lambda: float(ranked().average_precision()),
                "average_precision_error": lambda: average_precision_error(self.histogram),
                "log_loss": lambda: mean(self.loss.value, rows),
                "brier": lambda: mean(self.squares.value, rows),
                **self._decided(),
                "ks": lambda: float(ranked().ks()),
                **{f"gain@{percent}": gain for percent, (gain, _) in gains.items()},
                **{f"lift@{percent}": lift for percent, (_, lift) in gains.items()},
            },
            names,
        )

    def _decided(self) -> Mapping[str, Asked]:
        found = confusion.of_two(self.confusion, self.decision.beta)
        return {name: partial(float, value) for name, value in found.items()}

    def intervals(self, level: float = confidence.LEVEL) -> dict[str, Interval]:
        """Return the confidence intervals of the metrics; `engine.metrics.confidence` says how."""
        positives, negatives = self.histogram.totals
        rows, called = positives + negatives, self.hits + self.alarms
        right = self.hits + negatives - self.alarms
        beta = self.decision.beta
        drawn = confidence.bootstrap(
            self.confusion, lambda tables: confusion.of_two(tables, beta), level
        )
        return {
            "auc": confidence.delong(self.histogram, level),
            "log_loss": confidence.of_mean(self.loss, self.loss_squares, rows, level),
            "brier": confidence.of_mean(self.squares, self.fourths, rows, level),
            **drawn,
            "accuracy": confidence.wilson(right, rows, level),
            "precision": confidence.wilson(self.hits, called, level),
            "recall": confidence.wilson(self.hits, positives, level),
            **self._drawn_ranks(level),
        }

    def _drawn_ranks(self, level: float) -> dict[str, Interval]:
        """Return the intervals of what has no formula, by drawing a coarser histogram."""
        coarse = self.histogram.merge(ScoreHistogram(limit=DRAWN_SCORES))
        counts = np.stack([coarse.positives, coarse.negatives])
        if not counts.size:
            counts = np.zeros((2, 1), np.int64)
        found = confidence.bootstrap(counts, self._ranks, level)
        here = {name: float(values[0]) for name, values in self._ranks(counts[None]).items()}
        there = self.results(found)
        return {
            name: confidence.moved(ends, here[name], there[name]) for name, ends in found.items()
        }

    def _ranks(self, counts: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float64]]:
        ranked = Ranked.of(counts[:, 0], counts[:, 1])
        gains = {percent: ranked.gain(percent / 100) for percent in self.decision.percents}
        return {
            "average_precision": ranked.average_precision(),
            "ks": ranked.ks(),
            **{f"gain@{percent}": gain for percent, gain in gains.items()},
            **{f"lift@{percent}": gain / (percent / 100) for percent, gain in gains.items()},
        }

    def curves(self) -> dict[str, Any]:
        """Return what a report draws.

        ``roc``: two lists, the rates of false and of true positives. ``ranked``: ``share`` of the
        rows with the highest scores, and ``precision`` and ``recall`` (the gain) there.
        ``calibration``: the bins as rows. ``decided``: rows by label and by decision.
        """
        false_rate, true_rate = self.histogram.roc(ROC_POINTS)
        return {
            "roc": [false_rate.tolist(), true_rate.tolist()],
            "ranked": Ranked.of_histogram(self.histogram).curve(ROC_POINTS),
            "calibration": [[b.rows, b.predicted, b.observed] for b in self.calibration()],
            "decided": self.confusion.tolist(),
        }

    def calibration(self) -> list[CalibrationBin]:
        """Return the bins that hold rows, from low to high probability."""
        return bins_of(self.bins)


def _gain(ranked: Callable[[], Ranked], percent: int) -> tuple[Asked, Asked]:
    """Return gain and lift among the rows with the highest scores."""
    share = percent / 100
    return (
        lambda: float(ranked().gain(share)),
        lambda: float(ranked().gain(share)) / share,
    )
