"""Train, validation or test: decided per row, without moving a row.

The decision depends on the row alone (its number in the data set, its time, its group or a column)
and the seed, never on partitions or workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.murmur import murmur3
from engine.reserved import DRAW

TRAIN, VALID, TEST = 0, 1, 2
LEFT_OUT = 3
"""A training row that is not learned from: see `engine.balance`."""


def uniform(numbers: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.float64]:
    """Return one number in [0, 1) for each input number, by the SplitMix64 finaliser.

    Source: Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".

    Args:
        numbers: Any integers, such as row numbers, shape (n,).
        seed: Equal seeds give equal results.
    """
    golden = (seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64
    z = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(golden)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.asarray(z >> np.uint64(11), np.float64) * 2.0**-53


_FOLD_SEED = 0xF01D
"""Added to a seed, so that folds, samples and splits of one seed draw different numbers."""


def fold_draws(numbers: pl.Series, seed: int) -> pl.Series:
    """Return the column `DRAW`, which gives rows to folds, from row numbers."""
    return pl.Series(DRAW, uniform(numbers.to_numpy().astype(np.uint64), seed + _FOLD_SEED))


@dataclass(frozen=True)
class Split:
    """The rule that gives each row to train (0), validation (1) or test (2).

    Attributes:
        by: ``random``: by row number. ``systematic``: by the place of the row number in a period,
            so that shares are met to the row. ``stratified``: by row number, with the same share
            of every value of one column. ``hash``: by the values of ``columns``, so that equal
            values stay together. ``time``: the latest rows are test, those before them validation.
            ``column``: listed values of one column.
        valid: Share of validation rows, or the listed values.
        test: Share of test rows, or the listed values.
        columns: What all but ``random`` and ``systematic`` look at.
        seed: X
        cuts: First time of validation and of test, as integers of the column's type; for ``time``.
        strata: For ``stratified``: by value, the drawn numbers under which rows are test, and
            validation or test.
    """

    by: Literal["random", "systematic", "stratified", "hash", "time", "column"]
    valid: float | tuple[str | float, ...] = 0.0
    test: float | tuple[str | float, ...] = 0.0
    columns: tuple[str, ...] = ()
    seed: int = 42
    cuts: tuple[float, float] | None = None
    strata: Mapping[str | None, tuple[float, float]] | None = None

    def assign(self, frame: pl.DataFrame, numbers: pl.Series) -> npt.NDArray[np.uint8]:
        """Return the part of each row.

        Args:
            frame: Rows with ``columns``.
            numbers: Their row numbers in the data set.

        Returns:
            ``TRAIN``, ``VALID`` or ``TEST``, shape (rows,).
        """
        if self.by == "time":
            return self._by_time(frame)
        if self.by == "hash":
            return self._by_share(uniform(hashed(frame.select(self.columns)), self.seed))
        row = numbers.to_numpy().astype(np.uint64)
        if self.by == "systematic":
            places = _places(_share(self.valid), _share(self.test))
            return np.asarray(places[row % np.uint64(len(places))], np.uint8)
        drawn = uniform(row, self.seed)
        if self.by == "stratified":
            return self._by_stratum(frame, drawn)
        parts = self._by_share(drawn)
        if self.by == "column":
            for part, listed in ((VALID, self.valid), (TEST, self.test)):
                if isinstance(listed, tuple):
                    parts[_is_one_of(frame[self.columns[0]], listed)] = part
        return parts

    def _by_share(self, drawn: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
        """The lowest numbers are test, the next validation, where a share was given."""
        test, valid = _share(self.test), _share(self.valid)
        parts = np.full(len(drawn), TRAIN, np.uint8)
        parts[drawn < test + valid] = VALID
        parts[drawn < test] = TEST
        return parts

    def _by_stratum(
        self, frame: pl.DataFrame, drawn: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.uint8]:
        """As `_by_share`, with cuts of each value's own; one that was not seen is trained on."""
        if self.strata is None:
            raise ValueError("a stratified split needs its strata; resolve them first")
        values = frame[self.columns[0]].cast(pl.String)
        parts = np.full(len(drawn), TRAIN, np.uint8)
        for level, (test, valid) in self.strata.items():
            here = values.eq_missing(pl.Series([level], dtype=pl.String)).to_numpy()
            parts[here & (drawn < valid)] = VALID
            parts[here & (drawn < test)] = TEST
        return parts

    def _by_time(self, frame: pl.DataFrame) -> npt.NDArray[np.uint8]:
        if self.cuts is None:
            raise ValueError("a time split needs its cuts; resolve them first")
        time = frame[self.columns[0]].to_physical()
        parts = np.full(frame.height, TRAIN, np.uint8)
        parts[(time >= self.cuts[0]).fill_null(False).to_numpy()] = VALID
        parts[(time >= self.cuts[1]).fill_null(False).to_numpy()] = TEST
        return parts


FINEST = 1000
"""Largest denominator of a share of a systematic split."""


def counted(share: float) -> Fraction | None:
    """Return a share as so many rows of every so many, at most `FINEST`; None if it is none."""
    near = Fraction(share).limit_denominator(FINEST)
    return near if abs(near - Fraction(share)) < Fraction(1, 10**9) else None


@lru_cache(maxsize=8)
def _places(valid: float, test: float) -> npt.NDArray[np.uint8]:
    """Return the part of each place of the period: held-out places lie as evenly as they can.

    Which rows test does not depend on ``valid``: with ``test`` 0.2 it is every fifth row, from the
    first one on. Validation rows are chosen in the same way among the others.
    """
    tests, validates = counted(test), counted(valid)
    if tests is None or validates is None:
        raise ValueError(f"no whole rows of every {FINEST}: test = {test}, valid = {valid}")
    period = lcm(tests.denominator, validates.denominator)
    parts = np.full(period, TRAIN, np.uint8)
    for part, share in ((TEST, tests), (VALID, validates)):
        free = np.flatnonzero(parts == TRAIN)
        chosen = round(share * period)
        parts[free[np.arange(len(free)) * chosen % len(free) < chosen]] = part
    parts.setflags(write=False)  # it is kept for the next call
    return parts


def _share(part: float | tuple[str | float, ...]) -> float:
    """A list of values is no share."""
    return part if isinstance(part, float) else 0.0


def hashed(keys: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Return a number for each row that depends on its values alone, on any machine.

    Args:
        keys: Columns of any type; a missing value is a value of its own.
    """
    low, high = np.zeros(keys.height, np.uint32), np.full(keys.height, 0x9747B28C, np.uint32)
    for column in keys.iter_columns():
        # Missing is no text: its own number keeps it apart from "".
        texts, gone = column.cast(pl.String), column.is_null().to_numpy()
        low = murmur3(texts, low + gone)
        high = murmur3(texts, high + gone)
    return (high.astype(np.uint64) << np.uint64(32)) | low


def _is_one_of(values: pl.Series, listed: Sequence[str | float]) -> npt.NDArray[np.bool_]:
    """Compare numbers as numbers and anything else as text; a missing value is none of them."""
    if values.dtype.is_numeric():
        found = values.cast(pl.Float64).is_in([float(item) for item in listed])
    else:
        found = values.cast(pl.String).is_in([str(item) for item in listed])
    return found.fill_null(False).to_numpy()
