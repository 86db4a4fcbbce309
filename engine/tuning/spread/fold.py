"""The rows of one fold, and the protocol of what learns from them and measures what it learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.boosting.source import RowSource, ShardPart
from engine.training.fitting import Prepared
from engine.tuning.trial import Trial

Told = Callable[[int, float], None]
"""Hears of a round, from 1, and the metric of the held-out rows after it."""


@dataclass(frozen=True)
class FoldRows:
    """The rows of one fold; without folds, training rows and validation rows.

    Attributes:
        prepared: The rows as they were surveyed; those that are held out are validation rows.
        source: Reads them.
        parts: All partitions, with their numbers of rows.
    """

    prepared: Prepared
    source: RowSource
    parts: tuple[ShardPart, ...]


@dataclass(frozen=True)
class FoldWorth:
    """What came of one fold.

    Attributes:
        values: The metric of the held-out rows, of all of them together: after each round; of an
            estimator without rounds at the end alone.
        peak: Highest bytes of a worker, its child processes included.
    """

    values: tuple[float, ...]
    peak: int


class Fitting(Protocol):
    """Learns from folds over the whole cluster, with the parameters of a trial."""

    @property
    def folds(self) -> int:
        """How many folds there are; 1 where the validation rows are measured."""

    @property
    def rounds(self) -> bool:
        """Whether it learns in rounds, each of which is measured."""

    def fit(self, trial: Trial, fold: int, *, told: Told, cancel: Callable[[], bool]) -> FoldWorth:
        """Learn from the other rows, and measure those that a fold holds out.

        Args:
            trial: Whose parameters are tried.
            fold: Number of the fold, from 0.
            told: Called after each round, where there are rounds.
            cancel: Looked at again and again.

        Raises:
            Cancelled: ``cancel`` said so.
            MillraceError: It failed.
        """

    def close(self) -> None:
        """Leave nothing on the workers' disks that no later training needs."""
