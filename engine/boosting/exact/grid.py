"""Derivatives whose sums are the same in any order.

LightGBM takes derivatives as float32 and adds them up as float64: in other orders with other
numbers of ranks, which ends in other models. Multiples of one power of two add up without any
rounding as long as the sum stays below 2^53 of them; then every order gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BITS = 24
"""Bits of a float32: the finest grid that keeps the largest derivative as it is."""

SUM_BITS = 50
"""Bits of the largest sum; float64 has 53, and rounding up to the grid may take one."""


@dataclass(frozen=True)
class Peaks:
    """The largest derivatives of a round, in absolute value; adds up over ranks.

    Attributes:
        first: Of the first derivatives.
        second: Of the second derivatives.
        rows: Number of rows that they are of.
    """

    first: float
    second: float
    rows: int

    @classmethod
    def of(cls, first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> Peaks:
        """Return those of some rows, arrays of shape (n, outputs)."""
        if not len(first):
            return cls(0.0, 0.0, 0)
        return cls(_peak(first), _peak(second), len(first))

    def __add__(self, other: Peaks) -> Peaks:
        """Return those of both; in any order the same."""
        largest = max(self.first, other.first), max(self.second, other.second)
        return Peaks(*largest, self.rows + other.rows)


def step(peak: float, rows: int) -> float:
    """Return the power of two whose multiples so many rows can be rounded to.

    Args:
        peak: The largest absolute value.
        rows: How many values are added up at most.
    """
    _, exponent = math.frexp(peak)
    bits = min(BITS, SUM_BITS - rows.bit_length())
    # Below the smallest float32 there is nothing to tell apart.
    return math.ldexp(1.0, max(exponent - bits, -149)) if peak else 1.0


def snap(values: npt.NDArray[np.float32], size: float) -> None:
    """Round values, in place, to multiples of a power of two; float32 holds them as they are."""
    wide = values.astype(np.float64)
    np.rint(wide / size, out=wide)
    values[...] = wide * size


def _peak(values: npt.NDArray[np.float32]) -> float:
    return max(float(values.max()), -float(values.min()))
