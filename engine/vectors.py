"""What a training row has beside features and label: its weight, its start, its query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.data.position import positions
from engine.data.source import Source
from engine.errors import ContractRefused
from engine.expression import columns_of, computed, sql
from engine.features.pipeline import derived_for, with_derived
from engine.plan import Partition
from engine.reserved import ROW
from engine.split import hashed

WEIGHT_KEY, INIT_KEY, QUERY_KEY = "train.weight", "train.init_score", "train.query"
"""Where they stand in the job file."""


@dataclass(frozen=True)
class VectorColumns:
    """What the vectors of rows are made of.

    Attributes:
        weight: SQL expression of how much a row counts; ``None``: all the same.
        init_score: SQL expressions of the raw scores that boosting starts from: one, or one for
            each class; empty: none.
        query: Column whose values tell which rows are ranked against each other; ``None``: none.
    """

    weight: str | None = None
    init_score: tuple[str, ...] = ()
    query: str | None = None

    @property
    def expressions(self) -> list[tuple[str, str]]:
        """Return the SQL expressions, each with its key in the job file."""
        weight = [(self.weight, WEIGHT_KEY)] if self.weight else []
        return [*weight, *((text, INIT_KEY) for text in self.init_score)]

    @property
    def names(self) -> frozenset[str]:
        """Return which vectors rows have, as `engine.boosting.source.RowSource` names them."""
        has = {"weight": self.weight, "init": self.init_score, "query": self.query}
        return frozenset(name for name, made_of in has.items() if made_of)


@dataclass(frozen=True)
class Vectors:
    """The vectors of some rows.

    Attributes:
        weight: Shape (rows,) float32, at least 0; or ``None``.
        init: Shape (rows,) or (rows, classes) float64; or ``None``.
        query: Shape (rows,) uint64, equal for rows of one query; or ``None``.
    """

    weight: npt.NDArray[np.float32] | None = None
    init: npt.NDArray[np.float64] | None = None
    query: npt.NDArray[np.uint64] | None = None

    def of(self, rows: npt.NDArray[np.bool_]) -> Vectors:
        """Return the vectors of chosen rows."""
        return Vectors(
            None if self.weight is None else self.weight[rows],
            None if self.init is None else self.init[rows],
            None if self.query is None else self.query[rows],
        )


@dataclass(frozen=True)
class VectorReader:
    """Makes the vectors of rows and refuses those that nothing can be learned with.

    Attributes:
        columns: What they are made of.
        derive: Derived columns that expressions may name.
        source: The data set, for the places in errors.
        partition: Where the rows are from.
    """

    columns: VectorColumns
    derive: Mapping[str, str]
    source: Source
    partition: Partition

    def read(self, rows: pl.DataFrame) -> Vectors:
        """Return the vectors of labelled rows.

        Raises:
            ContractRefused: A weight, a start or a query is missing, infinite or negative.
        """
        asked = self.columns
        return Vectors(
            self._weight(rows) if asked.weight else None,
            self._init(rows) if asked.init_score else None,
            self._query(rows) if asked.query else None,
        )

    def _weight(self, rows: pl.DataFrame) -> npt.NDArray[np.float32]:
        text = self.columns.weight
        assert text is not None
        weight = self._number(text, WEIGHT_KEY, rows).cast(pl.Float32)
        bad = ~weight.is_finite().fill_null(False) | (weight < 0).fill_null(True)
        if bad.any():
            self._refuse(rows, bad, f"{WEIGHT_KEY} = {text!r}", "weights", "negative or infinite")
        return weight.to_numpy()

    def _init(self, rows: pl.DataFrame) -> npt.NDArray[np.float64]:
        made = []
        for text in self.columns.init_score:
            score = self._number(text, INIT_KEY, rows)
            bad = ~score.is_finite().fill_null(False)
            if bad.any():
                self._refuse(rows, bad, f"{INIT_KEY} = {text!r}", "first scores", "infinite")
            made.append(score.to_numpy())
        return made[0] if len(made) == 1 else np.column_stack(made)

    def _query(self, rows: pl.DataFrame) -> npt.NDArray[np.uint64]:
        name = self.columns.query
        assert name is not None
        missing = rows[name].is_null()
        if missing.any():
            self._refuse(rows, missing, f"{QUERY_KEY} = {name!r}", "queries", "unknown")
        return hashed(rows.select(name))

    def _number(self, text: str, key: str, rows: pl.DataFrame) -> pl.Series:
        number = sql(text, key).cast(pl.Float64).fill_nan(None).alias("number")
        derive = derived_for(self.derive, columns_of(text, key))
        return computed(lambda lazy: with_derived(lazy, derive).select(number), rows).to_series()

    def _refuse(
        self, rows: pl.DataFrame, bad: pl.Series, key: str, what: str, or_else: str
    ) -> NoReturn:
        first = positions(self.source.paths, self.partition, rows[ROW].filter(bad)[:1])
        at = first.row(0, named=True)
        raise ContractRefused(
            f"{bad.sum():,} of {rows.height:,} {what} are missing or {or_else}",
            where=f"{key}, first at {at['file']}, row {at['row']}",
            hint="leave these rows out with `where`, or give the column a contract",
        )
