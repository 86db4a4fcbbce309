"""Training from the client's side: choose workers, start a rank on each, hear how it ends.

Order of things: parameters, shards and bins here; then on the workers, in the hands of `Gang`:
ports are reserved, every pair of workers is tried, the ranks run. A rank that fails makes the
others leave by themselves (`engine.boosting.council.hub`); what does not end within
`Timeouts.leave` is cancelled, and its worker kills the child. A client that dies has the same
effect as cancelling.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
from distributed import Client, Lock

from engine.boosting.bins.reference import Sample, make_bins
from engine.boosting.events import Fitted, RoundEvent, Timeouts
from engine.boosting.gang.attempt import Gang, Orders
from engine.boosting.gang.shards import shards
from engine.boosting.params.followed import Task, metric_for
from engine.boosting.params.given import checked
from engine.boosting.params.shared import common
from engine.boosting.source import RowSource, ShardPart
from engine.boosting.work import Goal
from engine.errors import Cancelled, RankLost, SpecError

if TYPE_CHECKING:
    from cluster.resources import Resources

CHECKPOINT_ROUNDS = 50


def fit(
    client: Client,
    resources: Resources,
    source: RowSource,
    parts: Sequence[ShardPart],
    sample: npt.NDArray[np.float32],
    *,
    task: str,
    params: Mapping[str, object],
    rounds: int,
    early_stopping: int | None,
    metric: str | None,
    seed: int,
    progress: Callable[[RoundEvent], None],
    checkpoint: Path | None,
    memory: int,
    checkpoint_every: int = CHECKPOINT_ROUNDS,
    cancel: Callable[[], bool] = lambda: False,
    timeouts: Timeouts | None = None,
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
        task: ``binary`` or ``regression``.
        params: The user's LightGBM parameters.
        rounds: Boosting rounds at most.
        early_stopping: Rounds without a better validation metric after which to stop; or None.
        metric: ``log_loss``, ``auc``, ``rmse`` or ``mae``; None = the task's first.
        seed: Of everything that LightGBM draws.
        progress: Called in this thread with what happens, a few times a second.
        checkpoint: File for the model so far, written by the worker of rank 0 (a path that both
            see); or None.
        memory: Bytes that a rank and its Dask worker may hold together; the rank is killed above.
            0 = no bound.
        checkpoint_every: Rounds between checkpoints; a minute never passes without one.
        cancel: Looked at twice a second.
        timeouts: When somebody is given up.

    Raises:
        SpecError: A parameter, the task or the metric cannot be.
        ContractRefused: There are no training rows, or labels that nothing can be learned from.
        RankLost: A rank vanished, froze, or went over its memory bound.
        TrainingFailed: LightGBM failed, or two workers cannot reach each other.
        Cancelled: ``cancel`` said so.
        MillraceError: What the source raised.
    """
    split = shards(parts, resources.workers)
    goal = _goal(source, parts, resources, task, params, rounds, early_stopping, metric, seed)
    if sample.ndim != 2 or sample.shape[1] != len(source.features) or not len(sample):
        what = f"the sample has shape {sample.shape}, not (rows, {len(source.features)})"
        raise SpecError(what, where="train.sample_rows", hint="draw at least one row")
    waits = timeouts or Timeouts()
    orders = Orders(
        goal=goal,
        source=pickle.dumps(source),
        shards=split,
        bins=make_bins(Sample(sample, goal.params), resources.cores),
        sample_rows=len(sample),
        timeouts=waits,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        memory=memory,
        threads=resources.threads,
    )
    with _locked(client, _workers(client, len(split), waits), cancel) as workers:
        return Gang(client, workers, orders, progress, cancel).run()


def _goal(
    source: RowSource,
    parts: Sequence[ShardPart],
    resources: Resources,
    task: str,
    params: Mapping[str, object],
    rounds: int,
    early_stopping: int | None,
    metric: str | None,
    seed: int,
) -> Goal:
    own = checked(params)
    valid = sum(part.valid for part in parts)
    followed = metric_for(task, metric, early_stopping, valid, own.get("boosting"))
    if rounds < 1:
        raise SpecError(f"{rounds} boosting rounds", where="train.params", hint="at least 1")
    kind = cast(Task, task)
    shared = common(own, kind, source.categorical, resources.threads, seed)
    return Goal(kind, shared, rounds, followed, early_stopping, valid > 0)


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
