"""Count, mean and spread of a column, mergeable without cancellation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Moments:
    """Moments of the finite values of a numeric column.

    Merging is by Chan, Golub and LeVeque (1979): means and squared deviations, never sums of
    squares.

    Attributes:
        count: Number of finite values.
        mean: Their mean.
        m2: Sum of squared deviations from the mean.
        min: Least value; ``inf`` when there are none.
        max: Largest value; ``-inf`` when there are none.
        missing: Number of null and NaN values.
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    min: float = math.inf
    max: float = -math.inf
    missing: int = 0

    @classmethod
    def of(cls, values: pl.Series) -> Moments:
        """Return the moments of a numeric or boolean series, computed in float64."""
        wide = values.cast(pl.Float64)
        known = wide.filter(wide.is_finite())
        missing = int((wide.is_null() | wide.is_nan()).sum())
        if known.is_empty():
            return cls(missing=missing)
        mean = float(known.mean())  # type: ignore[arg-type]
        m2 = float(((known - mean) ** 2).sum())
        low, high = float(known.min()), float(known.max())  # type: ignore[arg-type]
        return cls(known.len(), mean, m2, low, high, missing)

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of values together."""
        missing = self.missing + other.missing
        low, high = min(self.min, other.min), max(self.max, other.max)
        count = self.count + other.count
        if not self.count or not other.count:
            one = self if self.count else other
            return Moments(one.count, one.mean, one.m2, low, high, missing)
        delta = other.mean - self.mean
        mean = self.mean + delta * other.count / count
        m2 = self.m2 + other.m2 + delta * delta * self.count * other.count / count
        return Moments(count, mean, m2, low, high, missing)

    @property
    def std(self) -> float:
        """Population standard deviation; 0 when there are no values."""
        return math.sqrt(self.m2 / self.count) if self.count else 0.0
