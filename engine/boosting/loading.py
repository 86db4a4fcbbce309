"""A rank's rows, streamed into LightGBM's binned storage: one byte a cell, read once.

LightGBM asks a `lightgbm.Sequence` strictly in order when bins are given by a reference dataset,
and pushes what it gets without a copy (float32, C order). A thread reads one partition ahead, so
decoding goes on while LightGBM bins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.native import lightgbm
from engine.boosting.source import Rows, RowSource, ShardPart
from engine.errors import InputChanged, MillraceError, TrainingFailed

Progress = Callable[[int], None]
"""Called with the rows of each partition that has been read."""


@dataclass(frozen=True)
class Shard:
    """The rows of one rank that belong to one part.

    Attributes:
        data: LightGBM's dataset with labels, constructed; None without rows.
        y: Labels, float32, shape (rows,).
    """

    data: Any
    y: npt.NDArray[np.float32]


def load(
    source: RowSource,
    shard: Sequence[ShardPart],
    part: str,
    reference: Any,
    progress: Progress,
) -> Shard:
    """Stream the rows of one part into bins.

    Args:
        source: Reads partitions.
        shard: The rank's partitions.
        part: ``train`` or ``valid``.
        reference: Dataset that holds the bins.
        progress: Called after each partition.

    Raises:
        InputChanged: A partition has other rows than were counted.
        MillraceError: What the source raised.
    """
    counted = [(entry, entry.train if part == "train" else entry.valid) for entry in shard]
    wanted = [(entry, rows) for entry, rows in counted if rows]
    y = np.empty(sum(rows for _, rows in wanted), np.float32)
    if not wanted:
        return Shard(None, y)
    with ThreadPoolExecutor(1, "read-ahead") as pool:
        stream = _ahead(pool, source, [entry for entry, _ in wanted], part)
        feed = _Feed(stream, y, progress)
        sequences = [_sequence(feed, entry, rows) for entry, rows in wanted]
        data = lightgbm().Dataset(sequences, reference=reference, params=dict(reference.params))
        data.construct()
    return Shard(data.set_label(y), y)


def _ahead(
    pool: ThreadPoolExecutor, source: RowSource, parts: Sequence[ShardPart], part: str
) -> Iterator[Rows]:
    """Yield the rows of each partition while the next is being read."""
    waiting: Future[Rows] = pool.submit(_read, source, parts[0], part)
    for following in [*parts[1:], None]:
        rows = waiting.result()
        if following is not None:
            waiting = pool.submit(_read, source, following, part)
        yield rows
        del rows  # or it would live until the next one has come


def _read(source: RowSource, entry: ShardPart, part: str) -> Rows:
    try:
        return source.read(entry.partition, part)
    except MillraceError:
        raise
    except BaseException as error:  # a panic in Polars is a BaseException
        what = f"a partition cannot be read: {type(error).__name__}: {error}"
        raise TrainingFailed(what, where=_place(entry)) from error


@dataclass
class _Feed:
    """Hands out rows in order and keeps their labels."""

    stream: Iterator[Rows]
    y: npt.NDArray[np.float32]
    progress: Progress
    filled: int = 0

    def take(self, entry: ShardPart, expected: int) -> npt.NDArray[np.float32]:
        """Return the next matrix, shape (expected, features)."""
        rows = next(self.stream)
        if len(rows.y) != expected or len(rows.x) != expected:
            raise InputChanged(
                f"a partition has {len(rows.y):,} rows, {expected:,} were counted before",
                where=_place(entry),
                hint="run the job again: its input has changed since it was prepared",
            )
        self.y[self.filled : self.filled + expected] = rows.y
        self.filled += expected
        self.progress(expected)
        return np.ascontiguousarray(rows.x, np.float32)


def _sequence(feed: _Feed, entry: ShardPart, rows: int) -> Any:
    """Return one partition as what LightGBM reads from; defined late, as its base class is."""

    class Part(lightgbm().Sequence):  # type: ignore[misc]
        batch_size = rows

        def __len__(self) -> int:
            return rows

        def __getitem__(self, index: slice) -> npt.NDArray[np.float32]:
            return feed.take(entry, rows)

    return Part()


def _place(entry: ShardPart) -> str:
    return f"partition {entry.partition.index}"
