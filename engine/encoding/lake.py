"""The types of Delta Lake: signed integers, times in microseconds, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import polars as pl
from polars.datatypes import DataTypeClass

from engine.errors import SpecError

PARTITIONS = "millrace.partitions"
"""Key in a file's metadata: Delta types of the partition columns, which are not in the file."""

_WIDER: Mapping[type[pl.DataType], pl.DataType] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Decimal(20, 0),
    pl.Categorical: pl.String(),
    pl.Enum: pl.String(),
}
"""Types that Delta Lake lacks, and the smallest that holds the same values."""

_AS_THEY_ARE = (
    *(pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64),
    *(pl.String, pl.Binary, pl.Date, pl.Decimal),
)


def storable(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table in types that Delta Lake has, with the same values.

    Raises:
        SpecError: A column has no such type, or its times are finer than microseconds.
    """
    kinds = {name: stored(name, kind) for name, kind in table.schema.items()}
    for name, kind in table.schema.items():
        fine = isinstance(kind, pl.Datetime) and kind.time_unit == "ns"
        if fine and (table[name].dt.nanosecond() % 1_000 != 0).any():
            raise _refused(name, kind)
    return table.select(pl.col(name).cast(kind) for name, kind in kinds.items())


def stored(name: str, kind: pl.DataType) -> pl.DataType:
    """Return the type that a column has in a Delta table.

    Raises:
        SpecError: There is none.
    """
    base = kind.base_type()
    if base in _AS_THEY_ARE:
        return kind
    if base in _WIDER:
        return _WIDER[base]
    if isinstance(kind, pl.Datetime):
        return pl.Datetime("us", "UTC" if kind.time_zone is not None else None)
    if isinstance(kind, (pl.List, pl.Array)):
        return pl.List(stored(name, _inner(kind)))
    if isinstance(kind, pl.Struct):
        return pl.Struct([pl.Field(f.name, stored(name, _typed(f.dtype))) for f in kind.fields])
    raise _refused(name, kind)


def partitions(schema: Mapping[str, pl.DataType], by: Sequence[str]) -> dict[str, str]:
    """Return what files say of the partition columns that left them.

    Raises:
        SpecError: A column cannot be stored.
    """
    types = {name: _NAMES[stored(name, schema[name]).base_type()] for name in by}
    return {PARTITIONS: json.dumps(types)} if types else {}


_NAMES: Mapping[type[pl.DataType], str] = {
    pl.Boolean: "boolean",
    pl.Int8: "byte",
    pl.Int16: "short",
    pl.Int32: "integer",
    pl.Int64: "long",
    pl.Decimal: "decimal(20,0)",
    pl.String: "string",
    pl.Date: "date",
}
"""Delta types of columns that can be partitioned by; a decimal was an unsigned integer."""


def _inner(kind: pl.List | pl.Array) -> pl.DataType:
    return _typed(kind.inner)


def _typed(kind: pl.DataType | DataTypeClass) -> pl.DataType:
    return kind if isinstance(kind, pl.DataType) else kind()


def _refused(name: str, kind: pl.DataType) -> SpecError:
    return SpecError(
        f"a Delta table cannot hold column {name!r}, which is {kind}",
        where="format",
        hint="leave the column out, cast it in `[features]`, or write Parquet",
    )
