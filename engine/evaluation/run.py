"""An evaluation on the cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from distributed import Client

from engine.evaluation.scored import Evaluation
from engine.evaluation.work import EvaluationWork, evaluate
from engine.plan import Partition
from engine.tasks.execute import Done, in_order, over_partitions


def run(
    client: Client,
    work: EvaluationWork,
    partitions: Sequence[Partition],
    *,
    threads: int,
    progress: Callable[[Done[Evaluation]], None],
) -> Evaluation:
    """Measure in one read of the data.

    Args:
        client: An open Dask client.
        work: What the tasks share.
        partitions: Partitions that hold rows of the parts in question.
        threads: Threads of all workers together.
        progress: Called for every finished partition.
    """
    total = Evaluation()
    finished = over_partitions(client, evaluate, work, partitions, threads=threads)
    for done in in_order(finished, partitions):
        progress(done)
        total = total.merge(done.result)
    return total
