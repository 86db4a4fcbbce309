"""Which rows a fold trains on and which it holds out: one byte a row and fold, beside the bins.

Rows are binned once, for all folds of a cross-validation or a search; a fold is a mask over them.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.block import Block, Form
from engine.boosting.source import Portion, Rows, RowSource, ShardPart
from engine.plan import Partition
from engine.split import TRAIN, VALID

Array = npt.NDArray[Any]

MARKS: Mapping[str, int] = {"train": TRAIN, "valid": VALID}
"""What the rows of a part are marked with."""


@dataclass(frozen=True)
class MarkedRows(Rows):
    """Rows that know their folds.

    Attributes:
        marks: Shape (folds, n), uint8: under each fold ``TRAIN``, ``VALID`` (held out), or
            ``TEST`` (left out), as `engine.split` numbers them.
    """

    marks: npt.NDArray[np.uint8] | None = None


@runtime_checkable
class FoldSource(RowSource, Protocol):
    """Reads training rows with their folds; picklable."""

    @property
    def unfolded(self) -> RowSource:
        """The same rows without folds, as training reads them: their bins are the same."""

    @property
    def folds(self) -> int:
        """How many."""

    def read(self, partition: Partition, part: str) -> MarkedRows:
        """Return all rows of a partition that folds deal; ``part`` is ``train``."""


def masks_name(source: FoldSource) -> str:
    """Return the name of the masks of these rows under these folds."""
    return hashlib.sha256(pickle.dumps(source)).hexdigest()[:16]


@dataclass(frozen=True)
class UnderFold:
    """The rows of a set under one of its folds, as a training of the fold reads them.

    The rows of all folds are in the blocks of the set; a training finds them there, and makes
    those that are missing for all folds.

    Attributes:
        source: Reads the rows of the set with their folds.
        number: Of the fold.
        masks: Name of the masks.
        dealt: By number of the partition, how many rows folds deal, and how many of them at its
            start go on with a query of the partition before.
    """

    source: FoldSource
    number: int
    masks: str
    dealt: Mapping[int, tuple[int, int]]

    @classmethod
    def of(cls, source: FoldSource, number: int, parts: Sequence[ShardPart]) -> Self:
        """Return the rows under a fold.

        Args:
            source: Reads the rows with their folds.
            number: Of the fold.
            parts: All partitions; the training rows of each are those that folds deal.
        """
        dealt = {part.partition.index: (part.train, part.train_head) for part in parts}
        return cls(source, number, masks_name(source), dealt)

    @property
    def unfolded(self) -> RowSource:
        """The rows of the set without folds."""
        return self.source.unfolded

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of the matrix."""
        return self.source.features

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the features that hold category codes."""
        return self.source.categorical

    @property
    def vectors(self) -> frozenset[str]:
        """Which of ``weight``, ``init`` and ``query`` its rows have."""
        return self.source.vectors

    def read(self, partition: Partition, part: str) -> Rows:
        """Return the rows of a partition that the fold trains on, or holds out (``valid``)."""
        rows = self.source.read(partition, "train")
        assert rows.marks is not None
        kept = rows.marks[self.number] == MARKS[part]
        found = (rows.weight, rows.init, rows.query)
        vectors = (None if one is None else one[kept] for one in found)
        return Rows(rows.x[kept], rows.y[kept], *vectors)

    def whole(self, portion: Portion) -> Portion:
        """Return all rows of the partition of some rows of the fold."""
        rows, head = self.dealt[portion.partition.index]
        return Portion(portion.partition, "train", rows, head, 0, rows)


@dataclass(frozen=True)
class Masks:
    """The marks of the rows of a block, in a file: all rows of the first fold, then the next.

    Attributes:
        path: Where they are.
        rows: Of the block.
        folds: How many.
    """

    path: Path
    rows: int
    folds: int

    @property
    def there(self) -> bool:
        """Whether they are there, in full."""
        try:
            return self.path.stat().st_size == self.rows * self.folds
        except OSError:
            return False

    def of(self, fold: int) -> npt.NDArray[np.uint8]:
        """Return the marks of a fold, shape (rows,)."""
        return np.fromfile(self.path, np.uint8, self.rows, offset=fold * self.rows)


@dataclass(frozen=True)
class Masked:
    """The rows of a block that a fold trains on, or holds out; counted as if there were no others.

    Attributes:
        block: The block.
        masks: The marks of its rows.
        fold: Number of the fold.
        mark: ``TRAIN`` or ``VALID``.
        rows: How many they are.
    """

    block: Block
    masks: Masks
    fold: int
    mark: int
    rows: int

    @classmethod
    def under(cls, block: Block, masks: Masks, fold: int, mark: int) -> Self:
        """Return some rows of a block, counted."""
        return cls(block, masks, fold, mark, int((masks.of(fold) == mark).sum()))

    @property
    def form(self) -> Form:
        """What the block holds of each row."""
        return self.block.form

    def kept(self) -> npt.NDArray[np.bool_]:
        """Tell of each row of the block whether it is one of them."""
        kept: npt.NDArray[np.bool_] = self.masks.of(self.fold) == self.mark
        return kept

    def cells(self, start: int, stop: int) -> Iterator[Array]:
        """Yield the coded columns of some rows; one whole column of the block is held at a time."""
        kept = self.kept()
        for column in self.block.cells(0, self.block.rows):
            yield column[kept][start:stop]

    def vector(self, name: str, start: int, stop: int) -> Array:
        """Return ``y``, ``weight``, ``init`` or ``query`` of some rows."""
        return self.block.vector(name, 0, self.block.rows)[self.kept()][start:stop]
