"""The rows that a rank has on its disk, as datasets of LightGBM's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.dataset import Piece, dataset
from engine.boosting.council.labels import LabelCounts
from engine.boosting.rank.loading import Blocks
from engine.boosting.rank.trees import Add
from engine.boosting.source import Portion
from engine.queries import starts_of

Array = npt.NDArray[Any]

TILE = 1 << 16
"""Rows that trees look at together."""


@dataclass(frozen=True)
class Part:
    """Some rows of a rank: all of one part, or those of one subset.

    Attributes:
        blocks: Where they are.
        pieces: What they are.
    """

    blocks: Blocks
    pieces: Sequence[Piece]

    @classmethod
    def of(cls, blocks: Blocks, shard: Sequence[Portion], part: str, subset: int | None) -> Part:
        """Return the rows of a part.

        Args:
            blocks: Where they are.
            shard: The rank's rows.
            part: ``train`` or ``valid``.
            subset: Only those of this subset; None = all.
        """
        pieces = []
        # Subset by subset, so that a query that is cut by the border of partitions stays whole.
        for one in range(blocks.turns.subsets) if subset is None else [subset]:
            for portion in shard:
                if portion.part == part:
                    block = blocks.stored(portion)
                    kept = (portion.head, portion.start, portion.stop)
                    spans = blocks.turns.spans(block, one, *kept)
                    pieces += [Piece(block, *span) for span in spans if span[1] > span[0]]
        return cls(blocks, pieces)

    @property
    def rows(self) -> int:
        """How many."""
        return sum(piece.rows for piece in self.pieces)

    def vector(self, name: str) -> Array:
        """Return ``y``, ``weight``, ``init`` or ``query`` of all rows."""
        found = [piece.block.vector(name, piece.start, piece.stop) for piece in self.pieces]
        return np.concatenate(found) if found else np.empty(0, np.float32)

    def counts(self) -> LabelCounts:
        """Return what the labels and weights are, piece by piece: all of them may be too many."""
        total = LabelCounts()
        for piece in self.pieces:
            span = piece.start, piece.stop
            weight = piece.block.vector("weight", *span) if self.has("weight") else None
            total += LabelCounts.of(piece.block.vector("y", *span), weight)
        return total

    def has(self, name: str) -> bool:
        """Tell whether rows have this vector."""
        return name in self.blocks.form.vectors

    def dataset(self, params: dict[str, Any]) -> Any:
        """Return LightGBM's dataset with labels, weights and queries; None without rows."""
        if not self.rows:
            return None
        blocks = self.blocks
        data = dataset(blocks.coder, blocks.reference, params, self.pieces)
        data.set_label(self.vector("y"))
        if self.has("weight"):
            data.set_weight(self.vector("weight"))
        if self.has("query"):
            data.set_group(_runs(self.vector("query")))
        # LightGBM has its own copies.
        data.label = data.weight = data.group = None
        return data

    def start(self, data: Any, add: Add | None) -> None:
        """Set the raw scores that boosting starts from, if any.

        Args:
            data: What `dataset` returned.
            add: Adds what trees say that the rows' own first scores do not hold; or None.
        """
        if data is None or (add is None and not self.has("init")):
            return
        scores = np.zeros((self.rows, self.blocks.form.outputs))
        if self.has("init"):
            scores += self.vector("init").reshape(scores.shape)
        if add is not None:
            self._add(add, scores)
        data.set_init_score(scores if scores.shape[1] > 1 else scores[:, 0])
        data.init_score = None

    def _add(self, add: Add, scores: npt.NDArray[np.float64]) -> None:
        done = 0
        for piece in self.pieces:
            for start in range(piece.start, piece.stop, TILE):
                stop = min(start + TILE, piece.stop)
                x = self.blocks.coder.decode(list(piece.block.cells(start, stop)))
                add(x, scores[done : done + stop - start])
                done += stop - start


def _runs(query: Array) -> Array:
    """Return the numbers of rows of the queries, in order."""
    return np.diff(np.append(starts_of(query), len(query)))
