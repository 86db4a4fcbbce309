"""What the child process of a trial is told, and how its trial ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.boosting.learning import Conduct
from engine.boosting.source import Portion
from engine.boosting.work import Goal

WAIT_SECONDS = 10.0
"""How long a child waits for its next trial: it holds memory, and perhaps nobody knows of it."""


@dataclass(frozen=True)
class Bench:
    """What all trials of a study have in common: the rows, their bins, and how work is done.

    Attributes:
        study: Name of the study; no other has it.
        source: The pickled source of the rows (`marks.FoldSource` where there are folds).
        width: Features.
        vectors: What rows have beside features and labels (`RowSource.vectors`).
        folds: How many folds there are; 0: validation rows are held out.
        shard: All rows.
        bins: The reference dataset, as `make_bins` returned it.
        sample_rows: Rows that the bins were made of.
        fingerprint: Name of the folder of the binned rows.
        masks: Name of the masks of these folds.
        threads: Of one trial.
        conduct: How the work is done; its bound is that of one trial and its worker.
    """

    study: str
    source: bytes
    width: int
    vectors: frozenset[str]
    folds: int
    shard: tuple[Portion, ...]
    bins: bytes
    sample_rows: int
    fingerprint: str
    masks: str
    threads: int
    conduct: Conduct


@dataclass(frozen=True)
class TrialWork:
    """What one trial needs.

    Attributes:
        bench: What it has in common with the others.
        attempt: Unique in the study; a trial that begins anew has another.
        goal: What is to be learned, the parameters of the trial among it.
        worker: Address of the Dask worker that it was given to.
        scratch: Folder of the binned rows on the disk of the worker; known there.
    """

    bench: Bench
    attempt: int
    goal: Goal
    worker: str
    scratch: Path | None = None

    @property
    def threads(self) -> int:
        """Threads of the child."""
        return self.bench.threads

    @property
    def conduct(self) -> Conduct:
        """The bound of its memory, and when it is given up."""
        return self.bench.conduct

    @property
    def seat(self) -> tuple[str, int]:
        """Its study and its attempt."""
        return self.bench.study, self.attempt


@dataclass(frozen=True)
class Outcome:
    """How the child of a trial ended.

    Attributes:
        best_round: The round with the best mean of the metric.
        folds: The metric of each fold at that round.
        failed: Why it failed by its own fault, which it would do again; else empty.
        lost: Why its process or its worker was lost, which may pass; else empty.
        seconds: That it took.
        peak: Highest bytes of the worker and all its child processes.
        here: Whether the worker that it was given to is still there.
    """

    best_round: int = 0
    folds: tuple[float, ...] = ()
    failed: str = ""
    lost: str = ""
    seconds: float = 0.0
    peak: int = 0
    here: bool = True
