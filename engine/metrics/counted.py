"""Numbers counted by value: medians and losses of constants, exact, without keeping the rows.

As `engine.metrics.histogram` does with scores, low bits of all values are given up where there are
too many distinct ones; how many depends on the set of values alone, never on the way they came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.exact import ExactSum

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]

DISTINCT: Final = 1 << 18
"""Distinct values that are kept apart: 4 MiB."""

EXACT_BITS: Final = 29
"""Low bits of a float64 that are 0 in a float32, which is what labels are."""

_SIGN: Final = np.uint64(1 << 63)


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """How many rows have each value; merges bit for bit in any order.

    Attributes:
        keys: Shape (k,), sorted and unique: the values as integers in their order, shifted right by
            ``shift`` bits.
        counts: Shape (k,), rows of each.
        shift: Low bits that were given up; 0 means that every distinct float64 has its own key.
        limit: Most keys that are kept; the smallest shift that meets it is taken.
    """

    keys: Keys = field(default_factory=lambda: np.empty(0, np.uint64))
    counts: Counts = field(default_factory=lambda: np.empty(0, np.int64))
    shift: int = 0
    limit: int = DISTINCT

    @classmethod
    def of(cls, values: Floats, limit: int = DISTINCT) -> ValueCounts:
        """Count finite values, shape (n,)."""
        keys = _ordered(values)
        keys.sort()
        return _grouped(keys, np.ones(len(keys), np.int64), 0, limit)

    def merge(self, other: ValueCounts) -> ValueCounts:
        """Return the counts of both sets of rows."""
        shift = max(self.shift, other.shift)
        keys = np.concatenate([one.keys >> np.uint64(shift - one.shift) for one in (self, other)])
        # Two sorted runs: the stable sort finds and merges them in linear time.
        order = np.argsort(keys, kind="stable")
        counts = np.concatenate([self.counts, other.counts])[order]
        return _grouped(keys[order], counts, shift, min(self.limit, other.limit))

    @property
    def rows(self) -> int:
        """All rows."""
        return int(self.counts.sum())

    @property
    def ends(self) -> tuple[Floats, Floats]:
        """Least and greatest value that each key may stand for, shape (k,)."""
        shift = np.uint64(self.shift)
        low = self.keys << shift
        return _values(low), _values(low | ((np.uint64(1) << shift) - np.uint64(1)))

    def quantile(self, share: float) -> tuple[float, float]:
        """Return the quantile as ``numpy.quantile`` interpolates it, and how far it may be off.

        NaN without rows.

        Args:
            share: In [0, 1].
        """
        if not self.rows:
            return float("nan"), 0.0
        place = share * (self.rows - 1)
        first = int(place)
        last, within = min(first + 1, self.rows - 1), place - first
        at = np.searchsorted(np.cumsum(self.counts), [first, last], side="right")
        low, high = (_between(ends[at], within) for ends in self.ends)
        return (low, 0.0) if not self.shift else ((low + high) / 2, (high - low) / 2)

    def mean_loss(self, loss: Callable[[Floats], Floats]) -> float:
        """Return the mean over the rows of what a function says of each value.

        NaN without rows, and where the values were rounded: labels, which are float32, are not
        as long as few enough are distinct.

        Args:
            loss: From values (k,) to losses (k,).
        """
        if not self.rows or self.shift > EXACT_BITS:
            return float("nan")
        return ExactSum.of_products(loss(self.ends[0]), self.counts).value / self.rows


def _between(values: Floats, share: float) -> float:
    """Interpolate as NumPy does, from the nearer end: so that no bit differs."""
    low, high = values
    off = high - low
    return float(high - off * (1 - share) if share >= 0.5 else low + off * share)


def _ordered(values: Floats) -> Keys:
    """Map float64 to uint64 so that < stays <; adding 0 makes -0.0 and 0.0 the same value."""
    bits = (values + 0.0).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _values(ordered: Keys) -> Floats:
    """Return the values that `_ordered` made keys of."""
    return np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered).view(np.float64)


def _lengths(numbers: Keys) -> npt.NDArray[np.int64]:
    """Return the bit length of each number; float64 alone would round long ones up."""
    high, low = numbers >> np.uint64(32), numbers & np.uint64(0xFFFFFFFF)
    long, short = (np.frexp(half.astype(np.float64))[1] for half in (high, low))
    return np.where(high > 0, long + 32, short)


def _grouped(keys: Keys, counts: Counts, shift: int, limit: int) -> ValueCounts:
    """Add up equal keys of a sorted list, after shifting away as many bits as the limit needs."""
    if not len(keys):
        return ValueCounts(shift=shift, limit=limit)
    # Neighbours stay apart under a shift below the bit length of their exclusive or.
    lengths = _lengths(keys[1:] ^ keys[:-1])
    kept = 1 + np.cumsum(np.bincount(lengths, minlength=65)[::-1])[::-1][1:]
    extra = int(np.argmax(np.append(kept, 1) <= limit))
    starts = np.concatenate([[0], np.flatnonzero(lengths > extra) + 1])
    shifted = keys[starts] >> np.uint64(extra) if extra < 64 else np.zeros(1, np.uint64)
    return ValueCounts(shifted, np.add.reduceat(counts, starts), shift + extra, limit)
