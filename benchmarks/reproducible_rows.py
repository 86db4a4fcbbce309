"""Rows for `reproducible`: drawn anew for each partition, in the processes of the ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting import Rows, ShardPart
from engine.plan import Partition

FEATURES = 16
CODES = 3
"""Position of the feature that holds codes of categories."""

QUERY = 20
"""Rows of a query."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ReproducibleRows:
    """A `RowSource` with a known signal.

    Attributes:
        task: Of the labels.
        objective: Of the labels.
        count: Number of partitions.
        train: Training rows of each.
        valid: Validation rows of each.
    """

    task: str
    objective: str
    count: int
    train: int
    valid: int
    features: tuple[str, ...] = tuple(f"x{i}" for i in range(FEATURES))
    categorical: tuple[int, ...] = (CODES,)

    @property
    def vectors(self) -> frozenset[str]:
        """Queries for ranking."""
        return frozenset({"query"} if self.task == "ranking" else set())

    def parts(self) -> list[ShardPart]:
        """Return the partitions."""
        found = (Partition(i, (), self.train + self.valid, 0, 0, 0) for i in range(self.count))
        return [ShardPart(partition, self.train, self.valid) for partition in found]

    def sample(self) -> Array:
        """Return rows to make the bins from."""
        return np.concatenate([self.drawn(i)[0][:10_000] for i in range(self.count)])

    def read(self, partition: Partition, part: str) -> Rows:
        """Return the rows of one part of a partition."""
        x, y = self.drawn(partition.index)
        chosen = slice(0, self.train) if part == "train" else slice(self.train, None)
        if self.task != "ranking":
            return Rows(x[chosen], y[chosen])
        query = np.arange(len(y)) // QUERY + partition.index * len(y)
        return Rows(x[chosen], y[chosen], query=query[chosen].astype(np.uint64))

    def drawn(self, index: int) -> tuple[Array, Array]:
        """Return features and labels of a partition, validation rows last."""
        rng = np.random.default_rng(index)
        x = rng.standard_normal((self.train + self.valid, FEATURES)).astype(np.float32)
        x[:, CODES] = rng.integers(0, 30, len(x))
        x[rng.random(len(x)) < 0.1, 4] = np.nan
        signal = x[:, 0] + x[:, 1] * x[:, 2] + np.isin(x[:, CODES], (3, 7, 9)) + np.sin(3 * x[:, 5])
        return x, self._labels(rng, signal).astype(np.float32)

    def _labels(self, rng: np.random.Generator, signal: Array) -> npt.NDArray[Any]:
        noisy = signal + rng.standard_normal(len(signal))
        if self.objective == "poisson":
            return rng.poisson(np.exp(0.3 * signal))
        if self.task in ("multiclass", "ranking"):
            return np.digitize(noisy, [-0.5, 0.5, 1.5])
        return noisy > 0.5 if self.task == "binary" else 3 * noisy + 17
