"""What a model returned, as the columns that were promised, or why it is not that."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from engine.schema import lossless, type_name

KEEP = "keep"
"""What is done with missing values where the job file says so; else they are an error."""


class Misfit(Exception):
    """A model returned something else than was promised.

    Args:
        what: What it did, in words that follow its name.
        hint: What to do about it.
    """

    def __init__(self, what: str, hint: str | None = None) -> None:
        """Keep both."""
        super().__init__(what)
        self.what, self.hint = what, hint


def checked(
    given: Any, columns: Mapping[str, pl.DataType], rows: int, missing: str
) -> pl.DataFrame:
    """Return the columns of what a model returned, in order and with their types.

    Args:
        given: A Polars, pandas or Arrow frame, a mapping of arrays, one array or series for one
            column, or a NumPy matrix with a column each.
        columns: Name and type of each column that was promised.
        rows: Rows of the batch.
        missing: ``keep`` lets null and NaN pass.

    Raises:
        Misfit: Rows, names, types or values are others.
    """
    frame = _frame(given, list(columns))
    lacking = [name for name in columns if name not in frame.columns]
    extra = [name for name in frame.columns if name not in columns]
    if lacking or extra:
        parts = [f"without {', '.join(lacking)}"] * bool(lacking)
        parts += [f"with {', '.join(extra)}, which is not asked for"] * bool(extra)
        hint = "it returns the columns of `columns`, no more and no less"
        raise Misfit(f"returned columns {' and '.join(parts)}", hint)
    if frame.height != rows:
        raise Misfit(f"returned {frame.height:,} rows for {rows:,}", "it returns one value a row")
    typed = [_typed(frame[name], kind) for name, kind in columns.items()]
    for series in typed:
        if missing != KEEP:
            _refuse_missing(series)
    return pl.DataFrame(typed)


def _frame(given: Any, names: list[str]) -> pl.DataFrame:
    """Return what was given as a frame; one column without a name of its own gets the name."""
    try:
        return _as_frame(given, names)
    except Misfit:
        raise
    except Exception as error:  # whatever a library says of an odd frame
        raise Misfit(f"returned a {type(given).__name__} that is no table: {error}") from error


def _as_frame(given: Any, names: list[str]) -> pl.DataFrame:
    if isinstance(given, pl.DataFrame):
        return given
    if isinstance(given, pl.LazyFrame):
        return given.collect()
    if isinstance(given, Mapping):
        return pl.DataFrame([_series(str(name), values) for name, values in given.items()])
    if isinstance(given, np.ndarray) and given.ndim == 2:
        if given.shape[1] != len(names):
            raise Misfit(f"returned {given.shape[1]} columns for {len(names)}")
        return pl.DataFrame([_series(name, given[:, at]) for at, name in enumerate(names)])
    if _is_table(given):
        table = pl.from_pandas(given) if _from(given, "pandas") else pl.from_arrow(given)
        assert isinstance(table, pl.DataFrame)
        return table
    single = isinstance(given, (pl.Series, np.ndarray, list, tuple))
    if not (single or _from(given, "pandas") or _from(given, "pyarrow")):
        hint = "it returns a Polars, pandas or Arrow frame, a mapping of arrays, or a series"
        raise Misfit(f"returned a {type(given).__name__}", hint)
    if len(names) != 1:
        raise Misfit(f"returned one column for {len(names)}: {', '.join(names)}")
    return pl.DataFrame([_series(names[0], given)])


def _from(given: Any, library: str) -> bool:
    """Tell whether a value is one of a library's; the library is not imported for that."""
    return library in sys.modules and type(given).__module__.partition(".")[0] == library


def _is_table(given: Any) -> bool:
    if _from(given, "pandas"):
        return type(given).__name__ == "DataFrame"
    return _from(given, "pyarrow") and type(given).__name__ in ("Table", "RecordBatch")


def _series(name: str, values: Any) -> pl.Series:
    if _from(values, "pandas"):
        return pl.Series(name, pl.from_pandas(values))
    if isinstance(values, np.ndarray) and values.ndim != 1:
        if values.ndim != 2 or values.shape[1] != 1:
            raise Misfit(f"returned an array of shape {values.shape} as column {name}")
        values = values[:, 0]
    if isinstance(values, np.ndarray) and values.dtype == object:
        values = values.tolist()
    return pl.Series(name, values)


def _typed(series: pl.Series, kind: pl.DataType) -> pl.Series:
    old, name = series.dtype, series.name
    if old == kind:
        return series
    if old == pl.Object:
        raise Misfit(f"returned Python objects as column {name}")
    if isinstance(old, (pl.Categorical, pl.Enum)) and kind == pl.String:
        return series.cast(kind)
    if not _convertible(old, kind):
        wanted = type_name(kind)
        hint = f"convert it in the model, or ask for another type than {wanted} in `columns`"
        raise Misfit(f"returned {type_name(old)} as column {name}, which is {wanted}", hint)
    cast = series.cast(kind, strict=False)
    if cast.null_count() > series.null_count() or _overflows(series, cast):
        raise Misfit(f"returned values in column {name} that {type_name(kind)} does not hold")
    return cast


def _convertible(old: pl.DataType, kind: pl.DataType) -> bool:
    """Tell whether values may be converted: nothing is lost, or is looked at value by value.

    Floats round, as their name says.
    """
    whole = old.is_integer() and kind.is_integer()
    return whole or (old.is_numeric() and kind.is_float()) or lossless(old, kind)


def _overflows(series: pl.Series, cast: pl.Series) -> bool:
    if not (series.dtype.is_float() and cast.dtype.is_float()):
        return False
    return int(cast.is_infinite().sum()) > int(series.is_infinite().sum())


def _refuse_missing(series: pl.Series) -> None:
    count = series.null_count()
    if series.dtype.is_float():
        count += int(series.is_nan().sum())
    if count:
        hint = 'mend the model, or say missing = "keep" if a row may have no prediction'
        raise Misfit(f"returned {count:,} missing values (null or NaN) in {series.name}", hint)
