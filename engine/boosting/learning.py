"""What is to be learned, and how the work is done: the two things that `fit` is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.boosting.events import Timeouts
from engine.metrics.measure import Measure
from engine.place.kept import Kept

Task = Literal["binary", "multiclass", "regression", "ranking"]

Schedule = Callable[[int], float]
"""Learning rate of a round, by its number from 1; picklable, and the same in every process."""

CHECKPOINT_ROUNDS = 50


def turn_rounds(rounds: int, subsets: int) -> int:
    """Return how many rounds a subset of the rows is learned from until the next has its turn.

    At most 10, and so few that each has its turn twice: a model that has seen a part of the rows
    only once is further from that of all rows (``benchmarks/train_larger.py``).
    """
    return rounds if subsets == 1 else max(1, min(10, rounds // (2 * subsets)))


@dataclass(frozen=True)
class Learning:
    """What is to be learned: all that decides the model, the rows apart.

    Attributes:
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
        params: The user's LightGBM parameters.
        rounds: Boosting rounds at most.
        objective: LightGBM's objective; None = the task's own (`engine.boosting.params`).
        classes: Number of classes of a multiclass task; labels are 0 to ``classes - 1``.
        metric: The metric that early stopping looks at; None = the task's first.
        early_stopping: Rounds without a better validation metric after which to stop; or None.
        measure: How rounds are measured; None = the task's own metrics.
        seed: Of everything that LightGBM draws.
        schedule: Learning rate of each round; None = ``learning_rate`` for all.
        monotone: -1, 0 or 1 for each feature; empty for none.
        interactions: Groups of positions of features that may be on one path; empty for no limit.
        reproducible: The same model on any number of workers, at the price that the docs state.
        base: Model text whose trees come first; `Rows.init` then holds what it says of each row.
        refit: No trees are added, the leaves of ``base`` are fitted again: this share of their old
            values stays; None = boosting.
        subsets: The rows are trained on in so many parts, one after the other, round and round.
        subset_rounds: Rounds until the next part has its turn; None = `turn`.
        max_seconds: Boosting ends after the round in which so much time has passed; or None.
    """

    task: Task
    params: Mapping[str, object] = field(default_factory=dict)
    rounds: int = 100
    objective: str | None = None
    classes: int = 0
    metric: str | None = None
    early_stopping: int | None = None
    measure: Measure | None = None
    seed: int = 42
    schedule: Schedule | None = None
    monotone: tuple[int, ...] = ()
    interactions: tuple[tuple[int, ...], ...] = ()
    reproducible: bool = False
    base: str | None = None
    refit: float | None = None
    subsets: int = 1
    subset_rounds: int | None = None
    max_seconds: float | None = None

    @property
    def turn(self) -> int:
        """Rounds until the next subset of the rows has its turn."""
        return self.subset_rounds or turn_rounds(self.rounds, self.subsets)

    @property
    def outputs(self) -> int:
        """Raw scores of a row: one, or one for each class."""
        return self.classes if self.task == "multiclass" else 1


@dataclass(frozen=True)
class Conduct:
    """How the work is done: nothing of it changes the model.

    Attributes:
        memory: Bytes that a rank and its Dask worker may hold together; the rank is killed above.
            0 = no bound.
        checkpoint: Where the model so far is kept, written by the client; or None.
        checkpoint_every: Rounds between checkpoints; a minute never passes without one.
        restarts: How often training goes on from the last checkpoint after a rank was lost.
        keep_bins: Leave the binned rows on the workers' disks for the next training of the same.
        ports: First and last port that ranks may listen at; None = any free one.
        network: Network in CIDR notation in which ranks talk (``10.1.0.0/16``); None = the one
            that the Dask worker is known by.
        timeouts: When somebody is given up.
    """

    memory: int = 0
    checkpoint: Kept | None = None
    checkpoint_every: int = CHECKPOINT_ROUNDS
    restarts: int = 3
    keep_bins: bool = False
    ports: tuple[int, int] | None = None
    network: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
