"""Polars SQL expressions of a job file: parsed, never evaluated as code."""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from engine.errors import SpecError
from engine.schema import require, type_name


def sql(text: str, where: str) -> pl.Expr:
    """Parse a SQL expression.

    Args:
        text: Such as ``distance / nullif(air_time, 0) * 60``.
        where: The key in the job file, for the error message.

    Raises:
        SpecError: The text is not an expression, or holds a subquery.
    """
    if _may_select(text):
        raise SpecError(
            "a subquery cannot be used here",
            where=f"{where} = {text!r}",
            hint='a column that is called so stands in double quotes: "select"',
        )
    try:
        parsed = pl.sql_expr(text)
        parsed.meta.root_names()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise SpecError(
            f"not a SQL expression: {str(error).splitlines()[0]}",
            where=f"{where} = {text!r}",
            hint='write one expression over columns, such as "arr_delay > 15"',
        ) from error
    return _widened(parsed)


_SELECT = re.compile(r"(?<![A-Z_])SELECT(?![A-Z0-9_])")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_OTHER_QUOTES = re.compile(r"[$`\\]|--|/\*")


def _may_select(text: str) -> bool:
    """Tell whether a text may hold a subquery: parsing one opens its files and URLs already.

    Where quotes are not the two simple ones, it is not tried to tell where they end.
    """
    upper = text.upper()  # as Polars compares keywords: a long s becomes an S too
    if not _SELECT.search(upper):
        return False
    return bool(_OTHER_QUOTES.search(upper) or _SELECT.search(_QUOTED.sub("''", upper)))


_INT8 = {"Century", "Day", "Hour", "Minute", "Month", "Quarter", "Second", "Week", "WeekDay"}
"""Parts of a time that Polars returns as int8."""


def _widened(parsed: pl.Expr) -> pl.Expr:
    """Make int8 parts of times int32: Polars overflows in ``extract(hour from t) * 60``."""
    tree = json.loads(parsed.meta.serialize(format="json"))
    wide = _with_wide_parts(tree)
    if wide == tree:
        return parsed
    with warnings.catch_warnings():
        # Stated as unstable between versions; here one version writes and reads it.
        warnings.simplefilter("ignore")
        return pl.Expr.deserialize(io.StringIO(json.dumps(wide)), format="json")


def _with_wide_parts(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_with_wide_parts(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    made = {name: _with_wide_parts(part) for name, part in tree.items()}
    match made:
        case {"Function": {"function": {"TemporalExpr": str(part)}}} if part in _INT8:
            kind = {"Literal": "Int32"}
            return {"Cast": {"expr": made, "dtype": kind, "options": "Strict"}}
    return made


FEWEST_ROWS = 256
"""Rows below which a frame is filled up before expressions are computed. Polars cuts a small frame
into a piece for each thread, and divides a piece of one row in another way than longer ones
(``x / 3``, not ``x * (1 / 3)``): the last bit of a row would depend on the rows beside it."""


def computed(lazy: Callable[[pl.LazyFrame], pl.LazyFrame], frame: pl.DataFrame) -> pl.DataFrame:
    """Compute expressions that look at one row at a time: the same bits for any cut of the rows.

    Args:
        lazy: Adds the expressions.
        frame: The rows.
    """
    if frame.height >= FEWEST_ROWS:
        return lazy(frame.lazy()).collect()
    full = pl.concat([frame, frame.clear(FEWEST_ROWS - frame.height)])
    return lazy(full.lazy()).collect().head(frame.height)


def columns_of(text: str, where: str) -> list[str]:
    """Return the columns that an expression reads, each once, in order."""
    return list(dict.fromkeys(sql(text, where).meta.root_names()))


def result_type(text: str, schema: Mapping[str, pl.DataType], where: str) -> pl.DataType:
    """Return the type of an expression over columns of these types.

    Raises:
        SpecError: It reads an unknown column, or does not fit the columns' types.
    """
    require(columns_of(text, where), schema, f"{where} = {text!r}")
    try:
        frame = pl.LazyFrame(schema=dict(schema)).select(sql(text, where).alias("result"))
        return frame.collect_schema()["result"]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise SpecError(
            f"this expression does not fit its columns: {str(error).splitlines()[0]}",
            where=f"{where} = {text!r}",
        ) from error


def assert_row_test(text: str, schema: Mapping[str, pl.DataType], where: str) -> None:
    """Refuse what is not a condition that each row meets or breaks by itself.

    Args:
        text: Such as ``arrival >= departure``.
        schema: Types of the columns.
        where: The key in the job file, for the error message.

    Raises:
        SpecError: It is no expression, does not fit the columns, is not true or false, reads no
            column, or looks at other rows (``sum``, ``over``), which would make the answer
            depend on how the data are cut.
    """
    place = f"{where} = {text!r}"
    kind = result_type(text, schema, where)
    if kind != pl.Boolean:
        raise SpecError(
            f"a check must be true or false, this is {type_name(kind)}",
            where=place,
            hint='compare with something, such as "arrival >= departure"',
        )
    if not columns_of(text, where) or sees_other_rows(sql(text, where)):
        raise SpecError(
            "a check looks at the columns of one row and at no other row",
            where=place,
            hint="leave out sums, counts, row numbers and OVER",
        )


def sees_other_rows(expression: pl.Expr) -> bool:
    """Tell whether the answer for a row depends on other rows, so on how the data are cut."""
    return _sees_other_rows(json.loads(expression.meta.serialize(format="json")))


_OTHER_ROWS = {"Agg", "Over", "Len", "Rolling", "Rank", "Shift"}
"""Names in Polars' expression tree of what reads more than one row."""


def _sees_other_rows(tree: object) -> bool:
    """Walk Polars' tree; names of columns and literals may be anything and are passed over."""
    if isinstance(tree, dict):
        rest = (part for name, part in tree.items() if name not in ("Column", "Literal"))
        return not _OTHER_ROWS.isdisjoint(tree) or any(map(_sees_other_rows, rest))
    if isinstance(tree, list):
        return any(map(_sees_other_rows, tree))
    return tree in _OTHER_ROWS
