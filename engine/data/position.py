"""Where a row of a partition stands: its slice, its file, its number in that file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.plan import Partition


def positions(paths: Sequence[str], partition: Partition, rows: pl.Series) -> pl.DataFrame:
    """Say where rows stand.

    Args:
        paths: Path of each file of the data set's listing.
        partition: The partition that the rows belong to.
        rows: Numbers of rows in the whole data set (Int64).

    Returns:
        A row each, in the same order: ``slice`` (position in the partition), ``file`` (path) and
        ``row`` (within the file, from 0).
    """
    shift = np.array([part.start - part.first for part in partition.slices], np.int64)
    names = pl.Series([paths[part.file] for part in partition.slices], dtype=pl.String)
    numbers, place = rows.to_numpy(), _slices(partition, rows)
    return pl.DataFrame(
        {"slice": place, "file": names.gather(place), "row": numbers + shift[place]},
        schema={"slice": pl.Int64, "file": pl.String, "row": pl.Int64},
    )


def by_slice(partition: Partition, rows: pl.Series) -> npt.NDArray[np.int64]:
    """Count rows by the slice that they stand in, without saying where each one does.

    Args:
        partition: The partition that the rows belong to.
        rows: Numbers of rows in the whole data set (Int64).

    Returns:
        A count for each slice, shape (slices,).
    """
    if len(partition.slices) == 1:  # nothing to look up
        return np.array([rows.len()], np.int64)
    return np.bincount(_slices(partition, rows), minlength=len(partition.slices))


def _slices(partition: Partition, rows: pl.Series) -> npt.NDArray[np.int64]:
    """Return the position of each row's slice in the partition, shape (rows,)."""
    first = np.array([part.first for part in partition.slices], np.int64)
    order = np.argsort(first, kind="stable")
    return order[np.searchsorted(first[order], rows.to_numpy(), side="right") - 1]
