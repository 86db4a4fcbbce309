"""Rows of pandas and Polars data frames as the features see them, and what comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from engine import arrow
from engine.data.source import RESERVED
from engine.errors import SpecError
from engine.features.fitted import FittedPipeline
from engine.features.numeric import is_number
from engine.features.step import Types
from engine.reserved import ROW, TARGET
from engine.schema import require, type_name
from engine.split import fold_draws

Output = Literal["default", "pandas", "polars"]

WHERE = "FeatureTransformer"

_TEXT = (pl.String, pl.Categorical, pl.Enum)


def library(frame: Any) -> str:
    """Return ``pandas``, ``polars`` or ``dask``; raises `SpecError` for all but data frames."""
    kind = type(frame)
    found: str = kind.__module__.partition(".")[0]
    if kind.__name__ == "DataFrame" and found in ("pandas", "polars", "dask"):
        return found
    raise SpecError(
        f"this is a {kind.__module__}.{kind.__name__}, not a pandas, Polars or Dask data frame",
        where=WHERE,
        hint='features go by column names; after a step of scikit-learn say set_output(transform="'
        'pandas")',
    )


def as_polars(
    frame: Any, columns: Sequence[str] | None, types: Mapping[str, pa.DataType] | None = None
) -> pl.DataFrame:
    """Return columns of a pandas or Polars frame as Polars; NaN of pandas is missing.

    Args:
        frame: The rows.
        columns: Columns wanted; ``None``: all.
        types: Arrow type that each column must have; without it the values tell.

    Raises:
        SpecError: A column is not there, or its name is taken.
        InputError: A column holds values of several kinds, or of another type.
    """
    names = [str(name) for name in frame.columns]
    _assert_free(names)
    columns = names if columns is None else columns
    require(columns, dict.fromkeys(names, pl.Null()), WHERE)
    if library(frame) == "polars":
        polars: pl.DataFrame = frame.select(columns)
        return polars
    found = {
        name: arrow.converted(
            frame.iloc[:, names.index(name)], types and types[name], f"column {name!r}"
        )
        for name in columns
    }
    return pl.DataFrame({name: pl.Series(name, values) for name, values in found.items()})


def _assert_free(names: Sequence[str]) -> None:
    counts = Counter([*names, *RESERVED])
    if twice := [name for name in names if counts[name] > 1]:
        raise SpecError(f"the column name {twice[0]!r} is taken", where=WHERE, hint="rename it")


def with_rows(
    frame: pl.DataFrame, first: int, y: npt.NDArray[np.float64] | None, seed: int
) -> pl.DataFrame:
    """Add what training rows have: row number, draw and label.

    Args:
        frame: Rows in order.
        first: Number of the first one in the whole frame.
        y: Their labels.
        seed: Of the draws, which give rows to folds.
    """
    numbers = np.arange(first, first + frame.height, dtype=np.uint64)
    rows = pl.Series(ROW, numbers, pl.Int64)
    added = [rows, fold_draws(rows, seed)]
    if y is not None:
        if len(y) != frame.height:
            raise SpecError(f"there are {len(y):,} labels for {frame.height:,} rows", where=WHERE)
        added.append(pl.Series(TARGET, y))
    return frame.with_columns(added)


def labels(y: Any) -> npt.NDArray[np.float64]:
    """Return labels as float64; those that are no numbers become the places of the sorted classes.

    Raises:
        SpecError: A label is missing, or there are several in a row.
    """
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise SpecError(f"the labels have {values.ndim} dimensions, not one", where=WHERE)
    if values.dtype.kind not in "fiub":
        _assert_all(value is not None and value == value for value in values)
        values = np.unique(values, return_inverse=True)[1]
    found = values.astype(np.float64)
    _assert_all(~np.isnan(found))
    return found


def _assert_all(there: Any) -> None:
    if not all(there):
        raise SpecError("a label is missing", where=WHERE, hint="drop the rows without a label")


def assert_types(frame: pl.DataFrame, types: Types) -> None:
    """Raise `SpecError` when a column is not of the kind that it was in the fit."""
    for name, kind in frame.schema.items():
        known = types[name]
        same = kind == known or kind == pl.Null
        if not (same or (is_number(kind) and is_number(known)) or {kind, known} <= set(_TEXT)):
            raise SpecError(
                f"column {name!r} is {type_name(kind)}, it was {type_name(known)} in the fit",
                where=WHERE,
            )


def features(
    fitted: FittedPipeline, rows: pl.DataFrame, training: bool
) -> tuple[pl.DataFrame, npt.NDArray[np.float32]]:
    """Return the features of rows as a Polars frame and as a matrix with NaN where missing."""
    made = fitted.transform(rows, training)
    if not made.width:
        return made, np.empty((rows.height, 0), np.float32)
    return made, made.to_numpy(order="c").astype(np.float32, copy=False)


def finished(
    fitted: FittedPipeline, frame: Any, rows: pl.DataFrame, training: bool, output: Output
) -> Any:
    """Return the features of rows as what the user asked for; a pandas frame keeps its index."""
    made, matrix = features(fitted, rows, training)
    if output == "polars":
        return made
    if output == "default":
        return matrix
    import pandas as pd

    index = frame.index if library(frame) == "pandas" else None
    return pd.DataFrame(matrix, index=index, columns=list(fitted.features))
