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
        y: (n,) float32 labels; 0 or 1 for a binary task.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]


class RowSource(Protocol):
    """Reads partitions as matrices, in the process of a rank; picklable, same rows each time."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of the matrix."""

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the features that hold category codes."""

    def read(self, partition: Partition, part: str) -> Rows:
        """Return the rows of one part (``train`` or ``valid``) of a partition."""


@dataclass(frozen=True)
class ShardPart:
    """A partition and how many rows of it go where.

    Attributes:
        partition: What to read.
        train: Training rows in it; 0 = nothing to read.
        valid: Validation rows in it; 0 = nothing to read.
    """

    partition: Partition
    train: int
    valid: int
