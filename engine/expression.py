"""Polars SQL expressions of a job file: parsed, never evaluated as code."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.errors import SpecError
from engine.schema import require


def sql(text: str, where: str) -> pl.Expr:
    """Parse a SQL expression.

    Args:
        text: Such as ``distance / nullif(air_time, 0) * 60``.
        where: The key in the job file, for the error message.

    Raises:
        SpecError: The text is not an expression, or holds a subquery.
    """
    try:
        parsed = pl.sql_expr(text)
        parsed.meta.root_names()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise SpecError(
            f"not a SQL expression: {str(error).splitlines()[0]}",
            where=f"{where} = {text!r}",
            hint='write one expression over columns, such as "arr_delay > 15"',
        ) from error
    if "subplan" in str(parsed):
        raise SpecError("a subquery cannot be used here", where=f"{where} = {text!r}")
    return parsed


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
