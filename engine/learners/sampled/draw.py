"""Which training rows are in a sample: known before any is read, whatever the partitions.

A row is known by its place among the training rows, in the order of the data. It draws a number,
and those with the smallest ones are in the sample: exactly as many as were asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.split import uniform

_SAMPLE_SEED = 0x5A3D
"""Added to the seed, so that the sample, splits and folds draw different numbers."""

_CHUNK = 2**20
"""Rows whose numbers are drawn at once: 24 MiB with what is made of them."""


@dataclass(frozen=True)
class Draw:
    """The rule that says which rows are in.

    Attributes:
        seed: Of the numbers.
        highest: The largest number of a row that is in.
        last: Place of that row: with the same number, those after it are out.
    """

    seed: int
    highest: float
    last: int

    @classmethod
    def of(cls, rows: int, wanted: int, seed: int) -> Draw:
        """Return the rule for the smallest numbers.

        Args:
            rows: All training rows.
            wanted: Rows of the sample, at most; above 0.
            seed: Of the numbers.
        """
        if rows <= wanted:
            return cls(seed, 1.0, rows)
        drawn, places = np.empty(0), np.empty(0, np.uint64)
        for start in range(0, rows, _CHUNK):
            more = np.arange(start, min(rows, start + _CHUNK), dtype=np.uint64)
            places = np.concatenate([places, more])
            drawn = np.concatenate([drawn, uniform(more, seed + _SAMPLE_SEED)])
            least = np.lexsort((places, drawn))[:wanted]
            drawn, places = drawn[least], places[least]
        return cls(seed, float(drawn[-1]), int(places[-1]))

    def chosen(self, first: int, rows: int) -> npt.NDArray[np.bool_]:
        """Return which of some rows that follow each other are in.

        Args:
            first: Place of the first one among all training rows.
            rows: How many.
        """
        places = np.arange(first, first + rows, dtype=np.uint64)
        drawn = uniform(places, self.seed + _SAMPLE_SEED)
        tied = (drawn == self.highest) & (places <= self.last)
        return np.asarray((drawn < self.highest) | tied, np.bool_)
