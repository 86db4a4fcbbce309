"""Rows counted by prediction and by residual: what a residual plot is drawn of.

The grid is the finest, of steps that are powers of two, on which few enough ranges of each axis
hold rows. That depends on the set of values alone, and a coarser grid of this kind puts together
whole ranges of a finer one: parts of the data merge into the same table, in any order. A far
outlier takes a range of its own and does not make the others wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RANGES: Final = 64
"""Most ranges of an axis that hold rows: a table has 4,096 cells, 96 KiB, at most."""

_FINEST: Final = 1 << 16  # ranges between the least and the greatest value; a table in the cache
_BITS: Final = 50  # of the place of a range, with its sign, so that int64 and float64 hold it
_LEAST: Final = -1074  # the power of two that is the least float64


@dataclass(frozen=True, eq=False)
class Axis:
    """The grid of one axis, and which of its ranges hold rows.

    Attributes:
        low: Least value; ``inf`` without any.
        high: Greatest value; ``-inf`` without any.
        power: A range is ``2**power`` wide.
        places: Shape (k,), sorted and unique: the ranges from ``places * 2**power`` on.
    """

    low: float = math.inf
    high: float = -math.inf
    power: int = 0
    places: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(cls, values: Floats) -> tuple[Axis, Ints]:
        """Find the grid of at least one value, and the number of the range of each, shape (n,)."""
        low, high = float(values.min()), float(values.max())
        power = _finest(low, high)
        fine = _places(values, power)
        first = int(fine.min())
        fine -= first
        held = np.flatnonzero(np.bincount(fine)) + first
        axis = _coarsened(low, high, power, held)
        shift = axis.power - power
        # A number for each place between the first and the last: at most `_FINEST` of them.
        number = np.zeros(int(axis.places[-1] - axis.places[0]) + 1, np.int64)
        number[axis.places - axis.places[0]] = np.arange(len(axis.places))
        return axis, number[((fine + first) >> shift) - axis.places[0]]

    def merge(self, other: Axis) -> Axis:
        """Return the grid of the values of both."""
        if not (len(self.places) and len(other.places)):
            return self if len(self.places) else other
        low, high = min(self.low, other.low), max(self.high, other.high)
        power = max(self.power, other.power, _finest(low, high))
        places = [axis.places >> (power - axis.power) for axis in (self, other)]
        both = np.sort(np.concatenate(places))
        return _coarsened(low, high, power, both[_changes(both)])

    def number(self, finer: Axis) -> Ints:
        """Return the number here of each range of a finer grid, shape (its ranges,)."""
        return np.searchsorted(self.places, finer.places >> (self.power - finer.power))

    @property
    def starts(self) -> Floats:
        """Where each range begins, shape (k,)."""
        starts: Floats = np.ldexp(self.places.astype(np.float64), self.power)
        return starts

    @property
    def width(self) -> float:
        """Width of a range; of one value alone, which may be narrower than a float64 can tell."""
        return max(math.ldexp(1.0, self.power), math.ulp(0.0))

    @property
    def middles(self) -> Floats:
        """The middle of each range, shape (k,)."""
        middles: Floats = np.ldexp(self.places + 0.5, self.power)
        return middles


@dataclass(frozen=True, eq=False)
class ResidualTable:
    """Rows by range of the prediction and of the residual.

    Attributes:
        predicted: The ranges of predictions.
        residual: The ranges of residuals: label minus prediction.
        counts: Shape (ranges of predictions, ranges of residuals), int64.
    """

    predicted: Axis = field(default_factory=Axis)
    residual: Axis = field(default_factory=Axis)
    counts: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    @classmethod
    def of(cls, predicted: Floats, residual: Floats) -> ResidualTable:
        """Count rows by finite predictions and residuals, two arrays of shape (n,)."""
        if not len(predicted):
            return cls()
        one, row = Axis.of(predicted)
        two, column = Axis.of(residual)
        shape = (len(one.places), len(two.places))
        counts = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1])
        return cls(one, two, counts.astype(np.int64).reshape(shape))

    def merge(self, other: ResidualTable) -> ResidualTable:
        """Return the table of both sets of rows; the same in any order."""
        predicted = self.predicted.merge(other.predicted)
        residual = self.residual.merge(other.residual)
        counts = np.zeros((len(predicted.places), len(residual.places)), np.int64)
        for part in (self, other):
            row, column = predicted.number(part.predicted), residual.number(part.residual)
            np.add.at(counts, (row[:, None], column[None, :]), part.counts)
        return ResidualTable(predicted, residual, counts)

    def figure(self) -> dict[str, Any]:
        """Return it as JSON values: where ranges begin, their width, and the cells with rows.

        Returns:
            ``predicted`` and ``residual``: starts of the ranges; ``width`` and ``height`` of all of
            them; ``cells``: number of the range of predictions, of that of residuals, and rows.
        """
        rows, columns = np.nonzero(self.counts)
        return {
            "predicted": self.predicted.starts.tolist(),
            "residual": self.residual.starts.tolist(),
            "width": self.predicted.width,
            "height": self.residual.width,
            "cells": np.stack([rows, columns, self.counts[rows, columns]], axis=1).tolist(),
        }

    def fits(self, counts: Ints) -> dict[str, Floats]:
        """Return R2 and explained variance of draws of the table, as if rows lay in the middles.

        Args:
            counts: Shape (draws, ranges of predictions, ranges of residuals).
        """
        residual = np.broadcast_to(self.residual.middles, self.counts.shape)
        labels = self.predicted.middles[:, None] + residual
        # From a label in the middle, so that squares of large ones do not cancel.
        labels = labels - (labels * self.counts).sum() / max(1, self.counts.sum())
        drawn = counts.reshape(len(counts), -1).astype(np.float64)
        rows = drawn.sum(axis=1)
        moments = (labels, labels**2, residual, residual**2)
        label, squares, error, errors = (drawn @ values.ravel() for values in moments)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = squares - label**2 / rows
            spread = np.where(spread > 0, spread, np.nan)
            return {
                "r2": 1 - errors / spread,
                "explained_variance": 1 - (errors - error**2 / rows) / spread,
            }


def _finest(low: float, high: float) -> int:
    """Return the power of the finest grid for values within bounds."""
    top = max(abs(low), abs(high))
    # A single 0 is on every grid: it must not make that of others coarser.
    power = (math.frexp(top)[1] if top else _LEAST) - _BITS
    if high > low:
        # Halves, as the distance itself may be beyond float64; a bit less, for it is rounded.
        apart = math.frexp(high / 2 - low / 2)[1] + 1
        power = max(power, apart - _FINEST.bit_length() - 1)
    while _place(high, power) - _place(low, power) >= _FINEST:
        power += 1
    return power


def _place(value: float, power: int) -> int:
    return int(_places(np.array([value]), power)[0])


def _places(values: Floats, power: int) -> Ints:
    scaled = np.ldexp(values, -power)
    # What is too small for a float64 once it is scaled is still below 0 if it was.
    places: Ints = np.floor(scaled).astype(np.int64) - ((scaled == 0) & (values < 0))
    return places


def _coarsened(low: float, high: float, power: int, places: Ints) -> Axis:
    """Double the width of ranges until few enough hold rows."""
    while len(places) > RANGES:
        halved = places >> 1  # still in order
        places, power = halved[_changes(halved)], power + 1
    return Axis(low, high, power, places)


def _changes(places: Ints) -> npt.NDArray[np.bool_]:
    """Tell which of the places in order are not those before them."""
    return np.append(True, places[1:] != places[:-1])
