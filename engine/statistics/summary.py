"""All statistics that a pass was asked for, of all columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

import polars as pl

from engine.statistics.levels import Levels
from engine.statistics.moments import Moments
from engine.statistics.quantiles import Quantiles


class Statistic(Protocol):
    """A statistic of one column that merges: of(a) merged with of(b) is of(a then b)."""

    @classmethod
    def of(cls, values: pl.Series) -> Self:
        """Return the statistic of a series."""

    def merge(self, other: Self) -> Self:
        """Return the statistic of both sets of values together."""


KINDS: Mapping[str, type[Statistic]] = {
    "moments": Moments,
    "quantiles": Quantiles,
    "levels": Levels,
}

Request = frozenset[tuple[str, str]]
"""Pairs of column and kind of statistic."""


@dataclass(frozen=True)
class Summary:
    """Statistics by column and kind.

    Attributes:
        found: One statistic for each pair of the request.
    """

    found: Mapping[tuple[str, str], Statistic] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pl.DataFrame, request: Request) -> Summary:
        """Compute the requested statistics of a frame."""
        return cls({(name, kind): KINDS[kind].of(frame[name]) for name, kind in sorted(request)})

    def merge(self, other: Summary) -> Summary:
        """Merge with the summary of the rows that follow."""
        merged = dict(self.found)
        for key, statistic in other.found.items():
            merged[key] = merged[key].merge(statistic) if key in merged else statistic
        return Summary(merged)

    def moments(self, column: str) -> Moments:
        """Return the moments of a column of the request."""
        found = self.found[column, "moments"]
        assert isinstance(found, Moments)
        return found

    def quantiles(self, column: str) -> Quantiles:
        """Return the quantiles of a column of the request."""
        found = self.found[column, "quantiles"]
        assert isinstance(found, Quantiles)
        return found

    def levels(self, column: str) -> Levels:
        """Return the levels of a column of the request."""
        found = self.found[column, "levels"]
        assert isinstance(found, Levels)
        return found
