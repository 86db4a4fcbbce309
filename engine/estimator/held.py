"""A table in memory: an array, a pandas or a Polars frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.utils.validation import assert_all_finite, check_consistent_length, column_or_1d

from engine.estimator.columns import Categorical, Columns
from engine.estimator.given import Given, queries, values
from engine.estimator.refusal import Unfit
from engine.estimator.spool import Order, Spooled, spool
from engine.estimator.tasks import here
from engine.plan import target_bytes
from engine.schema import require
from engine.transformer.rows import as_polars

_EACH = 2
"""Blocks at least for each worker, so that none is left without rows."""


@dataclass(frozen=True)
class Held:
    """Rows in memory.

    Attributes:
        columns: The features.
        rows: An array of numbers, shape (rows, features), or a Polars frame.
        vectors: Arrays of as many rows.
    """

    columns: Columns
    rows: npt.NDArray[Any] | pl.DataFrame
    vectors: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def of(
        cls, given: Given, categorical: Categorical, columns: Columns | None, owner: str
    ) -> Held:
        """Take rows in memory; nothing of an array or a Polars frame is copied.

        Args:
            given: The rows; an array of them is checked already.
            categorical: Which features are categories.
            columns: The features, where they are known.
            owner: The estimator's name.

        Raises:
            Unfit: Vectors have other lengths than the rows, or cannot be what they are for.
        """
        if isinstance(given.x, np.ndarray):
            if given.taken:
                what = f"an array has no column {given.taken[0]!r}"
                raise Unfit(what, where=owner, hint="give the values, or a frame")
            own = columns or Columns.of_array(given.x.shape[1], categorical)
            return cls(own, given.x, _vectors(given, None, owner))
        frame = as_polars(given.x, None)
        vectors = _vectors(given, frame, owner)
        taken = given.taken
        require(taken, frame.schema, owner)
        types = {name: kind for name, kind in _types(given.x, frame).items() if name not in taken}
        if columns is None:
            columns = Columns.of_frame(types, categorical)
        columns.assert_in(types, owner)
        return cls(columns, frame, vectors)

    def spooled(self, order: Order, client: Any, workers: int) -> list[Spooled]:
        """Write the rows block by block, in this process."""
        return here(spool, order, self._blocks(workers))

    def _blocks(self, workers: int) -> Iterator[tuple[Any, ...]]:
        for index, rows in enumerate(blocks(len(self.rows), len(self.columns.names), workers)):
            vectors = {name: vector[rows] for name, vector in self.vectors.items()}
            yield index, self.rows[rows], vectors


def blocks(rows: int, features: int, workers: int = 1) -> Iterator[slice]:
    """Cut rows into blocks of equal size that are worked on one at a time."""
    size = 4 * features
    step = min(target_bytes(rows * size, features) // size, -(-rows // (_EACH * workers)))
    for start in range(0, rows, max(1, step)):
        yield slice(start, start + max(1, step))


def _types(x: Any, frame: pl.DataFrame) -> dict[str, pl.DataType]:
    """Return the type of each column; categories of pandas are ones here too."""
    types = dict(frame.schema)
    if type(x).__module__.startswith("pandas"):
        dtypes = zip(frame.columns, x.dtypes, strict=True)
        types |= {name: pl.Categorical() for name, dtype in dtypes if hasattr(dtype, "categories")}
    return types


def _vectors(given: Given, frame: pl.DataFrame | None, owner: str) -> dict[str, npt.NDArray[Any]]:
    given.assert_labels(owner, 'give labels, or the name of their column: y="label"')
    named = {} if frame is None else given.named
    found = {
        name: _array(frame, named.get(name), vector, name, owner)
        for name, vector in given.vectors.items()
    }
    if "y" in found:
        found["y"] = column_or_1d(found["y"], warn=True)
        assert_all_finite(found["y"], input_name="y")
    rows = len(given.x)
    if "weight" in found and found["weight"].ndim != 1:
        raise Unfit("Sample weights must be 1D array or scalar", where="sample_weight")
    if "group" in found:
        found["query"] = queries(found.pop("group"), rows)
    if "init" in found and found["init"].size != rows and found["init"].ndim == 1:
        # LightGBM takes the scores of all rows for one class after the other.
        found["init"] = found["init"].reshape(-1, rows).T
    check_consistent_length(given.x, *found.values())
    return found


def _array(
    frame: pl.DataFrame | None, names: list[str] | None, vector: Any, where: str, owner: str
) -> npt.NDArray[Any]:
    if frame is None or not names:
        return values(vector, where)
    require(names, frame.schema, owner)
    found = [frame[name].to_numpy() for name in names]
    return found[0] if len(found) == 1 else np.column_stack(found)
