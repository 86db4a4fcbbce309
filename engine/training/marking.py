"""Training rows as matrices with the folds that they are in, read in one go. Runs inside ranks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.marks import MarkedRows
from engine.boosting.source import RowSource
from engine.folds import Fold
from engine.plan import Partition
from engine.reserved import ROW
from engine.split import LEFT_OUT, TEST, TRAIN
from engine.training.preparing import Labelled, MatrixSource


@dataclass(frozen=True)
class FoldedMatrix:
    """Reads the matrix of a partition and the folds of its rows; a `FoldSource`.

    Folds deal all training rows, also those that balanced classes leave out: these are not trained
    on, but measured where a fold holds them out.

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
        parts = self.source.data.split.assign(labelled.frame, labelled.frame[ROW])
        rows = self.source.rows(replace(labelled, parts=parts), part)
        return MarkedRows(**vars(rows), marks=self._marks(labelled, parts == TRAIN))

    def _marks(self, labelled: Labelled, dealt: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        """Return the marks of the rows that are dealt, fold by fold."""
        frame, balance = labelled.frame, self.source.data.balance
        marks = np.empty((self.folds, int(dealt.sum())), np.uint8)
        for fold, row in zip(self.dealt, marks, strict=True):
            parts = fold.assign(frame, frame[ROW])
            if balance is not None:
                parts = balance.thinned(parts, labelled.y, frame[ROW])
                parts[parts == LEFT_OUT] = TEST
            row[:] = parts[dealt]
        return marks
