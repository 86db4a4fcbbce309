"""Turn categories into codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from engine.errors import ContractRefused
from engine.schema import require
from engine.statistics.levels import MOST_LEVELS
from engine.statistics.summary import Request, Summary


@dataclass(frozen=True)
class Encode:
    """Stable integer codes for LightGBM's native categories.

    Codes 0, 1, … follow the order of the level names, so they depend on the set of levels alone. A
    missing value and a level that training has not seen become missing. Levels seen fewer than
    ``min_count`` times share the last code, and so do unseen levels then.

    Attributes:
        columns: Columns of any type; values are compared as text.
        min_count: Rows that a level needs to get a code of its own.
    """

    columns: tuple[str, ...]
    min_count: int = 1

    def needs(self) -> Request:
        """Ask for the levels."""
        return frozenset((name, "levels") for name in self.columns)

    def adds(self) -> list[str]:
        """Add nothing."""
        return []

    def check(self, schema: Mapping[str, pl.DataType], where: str) -> dict[str, pl.DataType]:
        """Codes are float32: exact up to 2^24."""
        require(self.columns, schema, where)
        return dict.fromkeys(self.columns, pl.Float32())

    def fit(self, summary: Summary, where: str) -> FittedEncode:
        """Keep the levels that are frequent enough."""
        kept: dict[str, list[str]] = {}
        rare: list[str] = []
        for name in self.columns:
            found = summary.levels(name)
            if found.overflow:
                raise ContractRefused(
                    f"column {name!r} has more than {MOST_LEVELS:,} different values",
                    where=where,
                    hint="it looks like an identifier: list it in features.drop",
                )
            kept[name] = sorted(v for v, n in found.counts.items() if n >= self.min_count)
            rare += [name] if len(kept[name]) < len(found.counts) else []
        return FittedEncode(kept, tuple(rare))


@dataclass(frozen=True)
class FittedEncode:
    """Level names by column, in the order of their codes.

    Attributes:
        names: Levels of each column.
        rare: Columns in which all other levels share one more code.
    """

    names: Mapping[str, list[str]]
    rare: tuple[str, ...]

    def expressions(self) -> list[pl.Expr]:
        """Look codes up through a Polars Enum; what is not in it becomes null."""
        return [self._codes(name, names) for name, names in self.names.items()]

    def _codes(self, name: str, names: list[str]) -> pl.Expr:
        text = pl.col(name).cast(pl.String)
        codes = text.cast(pl.Enum(names), strict=False).to_physical().cast(pl.Float32)
        if name in self.rare:
            other = pl.when(text.is_not_null()).then(pl.lit(len(names), pl.Float32))
            codes = pl.coalesce(codes, other)
        return codes.alias(name)

    def levels(self) -> Mapping[str, int]:
        """Return the number of codes of each column."""
        return {name: len(names) + (name in self.rare) for name, names in self.names.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {"verb": "encode", "names": dict(self.names), "rare": list(self.rare)}
