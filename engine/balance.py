"""Training rows that are left out, so that frequent classes do not drown rare ones.

The decision depends on the row's number, its class and the seed alone: it is the same for any
partitions and any workers, and every learner sees the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.split import LEFT_OUT, TRAIN, uniform

_SEED = 0xBA1A
"""Added to a seed, so that this and a random split of one seed draw different numbers."""


@dataclass(frozen=True)
class Balance:
    """How many of the training rows of each class are learned from.

    Attributes:
        shares: Share of the classes by name, in (0, 1], all of those that are left out; None: such
            that all have as many rows as the rarest, which a pass over the labels finds.
        kept: Share of each class by its code; empty: not known yet
            (`engine.training.cuts.with_balance`).
        seed: Another one draws other rows.
    """

    shares: Mapping[str, float] | None = None
    kept: tuple[float, ...] = ()
    seed: int = 42

    def thinned(
        self, parts: npt.NDArray[np.uint8], y: npt.NDArray[np.float32], numbers: pl.Series
    ) -> npt.NDArray[np.uint8]:
        """Return the part of each row, `LEFT_OUT` for training rows that are not learned from.

        Args:
            parts: Shape (n,), as the split has it.
            y: Shape (n,), codes of classes.
            numbers: Row numbers in the data set.

        Raises:
            ValueError: The shares are not known yet.
        """
        if not self.kept:
            raise ValueError("balanced classes need their shares; resolve them first")
        drawn = uniform(numbers.to_numpy().astype(np.uint64), self.seed + _SEED)
        # A label that is no class is kept: it is refused with a better reason later.
        known = np.isin(y, np.arange(len(self.kept)))
        kept = np.ones(len(y))
        kept[known] = np.array(self.kept)[y[known].astype(np.intp)]
        return np.where((parts == TRAIN) & (drawn >= kept), np.uint8(LEFT_OUT), parts)


def even(counts: Sequence[int]) -> tuple[float, ...]:
    """Return the share of each class that leaves as many rows of it as the rarest has.

    Args:
        counts: Training rows by code of the class; a class without any is left as it is.
    """
    least = min((count for count in counts if count), default=0)
    return tuple(least / count if count else 1.0 for count in counts)
