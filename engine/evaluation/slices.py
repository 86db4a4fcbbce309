"""Rows that share a value of a column, or of an expression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.classes import as_text
from engine.evaluation.measuring import Measuring
from engine.expression import columns_of, computed, sql
from engine.features.pipeline import derived_for, with_derived

MOST: Final = 20
"""Slices of a column or an expression: the most frequent values of the sample. All other rows are
one more."""

KEPT: Final = 1 << 14
"""Distinct scores of a slice that are kept apart for an AUC."""

OTHERS: Final = "others"
MISSING: Final = "missing"


@dataclass(frozen=True)
class Slicing:
    """A column or an expression whose values are looked at one by one.

    Attributes:
        text: The SQL expression; a column name is one.
        key: Where it stands in the job file, for the error message.
        derive: SQL expressions of the derived columns that it may name.
        levels: Values as text that are slices of their own; None: a missing one.
    """

    text: str
    key: str
    derive: Mapping[str, str]
    levels: tuple[str | None, ...] = ()

    def values(self, frame: pl.DataFrame) -> pl.Series:
        """Return the value of each row as text."""
        expression = sql(self.text, self.key).alias("value")
        derive = derived_for(self.derive, columns_of(self.text, self.key))
        made = computed(lambda lazy: with_derived(lazy, derive).select(expression), frame)
        return as_text(made.to_series())

    def frequent(self, frame: pl.DataFrame) -> tuple[str | None, ...]:
        """Return the most frequent values of a sample, at most `MOST`; of equals the least."""
        counts = self.values(frame).alias("value").value_counts(name="rows")
        order = counts.sort(["rows", "value"], descending=[True, False], nulls_last=True)
        return tuple(order["value"].head(MOST))

    def name(self, place: int) -> str:
        """Return what a slice is called, by its number."""
        if place == len(self.levels):
            return OTHERS
        level = self.levels[place]
        return MISSING if level is None else level

    def rows(self, values: pl.Series) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
        """Yield the number of each slice that has rows, and which these are, of values (n,)."""
        left = np.ones(len(values), np.bool_)
        for place, level in enumerate(self.levels):
            here = values.eq_missing(pl.Series([level], dtype=pl.String)).to_numpy()
            left &= ~here
            if here.any():
                yield place, here
        if left.any():
            yield len(self.levels), left


@dataclass(frozen=True)
class Slices:
    """All slicings of an evaluation.

    Attributes:
        slicings: What is looked at.
        measure: How the rows of a slice are measured.
        parts: Parts of the data that are sliced.
    """

    slicings: tuple[Slicing, ...]
    measure: Measuring
    parts: tuple[str, ...]
