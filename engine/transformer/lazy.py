"""A Dask DataFrame's rows: fitted partition by partition, transformed when they are asked for.

Only summaries travel: each pass is one task a partition and a tree that merges what they found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from engine import arrow
from engine.errors import SpecError
from engine.features.fitted import FittedPipeline
from engine.features.step import Types
from engine.statistics.summary import Request, Summary
from engine.training.survey import gathered
from engine.transformer.rows import WHERE, as_polars, assert_types, finished, labels, with_rows

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

MERGED = 8
"""Summaries that a task merges: few at a time keep memory small, and the tree flat."""


def arrow_types(frame: dd.DataFrame) -> dict[str, pa.DataType]:
    """Return the type of every column; columns of objects are text, and refused if they are not.

    A category has the type of its levels.

    Raises:
        SpecError: A column's type is not one of a table.
    """
    return {str(name): _arrow_type(dtype, str(name)) for name, dtype in frame.dtypes.items()}


def _arrow_type(dtype: Any, name: str) -> pa.DataType:
    levels = getattr(dtype, "categories", None)
    text = pa.large_string()
    # Dask says that it does not know the levels by one of its own.
    if levels is not None and "__UNKNOWN_CATEGORIES__" not in list(levels):
        return arrow.declared(levels.dtype, name) or text
    return arrow.declared(dtype, name) or text


def polars_types(types: dict[str, pa.DataType]) -> Types:
    """Return the same types as Polars names them."""
    empty = pl.from_arrow(pa.schema(list(types.items())).empty_table())
    assert isinstance(empty, pl.DataFrame)
    return dict(empty.schema)


@dataclass(frozen=True)
class Rows:
    """The training rows of a Dask DataFrame.

    Attributes:
        parts: A delayed pandas frame for each partition, of the columns that are read.
        y: Delayed labels of each; ``None`` without labels.
        firsts: Number of the first row of each partition.
        types: Arrow type of every column that is read.
        seed: Of the draws.
    """

    parts: Sequence[Any]
    y: Sequence[Any] | None
    firsts: Sequence[int]
    types: dict[str, pa.DataType]
    seed: int

    @classmethod
    def of(cls, frame: dd.DataFrame, y: Any, types: dict[str, pa.DataType], seed: int) -> Rows:
        """Count the rows of each partition, which is a pass of its own, and pair them with labels.

        Args:
            frame: Any Dask DataFrame.
            y: Labels: a Dask series or array of as many partitions, or all of them in memory.
            types: Arrow type of every column that is read.
            seed: Of the draws.
        """
        from dask.base import compute
        from dask.delayed import delayed

        parts = frame[[name for name in frame.columns if str(name) in types]].to_delayed()
        counts = compute(*(delayed(len)(part) for part in parts))
        firsts = [0, *(int(end) for end in np.cumsum(counts))]
        return cls(parts, _paired(y, firsts), firsts[:-1], types, seed)

    def gather(self, fitted: FittedPipeline, request: Request) -> Summary:
        """Run one pass over all partitions."""
        from dask.delayed import delayed

        shared = delayed((fitted, request), pure=False, traverse=False)
        found = [delayed(_gathered)(*row, self.types, self.seed, shared) for row in self._rows]
        while len(found) > 1:
            groups = [found[i : i + MERGED] for i in range(0, len(found), MERGED)]
            found = [delayed(_merged)(group) for group in groups]
        summary: Summary = found[0].compute()
        return summary

    def transformed(self, fitted: FittedPipeline, frame: dd.DataFrame) -> dd.DataFrame:
        """Return the features of the training rows, as training rows are prepared; lazy."""
        import dask.dataframe as dd
        from dask.delayed import delayed

        shared = delayed(fitted, pure=False, traverse=False)
        made = [delayed(_trained)(*row, self.types, self.seed, shared) for row in self._rows]
        whole: dd.DataFrame = dd.from_delayed(
            made, meta=_meta(fitted, frame), divisions=frame.divisions, verify_meta=False
        )
        return whole

    @property
    def _rows(self) -> list[tuple[Any, Any, int]]:
        y = self.y or [None] * len(self.parts)
        return list(zip(self.parts, y, self.firsts, strict=True))


def _paired(y: Any, firsts: Sequence[int]) -> list[Any] | None:
    """Return the labels of each partition."""
    from dask.base import is_dask_collection

    if y is None:
        return None
    if not is_dask_collection(y):
        known = labels(y)
        if len(known) != firsts[-1]:
            raise SpecError(f"there are {len(known):,} labels for {firsts[-1]:,} rows", where=WHERE)
        return [known[a:b] for a, b in pairwise(firsts)]
    pieces = list(np.ravel(y.to_delayed()))
    if len(pieces) != len(firsts) - 1:
        raise SpecError(
            f"the labels are in {len(pieces):,} partitions, the rows in {len(firsts) - 1:,}",
            where=WHERE,
            hint="take both from one Dask DataFrame",
        )
    return pieces


def _frame(
    part: pd.DataFrame, y: Any, first: int, types: dict[str, pa.DataType], seed: int
) -> pl.DataFrame:
    return with_rows(as_polars(part, list(types), types), first, _numbers(y), seed)


def _numbers(y: Any) -> npt.NDArray[np.float64] | None:
    if y is None:
        return None
    if np.asarray(y).dtype.kind not in "fiub":
        raise SpecError(
            "labels of a Dask DataFrame must be numbers: one partition does not know all classes",
            where=WHERE,
            hint='make numbers of them: (y == "yes").astype("int8")',
        )
    return labels(y)


def _gathered(
    part: pd.DataFrame,
    y: Any,
    first: int,
    types: dict[str, pa.DataType],
    seed: int,
    shared: tuple[FittedPipeline, Request],
) -> Summary:
    return gathered(*shared, _frame(part, y, first, types, seed))


def _merged(found: Sequence[Summary]) -> Summary:
    return reduce(Summary.merge, found)


def _trained(
    part: pd.DataFrame,
    y: Any,
    first: int,
    types: dict[str, pa.DataType],
    seed: int,
    fitted: FittedPipeline,
) -> pd.DataFrame:
    rows = _frame(part, y, first, types, seed)
    made: pd.DataFrame = finished(fitted, part, rows, True, "pandas")
    return made


def transformed(fitted: FittedPipeline, types: Types, frame: dd.DataFrame) -> dd.DataFrame:
    """Return the features of a Dask DataFrame's rows: float32 columns, the index kept; lazy."""
    from dask.delayed import delayed

    shared = delayed((fitted, types), pure=False, traverse=False)
    made: dd.DataFrame = frame.map_partitions(_scored, shared, meta=_meta(fitted, frame))
    return made


def _scored(part: pd.DataFrame, shared: tuple[FittedPipeline, Types]) -> pd.DataFrame:
    fitted, types = shared
    rows = as_polars(part, fitted.inputs)
    assert_types(rows, types)
    made: pd.DataFrame = finished(fitted, part, rows, False, "pandas")
    return made


def _meta(fitted: FittedPipeline, frame: dd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    columns = {name: pd.Series([], dtype="float32") for name in fitted.features}
    return pd.DataFrame(columns, columns=list(fitted.features), index=frame._meta.index)
