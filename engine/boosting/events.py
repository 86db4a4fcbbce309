"""What training tells on its way, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class RoundEvent:
    """Something has happened while training.

    Attributes:
        kind: ``loading`` when a rank has read a partition; ``round`` when a boosting round has
            ended; ``checkpoint`` when the client has the model of a round, or has looked at the one
            of an earlier training (with a ``reason`` then); ``restart`` when training begins anew,
            and with it the rows that ranks have read.
        rank: Who tells; rounds are told by rank 0 for all.
        round: Number of the round, from 1; 0 while loading. Of a ``restart`` and a ``checkpoint``,
            the round that training goes on from.
        rounds: Rounds at most.
        metrics: Validation metrics over the rows of all ranks; empty without validation rows.
        rows: While loading, rows this rank has read so far (training and validation).
        peak_memory: Peak resident bytes of this rank's process so far.
        seconds: Since this rank's process began.
        reason: Why, in words, of a ``restart`` and of some checkpoints.
    """

    kind: Literal["loading", "round", "checkpoint", "restart"]
    rank: int
    round: int
    rounds: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    rows: int = 0
    peak_memory: int = 0
    seconds: float = 0.0
    reason: str = ""

    @classmethod
    def heard(cls, event: Mapping[str, Any], rank: int, rounds: int) -> RoundEvent:
        """Return what a rank has said, a line of its output (`engine.boosting.voice`)."""
        said = {name: event[name] for name in ("metrics", "rows", "round") if name in event}
        peak, seconds = event["peak"], event["seconds"]
        told = {"rank": rank, "round": 0, "rounds": rounds} | said
        return cls(kind=event["kind"], peak_memory=peak, seconds=seconds, **told)


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
        stopped: What ended it before the last round: ``early stopping`` or ``time``; else empty.
        restarts: How often training went on after a rank had been lost.
    """

    model: str
    best_round: int
    rounds: int
    history: list[dict[str, float]]
    peak_memory: list[int]
    importance: list[float]
    stopped: str = ""
    restarts: int = 0


@dataclass(frozen=True)
class Timeouts:
    """Seconds until somebody is given up; only tests need other values.

    With these a lost rank is noticed after 51 s at most: the hub looks once a second.

    Attributes:
        beat: Between two signs of life.
        silence: A rank that its peers have not heard for so long is lost.
        frozen: A child that its worker has not heard for so long is killed, and so is a worker
            that the client has not heard. Less than ``silence``, so that who is nearest names the
            cause.
        answer: For a worker to reserve a port, and for a rank to join the others.
        leave: For the other ranks to end after one has ended.
    """

    beat: float = 2.0
    silence: float = 50.0
    frozen: float = 40.0
    answer: float = 50.0
    leave: float = 30.0
