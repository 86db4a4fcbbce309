"""Scores counted by value: area under the ROC curve, exact, without keeping the rows.

Parts of the data merge into the same histogram, bit for bit, in any order and over any split:
how coarse the keys become depends only on the set of scores, never on the way they came.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError

LIMIT = 1 << 20
"""Distinct scores that are kept apart unless told otherwise: at most 20 MiB per histogram."""

Keys = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ScoreHistogram:
    """How many positives and negatives have each score.

    Args:
        keys: Shape (k,), sorted and unique: the scores as order-preserving integers,
            shifted right by ``shift`` bits.
        positives: Shape (k,): rows with label 1.
        negatives: Shape (k,): rows with label 0.
        shift: Low bits that were given up; 0 means that every distinct float32 has its own key.
        limit: Most keys that are kept; the smallest shift that meets it is taken.
    """

    keys: Keys = field(default_factory=lambda: np.empty(0, np.uint32))
    positives: Counts = field(default_factory=lambda: np.empty(0, np.int64))
    negatives: Counts = field(default_factory=lambda: np.empty(0, np.int64))
    shift: int = 0
    limit: int = LIMIT

    @classmethod
    def of(
        cls,
        y: npt.NDArray[np.generic],
        scores: npt.NDArray[np.floating],
        limit: int = LIMIT,
    ) -> ScoreHistogram:
        """Count one block of rows.

        Args:
            y: Shape (n,), labels 0 or 1 in any numeric or boolean dtype.
            scores: Shape (n,), any range; rounded to float32, as predictions are written.
            limit: Most distinct keys to keep, at least 1.

        Raises:
            MillraceError: On NaN scores, labels other than 0 and 1, or unequal lengths.
        """
        positive = binary_labels(y, scores)
        packed = _ordered(scores).astype(np.uint64) << np.uint64(1) | positive
        packed.sort()
        keys = (packed >> np.uint64(1)).astype(np.uint32)
        positives = (packed & np.uint64(1)).astype(np.int64)
        return _grouped(keys, positives, 1 - positives, 0, limit)

    def merge(self, other: ScoreHistogram) -> ScoreHistogram:
        """Return the histogram of both sets of rows; associative and commutative, bit for bit."""
        shift = max(self.shift, other.shift)
        keys = np.concatenate(
            [part.keys >> np.uint32(shift - part.shift) for part in (self, other)]
        )
        # Two sorted runs: the stable sort finds and merges them in linear time.
        order = np.argsort(keys, kind="stable")
        positives = np.concatenate([self.positives, other.positives])[order]
        negatives = np.concatenate([self.negatives, other.negatives])[order]
        return _grouped(keys[order], positives, negatives, shift, min(self.limit, other.limit))

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """The score of each key, shape (k,); the least one of those that share it."""
        return _least(self.keys, self.shift)

    def above(self, rank: int) -> float:
        """Return a score that at least so many rows are below: the nearest that is known.

        That is one float32 above the score of that rank, or above all scores that share its key.

        Args:
            rank: From 1 to the number of rows.
        """
        rows = np.cumsum(self.positives + self.negatives)
        return self.after(int(np.searchsorted(rows, rank)))

    def after(self, place: int) -> float:
        """Return the least score above all that share a key.

        Args:
            place: Which key, from 0.
        """
        return float(_least(self.keys[place] + np.ones(1, np.uint32), self.shift)[0])

    @property
    def totals(self) -> tuple[int, int]:
        """Positives and negatives over all keys."""
        return int(self.positives.sum()), int(self.negatives.sum())

    def auc(self) -> float:
        """Return the area under the ROC curve, ties counted half; NaN with a single class.

        The pairs are counted in integers (good for 5e11 positives): the nearest float64.
        """
        positives, negatives = self.totals
        if not positives or not negatives:
            return float("nan")
        # Twice the pairs won by a positive of this key: those below it, and half of its ties.
        twice = 2 * np.cumsum(self.negatives) - self.negatives
        return _dot(self.positives, twice) / (2 * positives * negatives)

    def auc_error(self) -> float:
        """Bound |auc() - auc of the float32 scores|: 0 when nothing was shifted away.

        A pair within one key may have been won, tied or lost: it was counted half, so it is
        off by at most half.
        """
        positives, negatives = self.totals
        if not self.shift or not positives or not negatives:
            return 0.0
        return _dot(self.positives, self.negatives) / (2 * positives * negatives)

    def roc(self, points: int = 400) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return false and true positive rates from (0, 0) to (1, 1), about ``points`` corners.

        Corners are thinned evenly along the curve; empty arrays with a single class.
        """
        positives, negatives = self.totals
        if not positives or not negatives:
            return np.empty(0), np.empty(0)
        true = np.concatenate([[0.0], np.cumsum(self.positives[::-1]) / positives])
        false = np.concatenate([[0.0], np.cumsum(self.negatives[::-1]) / negatives])
        chosen = np.unique(np.searchsorted(true + false, np.linspace(0.0, 2.0, points)))
        chosen = np.unique(np.append(chosen.clip(0, len(true) - 1), len(true) - 1))
        return false[chosen], true[chosen]


def binary_labels(
    y: npt.NDArray[np.generic], scores: npt.NDArray[np.floating]
) -> npt.NDArray[np.bool_]:
    """Return the labels as booleans, after checking both vectors.

    Raises:
        MillraceError: On NaN scores, labels other than 0 and 1, or unequal lengths.
    """
    if y.shape != scores.shape or y.ndim != 1:
        raise MillraceError(f"labels have shape {y.shape}, scores {scores.shape}: not one row each")
    refuse_missing(y, scores)
    positive = y.astype(np.bool_)
    odd = int(np.count_nonzero(positive != y))
    if odd:
        raise MillraceError(
            f"{odd} of {len(y)} labels are neither 0 nor 1",
            hint="map the target to 0 and 1, or set task to what it is",
        )
    return positive


def refuse_missing(y: npt.NDArray[np.generic], scores: npt.NDArray[np.floating]) -> None:
    """Raise MillraceError with the count when labels or scores hold NaN."""
    for name, values in (("labels", y), ("scores", scores)):
        # NaN is the only value that differs from itself.
        missing = int(np.count_nonzero(values != values))
        if missing:
            raise MillraceError(
                f"{missing} of {len(values)} {name} are NaN: no metric can be told",
                hint="let the contract quarantine rows without a label, and check the model",
            )


def _ordered(scores: npt.NDArray[np.floating]) -> Keys:
    """Map float32 to uint32 so that < stays <; adding 0 makes -0.0 and 0.0 the same score."""
    bits = (scores.astype(np.float32) + np.float32(0.0)).view(np.uint32)
    sign = np.uint32(1 << 31)
    return np.where(bits & sign, ~bits, bits | sign)


def _least(keys: Keys, shift: int) -> npt.NDArray[np.float32]:
    """Return the least score of each key: what `_ordered` made keys of."""
    ordered = keys << np.uint32(shift) if shift < 32 else keys
    sign = np.uint32(1 << 31)
    bits = np.where(ordered & sign, ordered ^ sign, ~ordered)
    return bits.astype(np.uint32).view(np.float32)


def _grouped(
    keys: Keys, positives: Counts, negatives: Counts, shift: int, limit: int
) -> ScoreHistogram:
    """Add up equal keys of a sorted list, after shifting away as many bits as the limit needs."""
    if not len(keys):
        return ScoreHistogram(shift=shift, limit=limit)
    # Neighbours stay apart under a shift below the bit length of their exclusive or, so one
    # count per bit length tells how many keys every shift would leave.
    lengths = np.frexp((keys[1:] ^ keys[:-1]).astype(np.float64))[1]
    kept = 1 + np.cumsum(np.bincount(lengths, minlength=33)[::-1])[::-1][1:]
    extra = int(np.argmax(np.append(kept, 1) <= limit))
    starts = np.concatenate([[0], np.flatnonzero(lengths > extra) + 1])
    return ScoreHistogram(
        keys[starts] >> np.uint32(extra) if extra < 32 else np.zeros(1, np.uint32),
        np.add.reduceat(positives, starts),
        np.add.reduceat(negatives, starts),
        shift + extra,
        limit,
    )


def _dot(left: Counts, right: Counts) -> int:
    """Return the exact product sum; 24-bit limbs keep every partial sum below 2**63."""
    low = np.int64((1 << 24) - 1)
    return (int(left @ (right >> np.int64(24))) << 24) + int(left @ (right & low))
