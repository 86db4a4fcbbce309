"""The bin of a number, found from the bits of the number instead of by a search of all bounds.

The bits of a float32, its sign folded in, are ordered as the numbers are. Their upper ones name a
bucket; the few bounds inside of it are compared one by one, for all values at once and without a
branch that a processor could guess wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SHIFT = 14  # bits of the order key that a bucket leaves out, at least
MOST_STEPS = 12


@dataclass(frozen=True)
class Buckets:
    """Buckets of one feature.

    Attributes:
        first: Bounds below each bucket of the order key, int16 where that holds them.
        lowest: Key of the first bucket.
        shift: Bits of the order key that a bucket leaves out.
        steps: Bounds in the fullest bucket, at least one.
    """

    first: Array
    lowest: int
    shift: int
    steps: int

    @classmethod
    def of(cls, bounds: Array, most: int) -> Buckets | None:
        """Return the buckets of finite bounds.

        Args:
            bounds: float32, ascending.
            most: Buckets at most.

        Returns:
            None where looking up all bounds is as good.
        """
        keys, shift = _order(bounds), SHIFT
        while len(keys) and (int(keys[-1]) >> shift) - (int(keys[0]) >> shift) >= most:
            shift += 1
        key = (keys >> shift).astype(np.int64)
        count = np.bincount(key - key[0]) if len(key) else np.zeros(1, np.int64)
        steps = int(count.max())
        if not 0 < steps <= MOST_STEPS:
            return None
        kind = np.int16 if len(bounds) < 1 << 15 else np.int32
        first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(kind)
        return cls(first, int(key[0]), shift, steps)

    def find(self, v: Array, bounds: Array) -> Array:
        """Return the number of bounds below each value.

        Args:
            v: Values, float32.
            bounds: Those that the buckets were made of, and infinity.
        """
        key = _order(v) >> self.shift
        np.clip(key, self.lowest, self.lowest + len(self.first) - 1, out=key)
        key -= self.lowest
        b: Array = self.first.take(key)
        for _ in range(self.steps):
            b += v > bounds.take(b)
        return b


def _order(v: Array) -> Array:
    u = np.ascontiguousarray(v, np.float32).view(np.int32)
    return u ^ ((u >> 31) & np.int32(0x7FFFFFFF))
