"""What is counted of every cell of a column: cheap enough for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from engine.profile.values import kind_of

Number = int | float


@dataclass(frozen=True)
class Cells:
    """Counts of all cells of a column; exact.

    Attributes:
        type: Type of the column, as Polars calls it.
        rows: Number of cells.
        nulls: Missing ones.
        nan: Those that are not a number.
        infinite: Infinite ones.
        low: Least finite value of a number or a time, the latter in steps of its unit; ``None``
            without any, and for other columns.
        high: Largest finite value.
    """

    type: str
    rows: int = 0
    nulls: int = 0
    nan: int = 0
    infinite: int = 0
    low: Number | None = None
    high: Number | None = None

    def merge(self, other: Cells) -> Cells:
        """Return the counts of both sets of cells; the same in any order."""
        return Cells(
            self.type,
            self.rows + other.rows,
            self.nulls + other.nulls,
            self.nan + other.nan,
            self.infinite + other.infinite,
            min(_known(self.low, other.low), default=None),
            max(_known(self.high, other.high), default=None),
        )

    @property
    def present(self) -> int:
        """Cells with a value: neither null nor NaN."""
        return self.rows - self.nulls - self.nan

    def told(self) -> list[Any]:
        """Return plain JSON values, from which ``Cells(*told)`` is equal."""
        return [self.type, self.rows, self.nulls, self.nan, self.infinite, self.low, self.high]


def _known(*numbers: Number | None) -> list[Number]:
    return [number for number in numbers if number is not None]


def counted(frame: pl.DataFrame) -> dict[str, Cells]:
    """Count the cells of the columns of a partition."""
    asked = [column for column in frame if _is_ordered(column)]
    quick = {column.name: _by_numpy(column) for column in asked if _is_plain(column)}
    rest = [column for column in asked if column.name not in quick]
    # One query for all of them: each waits for a thread of Polars.
    looks = [look for column in rest for look in _extremes(column)]
    told = frame.select(looks).row(0) if looks else ()
    found = dict(zip((column.name for column in rest), _batched(told, 3), strict=True)) | quick
    return {column.name: _of(column, found.get(column.name)) for column in frame}


def _is_ordered(column: pl.Series) -> bool:
    """Tell whether a column has a least value."""
    return kind_of(column.dtype) in ("number", "time") and column.null_count() < len(column)


def _is_plain(column: pl.Series) -> bool:
    """Tell whether NumPy sees all values where they are."""
    own = column.dtype.is_float() or column.dtype.is_integer()
    return own and column.n_chunks() == 1 and not column.null_count() and column.dtype != pl.Int128


def _by_numpy(column: pl.Series) -> tuple[Any, Any, int]:
    """Return least and largest value; NaN when any is: two looks, a quarter of a nanosecond."""
    numbers = column.to_numpy()
    return numbers.min().item(), numbers.max().item(), 0


def _extremes(column: pl.Series) -> Iterator[pl.Expr]:
    """Yield what is the least value, the largest and how many are NaN, which counts as neither."""
    name, kind = column.name, column.dtype
    steps = pl.col(name) if kind.is_numeric() else pl.col(name).to_physical()
    steps = steps.cast(pl.Float64) if isinstance(kind, pl.Decimal) else steps
    yield steps.min().alias(f"min {name}")
    yield steps.max().alias(f"max {name}")
    yield (steps.is_nan().sum() if kind.is_float() else pl.lit(0)).alias(f"nan {name}")


def _of(column: pl.Series, found: tuple[Any, ...] | None) -> Cells:
    """Return the counts of a column, of which least and largest value and NaN are known."""
    told, rows, nulls = str(column.dtype), len(column), column.null_count()
    if found is None:
        return Cells(told, rows, nulls)
    low, high, nan = found
    if not column.dtype.is_float():
        return Cells(told, rows, nulls, 0, 0, low, high)
    if math.isfinite(low) and math.isfinite(high):
        # Which of 0.0 and -0.0 is least would be chance.
        return Cells(told, rows, nulls, nan, 0, low + 0.0, high + 0.0)
    nan = int(column.is_nan().sum())
    finite = column.filter(column.is_finite())
    infinite = rows - nulls - nan - len(finite)
    if not len(finite):
        return Cells(told, rows, nulls, nan, infinite)
    low, high, _ = _by_numpy(finite.rechunk())
    return Cells(told, rows, nulls, nan, infinite, low + 0.0, high + 0.0)


def _batched(values: Sequence[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Yield so many values at a time."""
    return (tuple(values[at : at + size]) for at in range(0, len(values), size))
