"""The check that numeric steps share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from engine.errors import SpecError
from engine.schema import require, type_name


def require_numeric(columns: Sequence[str], schema: Mapping[str, pl.DataType], where: str) -> None:
    """Raise `SpecError` when a column is unknown or holds neither numbers nor booleans."""
    require(columns, schema, where)
    for name in columns:
        if not (schema[name].is_numeric() or schema[name] == pl.Boolean):
            raise SpecError(
                f"column {name!r} is {type_name(schema[name])}, this step needs numbers",
                where=where,
                hint='use { encode = ["' + name + '"], with = "category" }',
            )
