"""Fill missing values of numeric columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from engine.errors import ContractRefused
from engine.features.numeric import require_numeric
from engine.statistics.summary import Request, Summary

SUFFIX = "_missing"
"""Ending of the indicator column of a filled column."""


@dataclass(frozen=True)
class Impute:
    """Fill missing values with the mean, the median or a constant.

    Attributes:
        columns: Numeric columns.
        how: What to fill with.
        value: The constant, with ``how="constant"``.
        indicator: Also add ``<column>_missing``, 1 where a value was missing.
    """

    columns: tuple[str, ...]
    how: Literal["mean", "median", "constant"]
    value: float = 0.0
    indicator: bool = False

    def needs(self) -> Request:
        """Ask for moments or quantiles."""
        kind = {"mean": "moments", "median": "quantiles"}.get(self.how)
        return frozenset((name, kind) for name in self.columns if kind)

    def adds(self) -> list[str]:
        """Name the indicator columns."""
        return [name + SUFFIX for name in self.columns] if self.indicator else []

    def check(self, schema: Mapping[str, pl.DataType], where: str) -> dict[str, pl.DataType]:
        """Filled columns are float32, indicators too."""
        require_numeric(self.columns, schema, where)
        return dict.fromkeys([*self.columns, *self.adds()], pl.Float32())

    def fit(self, summary: Summary, where: str) -> FittedImpute:
        """Take the fill values from the statistics."""
        values = {name: self._value(name, summary, where) for name in self.columns}
        return FittedImpute(values, self.indicator)

    def _value(self, name: str, summary: Summary, where: str) -> float:
        if self.how == "constant":
            return self.value
        if self.how == "mean":
            found = summary.moments(name)
            value = found.mean if found.count else float("nan")
        else:
            value = summary.quantiles(name).at(0.5)
        if value != value:
            raise ContractRefused(
                f"column {name!r} has no value in the training rows, so it has no {self.how}",
                where=where,
                hint='drop the column, or impute with = "constant"',
            )
        return value


@dataclass(frozen=True)
class FittedImpute:
    """Fill values by column, and whether indicators are added."""

    values: Mapping[str, float]
    indicator: bool

    def expressions(self) -> list[pl.Expr]:
        """Fill null and NaN; indicators come from the column before it is filled."""
        filled = [
            pl.col(name).cast(pl.Float32).fill_nan(None).fill_null(pl.lit(value, pl.Float32))
            for name, value in self.values.items()
        ]
        if not self.indicator:
            return filled
        missing = (pl.col(name).cast(pl.Float32).fill_nan(None).is_null() for name in self.values)
        marks = (
            mark.cast(pl.Float32).alias(name + SUFFIX)
            for name, mark in zip(self.values, missing, strict=True)
        )
        return [*filled, *marks]

    def levels(self) -> Mapping[str, int]:
        """No categories."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"verb": "impute", "values": dict(self.values), "indicator": self.indicator}
