"""A sample of numbers as about 200 ranges with equally many rows each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BUCKETS = 200
"""Ranges wanted: a share below any bound is known within half a percent of the sample, as far as a
histogram is concerned."""

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Quantiles that are told."""

Values = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]


def counted(values: Values) -> tuple[Values, Counts]:
    """Return the different values, ascending, and the rows of each; at least one value."""
    # Of 0.0 and -0.0, which are equal, 0.0.
    return np.unique(values + values.dtype.type(0), return_counts=True)


def bucketed(values: Values, counts: Counts) -> tuple[Values, Counts]:
    """Put neighbouring values together; one with a range's share of the rows stays alone.

    Args:
        values: Different values, ascending.
        counts: Rows of each.

    Returns:
        The least value of each range, and its rows. Up to `BUCKETS` values stay as they are.
    """
    if len(values) <= BUCKETS:
        return values, counts
    rows = int(counts.sum())
    before = np.cumsum(counts) - counts
    number = before * BUCKETS // rows
    alone = counts * BUCKETS >= rows
    fresh = np.ones(len(values), np.bool_)
    fresh[1:] = (number[1:] != number[:-1]) | alone[1:] | alone[:-1]
    starts = np.flatnonzero(fresh)
    return values[starts], np.add.reduceat(counts, starts)


def quantiles(values: Values, counts: Counts) -> list[Any]:
    """Return the values at the nearest rank of `SHARES`, half way up as Polars does."""
    ends = np.cumsum(counts)
    ranks = [int((ends[-1] - 1) * share + 0.5) for share in SHARES]
    return [values[place] for place in np.searchsorted(ends, ranks, side="right")]
