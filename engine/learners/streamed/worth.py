"""What a model is worth on the validation rows after an epoch: a pass over them."""

from __future__ import annotations

from dataclasses import dataclass

from distributed import Client

from engine.boosting.source import RowSource, ShardPart
from engine.errors import ContractRefused, ModelError
from engine.metrics import Measure, Scores
from engine.models import Learned
from engine.plan import Partition
from engine.tasks.execute import in_order, over_partitions


@dataclass(frozen=True)
class WorthWork:
    """What the tasks share.

    Attributes:
        source: Reads the rows.
        model: What is measured.
        measure: How.
    """

    source: RowSource
    model: Learned
    measure: Measure


def worth(
    client: Client, work: WorthWork, parts: tuple[ShardPart, ...], threads: int
) -> tuple[Scores, int]:
    """Return the scores of the validation rows of all partitions, and the highest peak in bytes.

    Args:
        client: An open Dask client.
        work: What is measured, and how.
        parts: All partitions.
        threads: Threads of all workers together.
    """
    wanted = [part.partition for part in parts if part.valid]
    total, peak = work.measure.empty(), 0
    finished = over_partitions(client, _measured, work, wanted, threads=threads)
    for done in in_order(finished, wanted):
        total, peak = total.merge(done.result), max(peak, done.peak)
    return total, peak


def _measured(work: WorthWork, partition: Partition) -> Scores:
    rows = work.source.read(partition, "valid")
    try:
        return work.measure.of(rows.y, work.model.predict(rows.x), rows.query)
    except ModelError as error:
        raise ContractRefused(
            f"of the validation rows: {error.what}", where="features.steps", hint=error.hint
        ) from error
