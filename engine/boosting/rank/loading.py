"""A rank's rows, streamed into LightGBM's binned storage: one byte a cell.

They are binned into a file under TMPDIR (`BinFile`), or by LightGBM where that does not go.
LightGBM asks a `lightgbm.Sequence` strictly in order when bins are given by a reference dataset,
and pushes what it gets without a copy (float32, C order). Training and validation rows are binned
side by side, so that a source can read a partition once for both; a thread reads one partition
ahead, so that decoding goes on while LightGBM bins.
"""

from __future__ import annotations

import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.file import BinFile
from engine.boosting.native import lightgbm
from engine.boosting.source import Rows, RowSource, ShardPart
from engine.errors import InputChanged, MillraceError, TrainingFailed

Progress = Callable[[int], None]
"""Called with the rows of each partition that has been binned."""


@dataclass(frozen=True)
class Binned:
    """The rows of one rank that belong to one part.

    Attributes:
        data: LightGBM's dataset with labels, constructed; None without rows.
        y: Labels, float32, shape (rows,).
    """

    data: Any
    y: npt.NDArray[np.float32]

    def without_labels(self) -> Binned:
        """Return the same bins; LightGBM has its own copy of the labels, ours are let go."""
        if self.data is not None:
            self.data.label = None
        return Binned(self.data, self.y[:0].copy())


def load(
    source: RowSource, shard: Sequence[ShardPart], reference: Any, progress: Progress
) -> tuple[Binned, Binned]:
    """Stream a rank's rows into bins.

    After an error the reading thread stays behind; the rank's process ends then.

    Args:
        source: Reads partitions.
        shard: The rank's partitions.
        reference: Dataset that holds the bins.
        progress: Called after each partition.

    Returns:
        Training and validation rows.

    Raises:
        InputChanged: A partition has other rows than were counted.
        MillraceError: What the source raised.
    """
    train = _Feed([entry.train for entry in shard], progress)
    valid = _Feed([entry.valid for entry in shard], progress)
    reader = threading.Thread(target=_read_all, args=(source, shard, train, valid), daemon=True)
    reader.start()

    def beside() -> Binned:
        try:
            return _binned(valid, reference)
        except BaseException as error:  # or training rows wait for ever for a reader that waits
            train.put(error)  # for us
            raise

    other = ThreadPoolExecutor(1, "valid").submit(beside)
    return _binned(train, reference), other.result()


class _Feed:
    """Hands the rows of one part from the reading thread to LightGBM, and keeps their labels.

    Args:
        counts: Rows of each partition.
        progress: Called when a partition has been handed over.
    """

    def __init__(self, counts: Sequence[int], progress: Progress) -> None:
        """Make room for the labels."""
        self.counts = [count for count in counts if count]
        self.y = np.empty(sum(counts), np.float32)
        # The next partition may be read once the one before it has been taken: two at a time.
        self.wanted = threading.Semaphore(1)
        self._handed: queue.SimpleQueue[Rows | BaseException] = queue.SimpleQueue()
        self._filled, self._progress = 0, progress
        self._back: npt.NDArray[np.float32] | None = None

    def put_back(self, x: npt.NDArray[np.float32]) -> None:
        """Have the matrix that was taken last taken once more."""
        self._back = x

    def put(self, rows: Rows | BaseException) -> None:
        """Hand over a partition, or why there are no more."""
        self._handed.put(rows)

    def take(self, count: int) -> npt.NDArray[np.float32]:
        """Return the next matrix, shape (count, features)."""
        if self._back is not None:
            back, self._back = self._back, None
            return back
        rows = self._handed.get()
        self.wanted.release()
        if isinstance(rows, BaseException):
            raise rows
        self.y[self._filled : self._filled + count] = rows.y
        self._filled += count
        self._progress(count)
        return np.ascontiguousarray(rows.x, np.float32)


def _read_all(source: RowSource, shard: Sequence[ShardPart], train: _Feed, valid: _Feed) -> None:
    try:
        for entry, part, count in _pieces(shard):
            feed = train if part == "train" else valid
            feed.wanted.acquire()
            feed.put(_read(source, entry, part, count))
    except MillraceError as error:
        train.put(error)
        valid.put(error)


def _pieces(shard: Sequence[ShardPart]) -> Iterator[tuple[ShardPart, str, int]]:
    """Yield what is to be read: both parts of a partition, one right after the other."""
    for entry in shard:
        for part, count in (("train", entry.train), ("valid", entry.valid)):
            if count:
                yield entry, part, count


def _read(source: RowSource, entry: ShardPart, part: str, count: int) -> Rows:
    place = f"partition {entry.partition.index}"
    try:
        rows = source.read(entry.partition, part)
    except MillraceError:
        raise
    except BaseException as error:  # a panic in Polars is a BaseException
        what = f"a partition cannot be read: {type(error).__name__}: {error}"
        raise TrainingFailed(what, where=place) from error
    if len(rows.y) != count or len(rows.x) != count:
        raise InputChanged(
            f"a partition has {len(rows.y):,} {part} rows, {count:,} were counted before",
            where=place,
            hint="run the job again: its input has changed since it was prepared",
        )
    return rows


def _binned(feed: _Feed, reference: Any) -> Binned:
    if not feed.counts:
        return Binned(None, feed.y)
    params = dict(reference.params)
    first = feed.take(feed.counts[0])
    with tempfile.TemporaryDirectory(prefix="millrace-rows-") as folder:
        file = _file(reference, sum(feed.counts), first, Path(folder))
        if file is not None:
            file.add(first)
            del first
            for count in feed.counts[1:]:
                file.add(feed.take(count))
            return Binned(file.dataset(params).set_label(feed.y), feed.y)
    feed.put_back(first)
    del first
    parts = [_part(feed, count) for count in feed.counts]
    data = lightgbm().Dataset(parts, reference=reference, params=params)
    return Binned(data.construct().set_label(feed.y), feed.y)


def _file(reference: Any, rows: int, first: npt.NDArray[np.float32], folder: Path) -> Any:
    """Return a file to bin into, or None where LightGBM must bin: slower, the same bins."""
    try:
        return BinFile(reference, rows, first, folder)
    except Exception as error:  # whatever it is, LightGBM's own way is right
        print(f"LightGBM bins the rows itself: {error}", file=sys.stderr)
        return None


def _part(feed: _Feed, count: int) -> Any:
    """Return a partition as what LightGBM reads from; defined late, as its base class is."""

    class Part(lightgbm().Sequence):  # type: ignore[misc]
        batch_size = count

        def __len__(self) -> int:
            return count

        def __getitem__(self, index: slice) -> npt.NDArray[np.float32]:
            return feed.take(count)

    return Part()
