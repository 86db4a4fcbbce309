"""In which order and in which batches rows are learned from: decided before any is read.

It depends on the rows, the partitions and the seed, never on workers, so that a model does not
either, and a training goes on from any batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from engine.boosting.source import ShardPart
from engine.split import uniform

BATCH = 8192
"""Rows of a batch, at least, where there are as many, and less than twice as many. Rows change
places within their batch. That is enough for the first batch of a PCA (its components) and of
k-means (its centres), and small: 30 features of it take 2 MB."""

BATCH_CELLS = 2**20
"""Cells of a batch at which it gets fewer rows: 8 MiB as float64."""

LEAST = 512
"""Rows of a batch that are always there, however many features."""

SPAN = 64
"""Batches between two checkpoints, at most: half a million rows, one to some ten seconds."""

_ORDER_SEED = 0x57EA
"""Added to the seed, so that the order of rows, samples and splits draw different numbers."""


@dataclass(frozen=True)
class Piece:
    """Training rows of a partition that follow each other.

    Attributes:
        part: The partition.
        start: First row, counted among its training rows.
        stop: Last row and one more.
    """

    part: ShardPart
    start: int
    stop: int


@dataclass(frozen=True)
class Span:
    """Some batches of an epoch that follow each other: what one task learns from.

    Attributes:
        epoch: Which one, from 0.
        first: Number of its first batch in the epoch.
        sizes: Rows of each batch.
        pieces: Where these rows are, in their order.
    """

    epoch: int
    first: int
    sizes: tuple[int, ...]
    pieces: tuple[Piece, ...]


def batch_rows(features: int) -> int:
    """Return the rows of a batch, at least; see `BATCH`."""
    return min(BATCH, max(LEAST, BATCH_CELLS // max(1, features)))


def spans(
    parts: Sequence[ShardPart], epoch: int, seed: int, shuffled: bool, batch: int
) -> list[Span]:
    """Return all spans of an epoch, in order.

    Args:
        parts: All partitions.
        epoch: Which one, from 0.
        seed: Of the order.
        shuffled: Whether partitions change places; else they are taken in their order.
        batch: Rows of a batch, at least; `batch_rows`.
    """
    ordered = _ordered([part for part in parts if part.train], epoch, seed, shuffled)
    rows = sum(part.train for part in ordered)
    count = max(1, rows // batch)
    cuts = [rows * i // count for i in range(count + 1)]
    found = []
    for first in range(0, count, SPAN):
        within = cuts[first : first + SPAN + 1]
        sizes = tuple(high - low for low, high in pairwise(within))
        pieces = tuple(_pieces(ordered, within[0], within[-1]))
        found.append(Span(epoch, first, sizes, pieces))
    return found


def places(rows: int, span: Span, batch: int, seed: int) -> npt.NDArray[np.intp]:
    """Return the order of the rows of a batch in an epoch that is shuffled.

    Args:
        rows: How many.
        span: Where the batch belongs.
        batch: Its number in the span.
        seed: Of the order.
    """
    draw = np.random.default_rng([seed, _ORDER_SEED, span.epoch, span.first + batch])
    return draw.permutation(rows)


def _ordered(
    parts: Sequence[ShardPart], epoch: int, seed: int, shuffled: bool
) -> Sequence[ShardPart]:
    if not shuffled:
        return parts
    numbers = np.array([part.partition.index for part in parts], np.uint64)
    drawn = uniform(numbers, seed + _ORDER_SEED + epoch)
    return [parts[place] for place in np.lexsort((numbers, drawn))]


def _pieces(ordered: Sequence[ShardPart], start: int, stop: int) -> Iterator[Piece]:
    """Yield where the rows of a range are, counted over all training rows in their order."""
    begin = 0
    for part in ordered:
        low, high = max(start, begin), min(stop, begin + part.train)
        if low < high:
            yield Piece(part, low - begin, high - begin)
        begin += part.train
