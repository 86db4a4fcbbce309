"""What training tells on its way, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class RoundEvent:
    """A rank has read a partition, or a boosting round has ended.

    Attributes:
        kind: ``loading`` or ``round``.
        rank: Who tells; rounds are told by rank 0 for all.
        round: Number of the round, from 1; 0 while loading.
        rounds: Rounds at most.
        metrics: Validation metrics over the rows of all ranks; empty without validation rows.
        rows: While loading, rows this rank has read so far (training and validation).
        peak_memory: Peak resident bytes of this rank's process so far.
        seconds: Since this rank's process began.
    """

    kind: Literal["loading", "round"]
    rank: int
    round: int
    rounds: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    rows: int = 0
    peak_memory: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes:
        model: LightGBM model text with features ``f0``..``fn``, cut to ``best_round`` trees.
        best_round: Trees in the model: the best round with early stopping, else the last.
        rounds: Rounds that were boosted.
        history: Validation metrics of each round, keys such as ``valid_log_loss``.
        peak_memory: Peak resident bytes of each rank's process and its Dask worker together.
        importance: Total gain of each feature, in the order of the matrix.
    """

    model: str
    best_round: int
    rounds: int
    history: list[dict[str, float]]
    peak_memory: list[int]
    importance: list[float]


@dataclass(frozen=True)
class Timeouts:
    """Seconds until somebody is given up; only tests need other values.

    Attributes:
        beat: Between two signs of life.
        silence: A rank that its peers have not heard for so long is lost.
        frozen: A child that its worker has not heard for so long is killed. Less than
            ``silence``, so that the worker beside it names the cause.
        answer: For a worker to reserve a port, and for a rank to join the others.
        leave: For the other ranks to end after one has ended.
    """

    beat: float = 2.0
    silence: float = 60.0
    frozen: float = 45.0
    answer: float = 60.0
    leave: float = 60.0
