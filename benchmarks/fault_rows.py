"""Rows for `train_faults`: drawn anew for each partition, in the processes of the ranks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting import Rows, ShardPart
from engine.plan import Partition

FEATURES = 12
TRAIN, VALID = 6_000, 1_000


@dataclass(frozen=True)
class FaultRows:
    """A `RowSource` with a known signal.

    Attributes:
        late: A file that does not exist yet makes the first rank that asks wait for ever.
    """

    late: Path | None = None
    features: tuple[str, ...] = tuple(f"x{i}" for i in range(FEATURES))
    categorical: tuple[int, ...] = ()
    vectors: frozenset[str] = frozenset()

    def parts(self, count: int) -> list[ShardPart]:
        """Return the partitions."""
        rows = TRAIN + VALID
        return [ShardPart(Partition(i, (), rows, 0, 0, 0), TRAIN, VALID) for i in range(count)]

    def sample(self, count: int) -> npt.NDArray[np.float32]:
        """Return rows to make the bins from."""
        return np.concatenate([self._drawn(i)[0][:500] for i in range(count)])

    def read(self, partition: Partition, part: str) -> Rows:
        """Return the rows of one part of a partition."""
        x, y = self._drawn(partition.index)
        chosen = slice(0, TRAIN) if part == "train" else slice(TRAIN, None)
        return Rows(x[chosen], y[chosen])

    def _drawn(self, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        rng = np.random.default_rng(index)
        x = rng.standard_normal((TRAIN + VALID, FEATURES)).astype(np.float32)
        signal = x[:, 0] + np.abs(x[:, 1]) + np.sin(3 * x[:, 2]) - 0.8
        return x, (signal + rng.standard_normal(len(x)) > 0).astype(np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be made anew in a rank's process, which may never come back from it."""
        return _made, (self.late,)


def _made(late: Path | None) -> FaultRows:
    if late is not None:
        try:
            late.open("x").close()
        except FileExistsError:
            return FaultRows(late)
        time.sleep(3600)
    return FaultRows(late)
