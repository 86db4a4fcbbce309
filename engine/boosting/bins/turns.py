"""Which rows have their turn: all at once, or one subset of them after the other.

A subset is a share of the rows of every partition, drawn at random, so that each subset looks like
the whole. Rows are put into the order of their subsets when their block is written: the rows of a
subset then stand together in the file. What is drawn depends on the partition alone, never on
ranks. With queries, whole queries are drawn, by their hash, and keep their order; the rows that go
on with a query of the partition before (the head) stay in front, as another rank may have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.block import Stored
from engine.boosting.source import Rows
from engine.split import uniform

Array = npt.NDArray[Any]
Span = tuple[int, int]

_SEED = 0x707A7E


@dataclass(frozen=True)
class Turns:
    """How rows are shared out over subsets.

    Attributes:
        subsets: How many there are; with one, rows stay as they are.
    """

    subsets: int = 1

    def order(self, rows: Rows, partition: int, head: int) -> Array | None:
        """Return the order in which rows are written; None = as they are.

        Args:
            rows: All rows of the block.
            partition: Number of its partition.
            head: Rows that go on with a query of the partition before.
        """
        if self.subsets == 1:
            return None
        if rows.query is None:
            return np.random.default_rng([_SEED, partition]).permutation(len(rows.y))
        rest = head + np.argsort(self._drawn(rows.query[head:]), kind="stable")
        return np.concatenate([np.arange(head), rest])

    def spans(self, block: Stored, subset: int, head: int, start: int, stop: int) -> list[Span]:
        """Return where the rows of a subset stand.

        Args:
            block: All rows of a part of a partition.
            subset: Number of the subset.
            head: As in `order`.
            start: First row that counts: 0 or ``head``.
            stop: The last one and one more: ``head`` or all rows.
        """
        if self.subsets == 1:
            return [(start, stop)]
        if "query" not in block.form.vectors:
            start, stop = (block.rows * at // self.subsets for at in (subset, subset + 1))
            return [(start, stop)]
        drawn = self._drawn(block.vector("query", 0, block.rows))
        low, high = head + np.searchsorted(drawn[head:], [subset, subset + 1])
        spans = [(0, head)] if start < head and drawn[0] == subset else []
        return [*spans, (int(low), int(high))] if stop > head else spans

    def _drawn(self, query: Array) -> Array:
        return (uniform(query, _SEED) * self.subsets).astype(np.int64)
