"""What boosting reads: the rows of partitions as matrices, and how many rows to expect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from engine.plan import Partition


@dataclass(frozen=True)
class Rows:
    """Rows of one partition for one rank.

    Attributes:
        x: (n, features) float32, C-contiguous, NaN = missing, codes >= 0 for categories.
        y: (n,) float32 labels; 0 or 1 for a binary task, codes of classes for a multiclass one.
        weight: (n,) float32, how much a row counts; None = all the same.
        init: (n,) or (n, classes) float64 raw scores that boosting starts from; None = none.
        query: (n,) uint64, equal for rows of one query, which stand together; None = no ranking.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32] | None = None
    init: npt.NDArray[np.float64] | None = None
    query: npt.NDArray[np.uint64] | None = None


class RowSource(Protocol):
    """Reads partitions as matrices, in the process of a rank; picklable, same rows each time."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of the matrix."""

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the features that hold category codes."""

    @property
    def vectors(self) -> frozenset[str]:
        """Which of ``weight``, ``init`` and ``query`` its rows have; for all rows alike."""

    def read(self, partition: Partition, part: str) -> Rows:
        """Return the rows of one part (``train`` or ``valid``) of a partition."""


@dataclass(frozen=True)
class ShardPart:
    """A partition and how many rows of it go where.

    Attributes:
        partition: What to read.
        train: Training rows in it; 0 = nothing to read.
        valid: Validation rows in it; 0 = nothing to read.
        train_head: Training rows at its start that go on with a query of the partition before.
        valid_head: The same of the validation rows.
    """

    partition: Partition
    train: int
    valid: int
    train_head: int = 0
    valid_head: int = 0


@dataclass(frozen=True)
class Portion:
    """Some rows of one part of a partition, one after the other: what a rank trains on or measures.

    Attributes:
        partition: What to read.
        part: ``train`` or ``valid``.
        rows: All rows of this part in the partition.
        head: Rows at its start that go on with a query of the partition before.
        start: First row: 0 or ``head``.
        stop: Last row and one more: ``head`` or all.
    """

    partition: Partition
    part: str
    rows: int
    head: int
    start: int
    stop: int
