"""Training from the client's side: choose workers, start a rank on each, hear how it ends.

Order of things: parameters, shards and bins here; then on the workers, in the hands of `Gang`:
ports are reserved, every pair of workers is tried, the ranks run. A rank that fails makes the
others leave by themselves (`engine.boosting.council.hub`); what does not end within
`Timeouts.leave` is cancelled, and its worker kills the child. A client that dies has the same
effect as cancelling.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from distributed import Client, Lock

from engine.boosting.bins.reference import Sample, make_bins
from engine.boosting.events import Fitted, RoundEvent, Timeouts
from engine.boosting.gang.attempt import Gang, Orders
from engine.boosting.gang.shards import shards
from engine.boosting.learning import Conduct, Learning
from engine.boosting.params.followed import metric_for
from engine.boosting.params.given import checked
from engine.boosting.params.shared import common
from engine.boosting.source import RowSource, ShardPart
from engine.boosting.work import Goal
from engine.errors import Cancelled, RankLost, SpecError
from engine.metrics.measure import Measure

if TYPE_CHECKING:
    from cluster.resources import Resources


def fit(
    client: Client,
    resources: Resources,
    source: RowSource,
    parts: Sequence[ShardPart],
    sample: npt.NDArray[np.float32],
    learning: Learning,
    conduct: Conduct,
    *,
    progress: Callable[[RoundEvent], None],
    cancel: Callable[[], bool] = lambda: False,
) -> Fitted:
    """Train LightGBM on the rows of a source, spread over the workers of a cluster.

    Nothing of the training is left when this returns or raises: no child process on a worker that
    can be reached, no future, no lock.

    Args:
        client: An open Dask client.
        resources: How many workers may be used, and their threads.
        source: Reads partitions, in the processes of the ranks.
        parts: All partitions with their numbers of rows.
        sample: Shape (rows, features) float32: training rows that the bins are made from.
        learning: What is to be learned.
        conduct: How the work is done.
        progress: Called in this thread with what happens, a few times a second.
        cancel: Looked at twice a second.

    Raises:
        SpecError: A parameter, the task or the metric cannot be.
        ContractRefused: There are no training rows, or labels that nothing can be learned from.
        RankLost: A rank vanished, froze, or went over its memory bound.
        TrainingFailed: LightGBM failed, or two workers cannot reach each other.
        Cancelled: ``cancel`` said so.
        MillraceError: What the source raised.
    """
    split = shards(parts, resources.workers)
    goal = _goal(source, parts, resources, learning)
    if sample.ndim != 2 or sample.shape[1] != len(source.features) or not len(sample):
        what = f"the sample has shape {sample.shape}, not (rows, {len(source.features)})"
        raise SpecError(what, where="train.sample_rows", hint="draw at least one row")
    orders = Orders(
        goal=goal,
        conduct=conduct,
        source=pickle.dumps(source),
        shards=split,
        bins=make_bins(Sample(sample, goal.params), resources.cores),
        sample_rows=len(sample),
        threads=resources.threads,
    )
    workers = _workers(client, len(split), conduct.timeouts)
    with _locked(client, workers, cancel):
        return Gang(client, workers, orders, progress, cancel).run()


def _goal(
    source: RowSource, parts: Sequence[ShardPart], resources: Resources, learning: Learning
) -> Goal:
    own = checked(learning.params)
    valid = sum(part.valid for part in parts)
    measure = learning.measure or Measure(learning.task, learning.classes)
    stop = learning.early_stopping
    metric = metric_for(measure, learning.metric, stop, valid, own.get("boosting"))
    if learning.rounds < 1:
        raise SpecError(f"{learning.rounds} boosting rounds", where="train.params", hint="give 1")
    shared = common(own, learning, source.categorical, resources.threads)
    return Goal(learning, shared, measure, metric, valid > 0)


def _workers(client: Client, count: int, timeouts: Timeouts) -> list[str]:
    """Return the addresses of so many workers, waiting for those that are just starting."""
    try:
        client.wait_for_workers(count, timeout=timeouts.answer)
    except TimeoutError as error:
        there = len(client.scheduler_info()["workers"])
        raise RankLost(
            f"training needs {count} workers, the cluster has {there}",
            where="cluster.workers",
            hint="see why workers did not start, or ask for fewer",
        ) from error
    return sorted(client.scheduler_info()["workers"])[:count]


@contextmanager
def _locked(
    client: Client, workers: Sequence[str], cancel: Callable[[], bool]
) -> Iterator[Sequence[str]]:
    """Hold the workers, so that a second training waits instead of sharing their memory.

    Taken in the order of addresses, so that two trainings never wait for each other. The leases
    end by themselves when the client dies.
    """
    with ExitStack() as stack:
        for worker in workers:
            lock = Lock(f"millrace-training-{worker}", client.scheduler, client.loop)
            while not lock.acquire(timeout="2 s"):
                if cancel():
                    raise Cancelled("training was cancelled while it waited for its workers")
            stack.callback(lock.release)
        yield workers
