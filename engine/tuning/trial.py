"""A trial, what is heard of it, and the protocol of who runs trials side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Trial:
    """One choice of parameters, trained on every fold.

    Attributes:
        number: From 0 on; unique in a study.
        params: Parameters of the estimator that differ from those of the section, under its names.
        rounds: Boosting rounds (of other estimators: epochs) at most.
    """

    number: int
    params: Mapping[str, Any]
    rounds: int


@dataclass(frozen=True)
class Heard:
    """What all folds of a trial say after a round.

    Attributes:
        trial: Its number.
        round: From 1 on.
        value: Mean of the metric over the folds, of the rows that each fold holds out.
        folds: The metric of each fold.
    """

    trial: int
    round: int
    value: float
    folds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Ended:
    """A trial has ended.

    Attributes:
        trial: Its number.
        state: ``done``: all rounds, or early stopping; ``pruned``: it was stopped; ``failed``.
        value: Mean of the metric over the folds at the best round; ``None``: there is none.
        best_round: The round with the best mean.
        folds: The metric of each fold at that round.
        seconds: That it took.
        peak_memory: Highest bytes of a worker, its child processes included.
        reason: Why it failed.
    """

    trial: int
    state: Literal["done", "pruned", "failed"]
    value: float | None = None
    best_round: int = 0
    folds: tuple[float, ...] = field(default=())
    seconds: float = 0.0
    peak_memory: int = 0
    reason: str = ""


class Trials(Protocol):
    """Runs trials side by side within the memory plan; a context manager that leaves nothing."""

    @property
    def slots(self) -> int:
        """Trials that may run at once."""

    def start(self, trial: Trial) -> None:
        """Begin a trial; there is a free slot."""

    def stop(self, number: int) -> None:
        """End a trial early: it is told as ``pruned`` soon."""

    def heard(self, seconds: float) -> Iterator[Heard | Ended]:
        """Yield what has happened, waiting so long at most for the first."""
