"""Column types: their names in a job file, and which changes of type lose nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from engine.errors import InputError, SpecError

TYPES: Mapping[str, pl.DataType] = {
    "bool": pl.Boolean(),
    "int8": pl.Int8(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "uint8": pl.UInt8(),
    "uint16": pl.UInt16(),
    "uint32": pl.UInt32(),
    "uint64": pl.UInt64(),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "string": pl.String(),
    "category": pl.String(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
}
"""Type names of a job file. A category is text until a feature step gives it codes."""

_EXACT_INTEGER_BITS = {32: 24, 64: 53}
"""IEEE 754: integers of up to this many bits are exact in floats of this width."""


def named_type(name: str, where: str) -> pl.DataType:
    """Return the type of a name; raises `SpecError` with the nearest name for an unknown one."""
    if name in TYPES:
        return TYPES[name]
    near = difflib.get_close_matches(name, TYPES, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(TYPES)}"
    raise SpecError(f"unknown type {name!r}", where=where, hint=hint)


def type_name(kind: pl.DataType) -> str:
    """Return the job-file name of a type, or Polars' own name where it has none."""
    names = (name for name, known in TYPES.items() if known == kind)
    return next(names, str(kind).lower())


def lossless(old: pl.DataType, new: pl.DataType) -> bool:
    """Tell whether every value of ``old`` is the same value in ``new``."""
    if old == new:
        return True
    if old.is_integer() and new.is_float():
        return _bits(old) <= _EXACT_INTEGER_BITS[_bits(new)]
    if old.is_float() and new.is_float():
        return _bits(old) <= _bits(new)
    if old.is_integer() and new.is_integer():
        unsigned_to_signed = old.is_unsigned_integer() and new.is_signed_integer()
        if old.is_signed_integer() and new.is_unsigned_integer():
            return False
        return _bits(old) + unsigned_to_signed <= _bits(new)
    return _time_widens(old, new)


def _bits(kind: pl.DataType) -> int:
    return int("".join(filter(str.isdigit, str(kind))))


def _time_widens(old: pl.DataType, new: pl.DataType) -> bool:
    if isinstance(old, pl.Date) and isinstance(new, pl.Datetime):
        return new.time_zone is None
    if not (isinstance(old, pl.Datetime) and isinstance(new, pl.Datetime)):
        return False
    finer = ("ms", "us", "ns").index(old.time_unit) <= ("ms", "us", "ns").index(new.time_unit)
    return finer and old.time_zone == new.time_zone


def common_schema(files: Iterable[tuple[str, Mapping[str, pl.DataType]]]) -> dict[str, pl.DataType]:
    """Return the columns that all files have, each in a type that holds every file's values.

    Args:
        files: Path and schema of each file.

    Raises:
        InputError: Two files give one column types of which neither holds the other's values.
    """
    common: dict[str, pl.DataType] = {}
    first: dict[str, str] = {}
    absent: set[str] = set()
    for number, (path, schema) in enumerate(files):
        absent |= common.keys() - schema.keys()
        for name, kind in schema.items():
            if name in common:
                common[name] = _wider(name, (first[name], common[name]), (path, kind))
            else:
                common[name], first[name] = kind, path
                absent |= {name} if number else set()
    return {name: kind for name, kind in common.items() if name not in absent}


def _wider(name: str, one: tuple[str, pl.DataType], two: tuple[str, pl.DataType]) -> pl.DataType:
    for kind in (one[1], two[1], pl.Int64(), pl.Float64()):
        if lossless(one[1], kind) and lossless(two[1], kind):
            return kind
    raise InputError(
        f"column {name!r} is {type_name(one[1])} in one file and {type_name(two[1])} in another",
        where=f"{one[0]} and {two[0]}",
        hint="write the files with one type, or read them as two data sets",
    )


def require(columns: Sequence[str], schema: Mapping[str, pl.DataType], where: str) -> None:
    """Raise `SpecError` with the nearest name when a column is not in the schema."""
    for name in columns:
        if name not in schema:
            near = difflib.get_close_matches(name, schema, 1)
            known = f"the data have: {', '.join(list(schema)[:30])}"
            hint = f"did you mean {near[0]!r}?" if near else known
            raise SpecError(f"there is no column {name!r}", where=where, hint=hint)
