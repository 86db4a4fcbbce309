"""The distinct values of a column with their exact counts, up to a bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

MOST_LEVELS = 200_000
"""Distinct values that are counted exactly: about 20 MB of Python strings and counts."""


@dataclass(frozen=True)
class Levels:
    """Distinct values as text, with counts.

    Attributes:
        counts: Number of rows of each value; missing values are left out.
        overflow: There were more than `MOST_LEVELS` values; ``counts`` is empty then.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    overflow: bool = False

    @classmethod
    def of(cls, values: pl.Series) -> Levels:
        """Count the values of a series, as text."""
        table = values.drop_nulls().cast(pl.String).alias("level").value_counts()
        if table.height > MOST_LEVELS:
            return cls(overflow=True)
        return cls(dict(zip(table["level"], table["count"], strict=True)))

    def merge(self, other: Levels) -> Levels:
        """Return the counts of both sets of values together."""
        if self.overflow or other.overflow:
            return Levels(overflow=True)
        counts = dict(self.counts)
        for level, count in other.counts.items():
            counts[level] = counts.get(level, 0) + count
        return Levels(counts) if len(counts) <= MOST_LEVELS else Levels(overflow=True)
