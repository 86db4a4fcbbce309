"""A Dask DataFrame: each partition is written by a task, and computed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from engine.estimator.columns import Categorical, Columns
from engine.estimator.given import Given, queries, values
from engine.estimator.refusal import Unfit
from engine.estimator.spool import Order, Spooled, Vectors, spool
from engine.estimator.tasks import on_dask
from engine.schema import require
from engine.transformer.lazy import arrow_types, polars_types
from engine.transformer.rows import as_polars

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

_LABELS = "labels of a Dask DataFrame are a column of it, or a Dask series of the same partitions"


@dataclass(frozen=True)
class Lazy:
    """Rows of a Dask DataFrame.

    Attributes:
        columns: The features.
        frame: The columns that are read.
        types: Arrow type of each.
        named: Columns that vectors are in.
        pieces: A delayed vector for each partition, for the vectors that are no columns.
    """

    columns: Columns
    frame: dd.DataFrame
    types: Mapping[str, pa.DataType]
    named: Mapping[str, Sequence[str]]
    pieces: Mapping[str, Sequence[Any]]

    @classmethod
    def of(
        cls, given: Given, categorical: Categorical, columns: Columns | None, owner: str
    ) -> Lazy:
        """Take a frame; nothing of it is computed.

        Args:
            given: The rows.
            categorical: Which features are categories.
            columns: The features, where they are known.
            owner: The estimator's name.

        Raises:
            Unfit: A vector is not in the same partitions as the rows.
        """
        known, named = arrow_types(given.x), given.named
        taken = given.taken
        require(taken, polars_types(known), owner)
        given.assert_labels(owner, _LABELS)
        types = {n: kind for n, kind in column_types(given.x, known).items() if n not in taken}
        if columns is None:
            columns = Columns.of_frame(types, categorical)
        columns.assert_in(types, owner)
        vectors = [name for names in named.values() for name in names]
        read = {name: known[name] for name in dict.fromkeys([*columns.names, *vectors])}
        frame = given.x[[name for name in given.x.columns if str(name) in read]]
        free = {name: one for name, one in given.vectors.items() if name not in named}
        pieces = {name: _pieces(name, one, frame.npartitions) for name, one in free.items()}
        return cls(columns, frame, read, named, pieces)

    def spooled(self, order: Order, client: Any, workers: int) -> list[Spooled]:
        """Write the rows of each partition, in a task."""
        shared = (order, dict(self.types), self.named)
        return on_dask(_spooled, shared, self._calls(), client)

    def _calls(self) -> Iterator[tuple[Any, ...]]:
        for index, part in enumerate(self.frame.to_delayed()):
            yield index, part, {name: pieces[index] for name, pieces in self.pieces.items()}


def column_types(frame: dd.DataFrame, known: dict[str, pa.DataType]) -> dict[str, pl.DataType]:
    """Return the Polars type of each column; categories are categories whatever their levels."""
    types = dict(polars_types(known))
    for name, dtype in frame.dtypes.items():
        if hasattr(dtype, "categories"):
            types[str(name)] = pl.Categorical()
    return types


def _pieces(name: str, vector: Any, partitions: int) -> list[Any]:
    if not hasattr(vector, "to_delayed"):
        hint = _LABELS if name == "y" else "name a column, or give a Dask series"
        raise Unfit(f"{name} is a {type(vector).__name__}", hint=hint)
    pieces = list(np.ravel(vector.to_delayed()))
    if len(pieces) != partitions:
        raise Unfit(
            f"{name} is in {len(pieces):,} partitions, the rows in {partitions:,}",
            hint="take both from one Dask DataFrame",
        )
    return pieces


def _spooled(
    shared: tuple[Order, dict[str, pa.DataType], Mapping[str, Sequence[str]]],
    index: int,
    part: pd.DataFrame,
    given: Vectors,
) -> Spooled:
    order, types, named = shared
    rows = as_polars(part, list(types), types)
    vectors = {name: values(one, name) for name, one in given.items()} | columns_of(rows, named)
    if "group" in vectors:
        vectors["query"] = queries(vectors.pop("group"), rows.height, index)
    return spool(order, index, rows, vectors)


def columns_of(rows: pl.DataFrame, named: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the vectors that are columns of the rows."""
    found: dict[str, Any] = {}
    for vector, names in named.items():
        columns = [rows[name].to_numpy() for name in names]
        found[vector] = columns[0] if len(columns) == 1 else np.column_stack(columns)
    return found
