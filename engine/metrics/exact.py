"""Sums of floats without rounding: the same bits in any order and over any split of the rows.

A float64 is an integer times a power of two, so a sum of them is one (long) integer in units of
the smallest power. Python's integers do the rest: merging is ``+``, associative and commutative.
This is the "long accumulator" of Kulisch (Computer Arithmetic and Validity, 2008, chapter 8),
filled here one vector at a time: the mantissas of a block are added up per exponent.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError

# The last bit of the smallest subnormal's mantissa as frexp scales it: 2**(-1073 - 53).
_UNIT_BITS = 1126
_UNIT = 1 << _UNIT_BITS
_HIGH_BITS, _LOW_BITS = 27, 26  # the 53 bits of a float64 mantissa, in two halves
# Half mantissas stay below 2**27, so float64 adds up 2**26 of them exactly; small blocks also
# keep the temporary arrays in the processor's cache.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class ExactSum:
    """A sum of finite float64 values, held exactly.

    Args:
        units: The sum in units of 2**-1126. About 150 to 300 bytes, however many rows went in.
    """

    units: int = 0

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> ExactSum:
        """Add up a vector of any length.

        Args:
            values: Shape (n,), finite.

        Raises:
            MillraceError: When a value is not finite (it overflowed before it came here).
        """
        units = 0
        for start in range(0, len(values), _BLOCK):
            units += _block_units(values[start : start + _BLOCK])
        return cls(units)

    def __add__(self, other: ExactSum) -> ExactSum:
        """Return the sum of both; exact, so order and grouping do not matter."""
        return ExactSum(self.units + other.units)

    def __float__(self) -> float:
        """Return the nearest float64."""
        return self.units / _UNIT

    @property
    def fraction(self) -> Fraction:
        """The exact value, for differences that would cancel in floating point."""
        return Fraction(self.units, _UNIT)


def _block_units(values: npt.NDArray[np.float64]) -> int:
    odd = int(np.count_nonzero(~np.isfinite(values)))
    if odd:
        raise MillraceError(
            f"{odd} values of a metric are not finite",
            hint="labels or predictions are infinite or too large to be squared; rescale them",
        )
    mantissa, exponent = np.frexp(values)
    scaled = np.ldexp(mantissa, _HIGH_BITS)
    high = np.trunc(scaled)
    low = np.ldexp(scaled - high, _LOW_BITS)
    least = int(exponent.min())
    places = exponent - least
    sums = zip(np.bincount(places, high).tolist(), np.bincount(places, low).tolist(), strict=True)
    total = 0
    for place, (upper, lower) in enumerate(sums):
        total += ((int(upper) << _LOW_BITS) + int(lower)) << place
    return total << (least + _UNIT_BITS - _HIGH_BITS - _LOW_BITS)


def sum_of_squares(values: npt.NDArray[np.float64]) -> ExactSum:
    """Add up the squares, exactly: each value is cut in two halves whose products do not round.

    The cut is Veltkamp's (Dekker, A floating-point technique for extending the available
    precision, 1971). A variance from rounded squares would lose all digits when the mean is large.
    """
    stretched = values * 134217729.0  # 2**27 + 1
    high = stretched - (stretched - values)
    low = values - high
    parts = (high * high, 2.0 * high * low, low * low)
    return ExactSum.of(parts[0]) + ExactSum.of(parts[1]) + ExactSum.of(parts[2])
