"""Scoring: one task a partition reads, checks, prepares, predicts and stages one part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from distributed import Client

from engine import process
from engine.bundle import Bundle
from engine.contract import Contract
from engine.errors import ContractRefused
from engine.execute import Done, over_partitions
from engine.manifest import PartRecord
from engine.plan import Partition
from engine.predict import predictor
from engine.preparing import matrix, reasons
from engine.source import Batch, Source, located
from engine.staging import Run, Staged

PREDICTION, PROBABILITY = "prediction", "probability"


@dataclass(frozen=True)
class ScoringWork:
    """What the tasks of a scoring pass share.

    Attributes:
        source: The rows to score.
        bundle: The model.
        run: Where parts are staged.
        columns: Columns that are passed through, in front of the prediction.
        fail: A rejected row ends the job instead of going to quarantine.
        threshold: Probability above which a binary prediction is 1.
    """

    source: Source
    bundle: Bundle
    run: Run
    columns: tuple[str, ...]
    fail: bool
    threshold: float


def score(work: ScoringWork, partition: Partition) -> Staged:
    """Score the rows of one partition and stage them as one part.

    Returns:
        The staged part; rows read are scored, quarantined or filtered, and nothing else.

    Raises:
        ContractRefused: A row breaks the contract and bad rows were to fail the job.
    """
    pipeline = work.bundle.pipeline
    wanted = list(dict.fromkeys([*work.columns, *pipeline.inputs]))
    batch = work.source.read(partition, wanted)
    rejected = located(work.source, partition, batch.rejected)
    if work.fail and rejected.height:
        _refuse(work.source, rejected)
    scores = predictor(work.bundle.model).predict(matrix(pipeline, batch.good))
    return _staged(work, partition, batch, rejected, scores)


def _staged(
    work: ScoringWork,
    partition: Partition,
    batch: Batch,
    rejected: pl.DataFrame,
    scores: npt.NDArray[np.float64],
) -> Staged:
    passed = [batch.good[name] for name in work.columns]
    table = pl.DataFrame([*passed, *predictions(work.bundle.task, scores, work.threshold)])
    return work.run.stage(
        partition.index,
        table.to_arrow(),
        rejected.to_arrow(),
        rows_in=batch.rows,
        filtered=batch.filtered,
        reasons=reasons(batch.rejected),
        missing=batch.missing(work.source.contract.shares()),
        worker=process.name(),
    )


def predictions(task: str, scores: npt.NDArray[np.float64], threshold: float) -> list[pl.Series]:
    """Return the prediction columns: class and probability of 1, or the predicted number."""
    values = pl.Series(scores.astype(np.float32))
    if task == "regression":
        return [values.alias(PREDICTION)]
    return [
        pl.Series(PREDICTION, (scores > threshold).astype(np.int8)),
        values.alias(PROBABILITY),
    ]


def _refuse(source: Source, rejected: pl.DataFrame) -> None:
    file, row, reason = rejected.row(0)[:3]
    raise ContractRefused(
        f"{rejected.height} rows of this partition break the contract; the first: {reason}",
        where=f"{file}, row {row}",
        hint='mend the data or the contract, or set score.on_bad_rows = "quarantine"',
    )


def gate(contract: Contract, parts: Iterable[PartRecord]) -> None:
    """Refuse to publish when all parts together miss more values than the contract allows.

    Raises:
        ContractRefused: A share is over its limit; the staged parts are kept.
    """
    missing: Counter[str] = Counter()
    rows = 0
    for part in parts:
        missing.update(part.missing)
        rows += part.scored
    contract.gate(missing, rows)


def run(
    client: Client,
    work: ScoringWork,
    partitions: Sequence[Partition],
    *,
    threads: int,
    progress: Callable[[Done[Staged]], None],
) -> list[Staged]:
    """Score partitions on the cluster and return what was staged, as they finish.

    Args:
        client: An open Dask client.
        work: What the tasks share.
        partitions: Partitions that have no part yet.
        threads: Threads of all workers together.
        progress: Called for every finished partition.
    """
    staged: list[Staged] = []
    for done in over_partitions(client, score, work, partitions, threads=threads):
        progress(done)
        staged.append(done.result)
    return staged
