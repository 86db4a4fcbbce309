"""The order of rows by columns: ascending, missing values first, text by its bytes."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def comparable(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return columns as they are compared: categories by their text, not by their codes."""
    return frame.select(columns).with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def first_unsorted(frame: pl.DataFrame, columns: Sequence[str]) -> int | None:
    """Return the first row that belongs before the one above it; None when all are in order.

    Args:
        frame: Rows with these columns.
        columns: Compared one after the other; rows that are equal in all of them are in order.
    """
    early = pl.lit(False)
    for name in reversed(columns):
        value, above = pl.col(name), pl.col(name).shift()
        less = above.is_not_null() & (value.is_null() | (value < above).fill_null(False))
        early = less | (value.eq_missing(above) & early)
    places = comparable(frame, columns).select(early.alias("early"))["early"].arg_true()
    return places[0] if places.len() else None


def sorted_cuts(
    frame: pl.DataFrame, columns: Sequence[str], bounds: pl.DataFrame
) -> tuple[pl.DataFrame, list[int]]:
    """Return rows in order, and where in it the ranges between bounds begin.

    Args:
        frame: Rows with these columns.
        columns: To sort by; the last one is different in each row.
        bounds: First rows of all ranges but the first, `comparable`, in order.

    Returns:
        The rows, and the place of each bound; rows from a bound on belong to its range.
    """
    place = pl.int_range(pl.len(), dtype=pl.Int64).alias("place")
    keys = comparable(frame, columns).with_columns(place)
    marks = bounds.select(columns).with_columns(pl.lit(None, pl.Int64).alias("place"))
    # Missing sorts first: a bound comes before the row that it was taken from.
    order = pl.concat([marks, keys]).sort(*columns, "place")["place"]
    at = order.is_null().arg_true().to_numpy()
    return frame[order.drop_nulls()], [int(one) - i for i, one in enumerate(at)]
