"""Which rows a fold trains on and which it holds out: one byte a row and fold, beside the bins.

The rows are binned once, for all folds and trials; a fold is a mask over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.block import Block
from engine.boosting.source import Rows, RowSource
from engine.folds import Fold
from engine.plan import Partition
from engine.reserved import ROW
from engine.split import TRAIN
from engine.training.preparing import MatrixSource

Array = npt.NDArray[Any]


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
        """Return the training rows of a partition; ``part`` is ``train``."""


@dataclass(frozen=True)
class FoldedMatrix:
    """Reads the matrix of a partition and the folds of its rows, in one go.

    Attributes:
        source: Reads the matrix.
        dealt: The folds, all of one base split, which is that of the source.
    """

    source: MatrixSource
    dealt: tuple[Fold, ...]

    @property
    def unfolded(self) -> RowSource:
        """The same rows without folds."""
        return self.source

    @property
    def folds(self) -> int:
        """How many."""
        return len(self.dealt)

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

    def read(self, partition: Partition, part: str) -> MarkedRows:
        """Return the training rows of a partition; ``part`` is ``train``."""
        # Under a fold, the columns that it looks at are read too.
        labelled = replace(self.source.data, split=self.dealt[0]).read(partition)
        frame = labelled.frame
        parts = self.source.data.split.assign(frame, frame[ROW])
        rows = self.source.rows(replace(labelled, parts=parts), part)
        marks = [fold.assign(frame, frame[ROW])[parts == TRAIN] for fold in self.dealt]
        return MarkedRows(**vars(rows), marks=np.stack(marks))


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
class Masked(Block):
    """The rows of a block that a fold trains on, or holds out.

    ``start`` and ``stop`` count these rows alone.

    Attributes:
        masks: The marks of the block.
        fold: Number of the fold.
        mark: ``TRAIN`` or ``VALID``.
    """

    masks: Masks
    fold: int
    mark: int

    @classmethod
    def under(cls, block: Block, masks: Masks, fold: int, mark: int) -> Masked:
        """Return some rows of a block."""
        return cls(block.path, block.rows, block.form, masks, fold, mark)

    def kept(self) -> npt.NDArray[np.bool_]:
        """Tell of each row of the block whether it is one of them."""
        kept: npt.NDArray[np.bool_] = self.masks.of(self.fold) == self.mark
        return kept

    def cells(self, start: int, stop: int) -> Iterator[Array]:
        """Yield the coded columns of some rows; one whole column of the block is held at a time."""
        kept = self.kept()
        for column in super().cells(0, self.rows):
            yield column[kept][start:stop]

    def vector(self, name: str, start: int, stop: int) -> Array:
        """Return ``y``, ``weight``, ``init`` or ``query`` of some rows."""
        return super().vector(name, 0, self.rows)[self.kept()][start:stop]
