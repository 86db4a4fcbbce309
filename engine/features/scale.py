"""Shift and scale numeric columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from engine.features.numeric import require_numeric
from engine.statistics.summary import Request, Summary


@dataclass(frozen=True)
class Scale:
    """Bring numeric columns to a common scale; missing values stay missing.

    Attributes:
        columns: Numeric columns.
        how: ``standard``: mean 0, standard deviation 1. ``minmax``: 0 to 1. ``robust``: median 0,
            distance of the quartiles 1.
    """

    columns: tuple[str, ...]
    how: Literal["standard", "minmax", "robust"]

    def needs(self) -> Request:
        """Ask for moments or quantiles."""
        kind = "quantiles" if self.how == "robust" else "moments"
        return frozenset((name, kind) for name in self.columns)

    def adds(self) -> list[str]:
        """Add nothing."""
        return []

    def check(self, schema: Mapping[str, pl.DataType], where: str) -> dict[str, pl.DataType]:
        """Scaled columns are float32."""
        require_numeric(self.columns, schema, where)
        return dict.fromkeys(self.columns, pl.Float32())

    def fit(self, summary: Summary, where: str) -> FittedScale:
        """Take shift and scale from the statistics; a constant column is only shifted."""
        return FittedScale({name: self._shift_scale(name, summary) for name in self.columns})

    def _shift_scale(self, name: str, summary: Summary) -> tuple[float, float]:
        if self.how == "robust":
            quantiles = summary.quantiles(name)
            shift, scale = quantiles.at(0.5), quantiles.at(0.75) - quantiles.at(0.25)
        else:
            moments = summary.moments(name)
            if not moments.count:
                return 0.0, 1.0
            standard = self.how == "standard"
            shift = moments.mean if standard else moments.min
            scale = moments.std if standard else moments.max - moments.min
        return (shift, scale) if scale > 0 else (shift if shift == shift else 0.0, 1.0)


@dataclass(frozen=True)
class FittedScale:
    """Shift and scale by column."""

    numbers: Mapping[str, tuple[float, float]]

    def expressions(self) -> list[pl.Expr]:
        """Compute in float64, keep float32."""
        return [
            ((pl.col(name).cast(pl.Float64) - shift) / scale).cast(pl.Float32)
            for name, (shift, scale) in self.numbers.items()
        ]

    def levels(self) -> Mapping[str, int]:
        """No categories."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"verb": "scale", "numbers": {n: list(v) for n, v in self.numbers.items()}}
