"""Blocks with the folds of their rows beside them, and the rows of one fold among them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.boosting.bins.block import Stored
from engine.boosting.bins.marks import MARKS, MarkedRows, Masked, Masks, UnderFold
from engine.boosting.rank.loading import Blocks, Progress
from engine.boosting.source import Portion, Rows, RowSource
from engine.errors import InputChanged


@dataclass
class MarkedBlocks(Blocks):
    """Blocks with the marks of their rows.

    Attributes:
        name: Of the masks; blocks are named without, as other folds have the same.
        folds: How many; 0: rows have no marks.
    """

    name: str = ""
    folds: int = 0

    def masks(self, portion: Portion) -> Masks:
        """Return the marks of the rows of a block; they need not be there."""
        block = self.of(portion)
        return Masks(block.path.with_suffix(f".{self.name}"), block.rows, self.folds)

    def there(self, portion: Portion) -> bool:
        """Tell whether rows are there, with their marks."""
        return super().there(portion) and (not self.folds or self.masks(portion).there)

    def _write(self, portion: Portion, rows: Rows) -> None:
        if isinstance(rows, MarkedRows) and rows.marks is not None:
            order = self.turns.order(rows, portion.partition.index, portion.head)
            marks = rows.marks if order is None else rows.marks[:, order]
            path = self.masks(portion).path
            scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
            np.ascontiguousarray(marks, np.uint8).tofile(scratch)
            scratch.replace(path)
        super()._write(portion, rows)


@dataclass
class FoldBlocks(MarkedBlocks):
    """The rows of one fold in blocks that hold those of all folds.

    Portions count the rows of the fold: a rank has the same rows as if there were no others.

    Attributes:
        under: The rows under the fold.
    """

    under: UnderFold | None = None

    @classmethod
    def of_fold(cls, blocks: Blocks, under: UnderFold) -> FoldBlocks:
        """Return the rows of a fold in the blocks of its set."""
        return cls(**vars(blocks), name=under.masks, folds=under.source.folds, under=under)

    def fill(self, source: RowSource, shard: Sequence[Portion], progress: Progress) -> None:
        """Make the blocks that are not there, for all folds; see `Blocks.fill`."""
        under = self._under
        whole = {one.partition.index: under.whole(one) for one in shard}
        super().fill(under.source, list(whole.values()), progress)

    def stored(self, portion: Portion) -> Stored:
        """Return the rows of a partition that the fold trains on, or holds out.

        Raises:
            InputChanged: There are other rows than were counted.
        """
        whole = self._under.whole(portion)
        number, mark = self._under.number, MARKS[portion.part]
        found = Masked.under(self.of(whole), self.masks(whole), number, mark)
        if found.rows != portion.rows:
            raise InputChanged(
                f"a fold has {found.rows:,} {portion.part} rows of a partition, "
                f"{portion.rows:,} were counted before",
                where=f"partition {portion.partition.index}",
                hint="run the job again: its input has changed since it was prepared",
            )
        return found

    @property
    def _under(self) -> UnderFold:
        assert self.under is not None
        return self.under
