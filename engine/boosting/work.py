"""What a rank is told to do, what all ranks decide together, and what a rank returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.boosting.checkpoint import Checkpoint
from engine.boosting.learning import Conduct, Learning
from engine.boosting.source import Portion
from engine.metrics.measure import Measure


@dataclass(frozen=True)
class Goal:
    """What is to be learned; the same for all ranks.

    Attributes:
        learning: What the user asked for.
        params: LightGBM's parameters, network apart.
        measure: How rounds are measured.
        metric: The metric that early stopping looks at.
        has_valid: Whether any rank has validation rows.
    """

    learning: Learning
    params: Mapping[str, Any]
    measure: Measure
    metric: str
    has_valid: bool


@dataclass(frozen=True)
class Place:
    """Where a rank lives.

    Attributes:
        rank: Its number.
        worker: Address of its Dask worker.
        host: Its address as the other ranks see it, an IPv4 address.
        port: For LightGBM's network.
        hub: For the hub; only rank 0's is used.
    """

    rank: int
    worker: str
    host: str
    port: int
    hub: int

    def __str__(self) -> str:
        """Return how errors name it."""
        return f"rank {self.rank} on {self.worker}"


@dataclass(frozen=True)
class Work:
    """What one rank needs.

    Attributes:
        rank: Its number.
        places: Of all ranks.
        key: Secret of this attempt.
        goal: What is to be learned.
        source: The pickled `RowSource`; unpickled only after LightGBM has been imported.
        shard: This rank's rows.
        bins: The reference dataset, as `make_bins` returned it.
        sample_rows: Rows that the bins were made of.
        conduct: How the work is done.
        threads: Threads of this rank.
        start: Where training goes on from; None = from its beginning.
        scratch: Folder on the disk of the worker for binned rows and checkpoints, named after what
            is in it; None = a folder that ends with the rank.
    """

    rank: int
    places: tuple[Place, ...]
    key: bytes
    goal: Goal
    source: bytes
    shard: tuple[Portion, ...]
    bins: bytes
    sample_rows: int
    conduct: Conduct
    threads: int
    start: Checkpoint | None = None
    scratch: Path | None = None

    @property
    def place(self) -> Place:
        """This rank's place."""
        return self.places[self.rank]


@dataclass(frozen=True)
class Boosted:
    """What a rank ends with; equal on all ranks.

    Attributes:
        model: Model text, cut to the best round; on its way to the client only from rank 0.
        digest: SHA-256 of the model text.
        best_round: Trees in it.
        rounds: Rounds that were boosted.
        history: Validation metrics of each round.
        importance: Total gain of each feature.
        stopped: `Verdict.why` of the last round; empty when no verdict ended it.
    """

    model: str
    digest: str
    best_round: int
    rounds: int
    history: list[dict[str, float]] = field(default_factory=list)
    importance: list[float] = field(default_factory=list)
    stopped: str = ""
