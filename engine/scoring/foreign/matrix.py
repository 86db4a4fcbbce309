"""Columns as the arrays that numeric libraries take."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.scoring.foreign.returned import Misfit


def matrix(frame: pl.DataFrame, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return columns side by side: shape (rows, columns), C order.

    A missing value becomes NaN where the type has one.

    Args:
        frame: The columns.
        kind: NumPy's type of a cell; ``object`` takes text.

    Raises:
        Misfit: A column is not of that kind, or has missing values that the type cannot hold.
    """
    wanted = np.dtype(kind)
    made = np.empty(frame.shape, wanted, order="C")
    for place, series in enumerate(frame.get_columns()):
        made[:, place] = _array(series, wanted)
    return made


def _array(series: pl.Series, wanted: np.dtype[Any]) -> npt.NDArray[Any]:
    text = series.dtype == pl.String
    if text != (wanted.kind == "O"):
        kind = "text" if text else "no text"
        raise Misfit(f"takes {wanted} where the column {series.name} is {kind}", "leave it out")
    if not text and not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        raise Misfit(f"takes numbers; the column {series.name} is {series.dtype}", "leave it out")
    floating = np.issubdtype(wanted, np.floating)
    if series.null_count() and not floating:
        what = f"takes no missing values of {wanted}; the column {series.name} has some"
        raise Misfit(what, "fill them before, or refuse such rows by the contract (nulls = 0)")
    if floating:
        return series.cast(pl.Float64).to_numpy()
    if not text and not np.can_cast(series.to_numpy().dtype, wanted, "same_kind"):
        raise Misfit(f"takes {wanted}; the column {series.name} is {series.dtype}")
    return series.to_numpy()
