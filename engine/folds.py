"""Folds of cross-validation: masks over the training rows of one data set, never copies.

Which fold holds a row out depends on the row alone (its number in the data set, its group, its
time or its label), on the base split and the seed, never on partitions or workers. A `Fold` is a
split like any other: what trains, prepares or measures under a split does so under a fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.split import TEST, TRAIN, VALID, Split, hashed, uniform

Numbers = npt.NDArray[np.uint8]

NOWHERE = 255
"""In place of the number of a fold: no fold holds the row out."""

MOST = 100
"""Folds of one repeat, at most."""

_SEED = 0xC0F01D
"""Added to a seed, so that folds and splits of one seed draw different numbers."""

_REPEAT = 0x9E3779B1
"""Added to the seed for each repeat (a prime near 2^32 / golden ratio)."""

_NESTED = 0x85EBCA6B
"""Added to the seed for each fold that folds are within (a constant of MurmurHash3)."""


@dataclass(frozen=True)
class Folds:
    """How training rows are held out by turns.

    Attributes:
        by: ``random``: by row number. ``stratified``: by row number, so that every fold has the
            same share of every value of one column. ``group``: by the values of ``columns``, equal
            values stay together. ``time``: windows of time, each held out by the fold that is
            trained on what was before it.
        count: Folds of one repeat, 2 to `MOST`.
        repeats: How often all rows are dealt anew; 1 for ``time``.
        columns: What all but ``random`` look at.
        seed: Of all but ``time``.
        gap: Of ``time``: what lies so shortly before a window is left out, in units of the
            column's integers.
        window: Of ``time``: ``expanding``: all that was before is trained on. ``rolling``: only
            the stretch of time from one window before, so that each fold trains on about as many
            rows as it holds out, less the gap.
        cuts: Of ``time``: where windows begin, shape (count + 1,): the first one is never held out.
            Those of the training rows' quantiles, so that all hold about as many rows.
        strata: Of ``stratified``: by value and repeat, the drawn numbers at which folds begin,
            without the first, shape (repeats, count - 1).
    """

    by: Literal["random", "stratified", "group", "time"]
    count: int
    repeats: int = 1
    columns: tuple[str, ...] = ()
    seed: int = 42
    gap: float = 0.0
    window: Literal["expanding", "rolling"] = "expanding"
    cuts: tuple[float, ...] | None = None
    strata: Mapping[str | None, tuple[tuple[float, ...], ...]] | None = None

    def __post_init__(self) -> None:
        """Refuse numbers of folds that cannot be."""
        if not 2 <= self.count <= MOST or self.repeats < 1:
            raise ValueError(f"{self.count} folds, {self.repeats} times")
        if self.by == "time" and self.repeats > 1:
            raise ValueError("windows of time are the same every time")

    @property
    def resolved(self) -> bool:
        """Whether all that has to be learnt from the data as a whole is known."""
        if self.by == "time":
            return self.cuts is not None
        return self.by != "stratified" or self.strata is not None

    def inside(self, base: Split) -> Folds:
        """Return the folds for a split that may be a fold itself: nested ones deal rows anew.

        With the same draws the rows that an outer fold trains on would lack those of one inner
        fold, and folds by group or label would not be even.
        """
        if not isinstance(base, Fold):
            return self
        return replace(self, seed=self.seed + _NESTED * (1 + base.depth))

    def part(self, frame: pl.DataFrame, numbers: pl.Series, repeat: int = 0) -> Numbers:
        """Return which fold holds each row out.

        Args:
            frame: Training rows with ``columns``.
            numbers: Their row numbers in the data set.
            repeat: From 0.

        Returns:
            Number of the fold from 0, uint8, shape (rows,); `NOWHERE` where no fold does: with
            ``time`` before the first window, and without a time.
        """
        if self.by == "time":
            return self._windows(frame)
        if self.by == "group":
            keys = hashed(frame.select(self.columns))
            return _even(uniform(keys, self._seed(repeat)), self.count)
        drawn = self.draws(numbers, repeat)
        if self.by == "random":
            return _even(drawn, self.count)
        return self._stratified(frame, drawn, repeat)

    def draws(self, numbers: pl.Series, repeat: int) -> npt.NDArray[np.float64]:
        """Return the number in [0, 1) that deals each row in a repeat, from its row number."""
        return uniform(numbers.to_numpy().astype(np.uint64), self._seed(repeat))

    def trained(self, frame: pl.DataFrame, numbers: pl.Series, fold: int, repeat: int) -> Numbers:
        """Return the part of each training row under one fold.

        Args:
            frame: Training rows with ``columns``.
            numbers: Their row numbers in the data set.
            fold: Its number, from 0.
            repeat: From 0.

        Returns:
            ``TRAIN``, ``VALID`` (held out) or ``TEST`` (left out), uint8, shape (rows,).
        """
        held_out = self.part(frame, numbers, repeat) == fold
        if self.by != "time":
            return np.where(held_out, VALID, TRAIN).astype(np.uint8)
        parts = np.full(len(held_out), TEST, np.uint8)
        parts[self._before(frame, fold)] = TRAIN
        parts[held_out] = VALID
        return parts

    def under(self, base: Split) -> Iterator[Fold]:
        """Yield every fold of every repeat as a split, repeat by repeat.

        Args:
            base: The split whose training rows are dealt; its cuts are known.
        """
        for repeat in range(self.repeats):
            for number in range(self.count):
                yield Fold.of(base, self, number, repeat)

    def _seed(self, repeat: int) -> int:
        return self.seed + _SEED + repeat * _REPEAT

    def _stratified(
        self, frame: pl.DataFrame, drawn: npt.NDArray[np.float64], repeat: int
    ) -> Numbers:
        """Deal each value by cuts of its own; one that was not seen as if it were the only one."""
        if self.strata is None:
            raise ValueError("stratified folds need their strata; resolve them first")
        values = frame[self.columns[0]].cast(pl.String)
        found = _even(drawn, self.count)
        for level, cuts in self.strata.items():
            here = values.eq_missing(pl.Series([level], dtype=pl.String)).to_numpy()
            found[here] = np.searchsorted(cuts[repeat], drawn[here], side="right")
        return found

    def _windows(self, frame: pl.DataFrame) -> Numbers:
        found = np.full(frame.height, NOWHERE, np.uint8)
        time = self._time(frame)
        for fold, (start, stop) in enumerate(pairwise((*self._cuts[1:], float("inf")))):
            found[(time >= start) & (time < stop)] = fold
        return found

    def _before(self, frame: pl.DataFrame, fold: int) -> npt.NDArray[np.bool_]:
        """Tell which rows are trained on before a window is held out."""
        time, end = self._time(frame), self._cuts[fold + 1] - self.gap
        before = time < end
        return before & (time >= self._cuts[fold]) if self.window == "rolling" else before

    def _time(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Return times as numbers of the column's integers; NaN where missing: in no window.

        A float64 keeps the order of nanoseconds, though it rounds them to 256.
        """
        time = frame[self.columns[0]].to_physical().cast(pl.Float64)
        return time.fill_null(float("nan")).to_numpy()

    @property
    def _cuts(self) -> tuple[float, ...]:
        if self.cuts is None:
            raise ValueError("folds of time need their cuts; resolve them first")
        return self.cuts


@dataclass(frozen=True)
class Fold(Split):
    """A split under one fold: the fold's rows validate, those left out are test rows.

    Training rows of the base split are dealt by the fold; its validation and test rows are neither
    trained on nor measured under a fold, so they are test rows, as are those in a gap or in no
    window. `engine.split.Split` tells the fields that it takes from the base split; ``columns``
    are what both look at.

    Attributes:
        base: The split whose training rows are dealt.
        folds: How they are dealt.
        number: Of the fold, from 0.
        repeat: From 0.
    """

    base: Split = field(kw_only=True)
    folds: Folds = field(kw_only=True)
    number: int = field(kw_only=True)
    repeat: int = field(kw_only=True)

    @classmethod
    def of(cls, base: Split, folds: Folds, number: int, repeat: int = 0) -> Self:
        """Return a fold under a split; both know their cuts."""
        own: dict[str, Any] = {one.name: getattr(base, one.name) for one in fields(Split)}
        own["columns"] = tuple(dict.fromkeys([*base.columns, *folds.columns]))
        return cls(**own, base=base, folds=folds, number=number, repeat=repeat)

    @property
    def name(self) -> str:
        """What it is called in files and messages: ``fold-2``, ``repeat-1-fold-2``, from 1."""
        fold = f"fold-{self.number + 1}"
        return f"repeat-{self.repeat + 1}-{fold}" if self.folds.repeats > 1 else fold

    @property
    def depth(self) -> int:
        """How many folds its base split is within."""
        return 1 + self.base.depth if isinstance(self.base, Fold) else 0

    def assign(self, frame: pl.DataFrame, numbers: pl.Series) -> Numbers:
        """Return the part of each row; see `engine.split.Split.assign`."""
        parts = self.base.assign(frame, numbers)
        train = parts == TRAIN
        parts[~train] = TEST
        mask = pl.Series(train)
        rows = pl.DataFrame([frame[name].filter(mask) for name in self.folds.columns])
        own = numbers.filter(mask)
        parts[train] = self.folds.trained(rows, own, self.number, self.repeat)
        return parts


def _even(drawn: npt.NDArray[np.float64], count: int) -> Numbers:
    """Return the fold of numbers in [0, 1)."""
    return (drawn * count).astype(np.uint8)
