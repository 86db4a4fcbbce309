"""Training from the client's side: choose workers, start a rank on each, hear how it ends.

Order of things: parameters and bins here; then, in the hands of `Attempts`, workers are chosen and
the rows shared out; then, in the hands of `Gang`, ports are reserved, every pair of workers is
tried, the ranks run. A rank that fails makes the others leave by themselves
(`engine.boosting.council.hub`); what does not end within `Timeouts.leave` is cancelled, and its
worker kills the child. A client that dies has the same effect as cancelling. A lost rank leads to
another attempt, which goes on from the last checkpoint on the workers that are left.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from distributed import Client

from engine.boosting.bins.marks import UnderFold
from engine.boosting.events import Fitted, RoundEvent
from engine.boosting.gang.attempts import Attempts
from engine.boosting.gang.calls import answers
from engine.boosting.gang.goal import bins_for, goal_of
from engine.boosting.gang.orders import Orders, fingerprint, training_key
from engine.boosting.gang.saved import Saved
from engine.boosting.gang.scratch import leave_behind
from engine.boosting.gang.shards import shards
from engine.boosting.learning import Conduct, Learning
from engine.boosting.source import RowSource, ShardPart

if TYPE_CHECKING:
    from cluster.resources import Resources


TIDY_SECONDS = 5.0
"""How long workers may take at most to remove what ranks have left on their disks."""


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
    can be reached, no future, no lock; no binned rows unless ``conduct.keep_bins``; and the file
    ``conduct.checkpoint`` only when there is no model.

    Args:
        client: An open Dask client.
        resources: How many workers may be used, and their threads.
        source: Reads partitions, in the processes of the ranks; `bins.marks.UnderFold`: some of
            the rows of a set whose bins are shared.
        parts: All partitions with their numbers of rows.
        sample: Shape (rows, features) float32: training rows that the bins are made from.
        learning: What is to be learned.
        conduct: How the work is done.
        progress: Called in this thread with what happens, a few times a second.
        cancel: Looked at twice a second.

    Raises:
        SpecError: A parameter, the task or the metric cannot be.
        ContractRefused: There are no training rows, or labels that nothing can be learned from.
        RankLost: A rank vanished or froze once more than ``conduct.restarts``, or went over its
            memory bound, which it would do again.
        TrainingFailed: LightGBM failed, or two workers cannot reach each other.
        Cancelled: ``cancel`` said so.
        MillraceError: What the source raised.
    """
    ranks = len(shards(parts, resources.workers))
    goal = goal_of(source, parts, learning, resources.threads, ranks)
    bins, packed = bins_for(goal, source, sample, resources.cores), pickle.dumps(source)
    # All folds have the rows of their set in one folder, and the training on all rows has too.
    whole = pickle.dumps(source.unfolded) if isinstance(source, UnderFold) else packed
    name = fingerprint(bins, whole)
    orders = Orders(goal, conduct, packed, bins, len(sample), resources.threads, name)
    saved = Saved(conduct.checkpoint, training_key(goal, bins, source.features, parts))
    if note := saved.find():
        progress(RoundEvent("checkpoint", 0, saved.round, learning.rounds, reason=note))
    try:
        fitted = Attempts(client, ranks, parts, orders, saved, progress, cancel).run()
    finally:
        tidy(client, name, conduct)
    saved.remove()
    return fitted


def tidy(client: Client, name: str, conduct: Conduct) -> None:
    """Remove what the ranks have left on the workers' disks; what stays is swept another day."""
    with suppress(Exception):
        workers = client.scheduler_info(n_workers=-1)["workers"]
        seconds = min(TIDY_SECONDS, conduct.timeouts.leave)
        answers(client, leave_behind, name, conduct.keep_bins, workers=workers, seconds=seconds)
