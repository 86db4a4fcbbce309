"""Training without a cluster: one rank, in a child of this process. Nothing of Dask is loaded."""

from __future__ import annotations

import base64
import pickle
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from engine import process
from engine.boosting.events import Fitted, RoundEvent
from engine.boosting.gang.child import Ending, Event, Wish, watch
from engine.boosting.gang.goal import bins_for, goal_of
from engine.boosting.gang.shards import shards
from engine.boosting.learning import Conduct, Learning
from engine.boosting.source import RowSource, ShardPart
from engine.boosting.work import Place, Work
from engine.errors import MillraceError, RankLost

HOST = "127.0.0.1"

Progress = Callable[[RoundEvent], None]


def fit_alone(
    source: RowSource,
    parts: Sequence[ShardPart],
    sample: npt.NDArray[np.float32],
    learning: Learning,
    conduct: Conduct,
    *,
    threads: int,
    progress: Progress,
) -> Fitted:
    """Train LightGBM on the rows of a source with one rank; the same model as one worker makes.

    A rank that is lost is not started again, and no checkpoint is kept.

    Args:
        source: Reads partitions, in the child.
        parts: All partitions with their numbers of rows.
        sample: Shape (rows, features) float32: training rows that the bins are made from.
        learning: What is to be learned.
        conduct: How the work is done.
        threads: Of the rank.
        progress: Called in this thread with what happens.

    Raises:
        SpecError: A parameter, the task or the metric cannot be.
        ContractRefused: There are no training rows, or labels that nothing can be learned from.
        RankLost: The child vanished, froze, or went over its memory bound.
        TrainingFailed: LightGBM failed.
        MillraceError: What the source raised.
    """
    work = _work(source, parts, sample, learning, conduct, threads)
    sockets = [socket.create_server((HOST, 0)) for _ in range(2)]
    port, hub = (one.getsockname()[1] for one in sockets)
    place = Place(0, f"process {process.name()}", HOST, port, hub)
    work = replace(work, places=(place,))
    ending = watch(work, [one.detach() for one in sockets], _heard(learning, progress), _go_on)
    return _fitted(work, ending)


def _work(
    source: RowSource,
    parts: Sequence[ShardPart],
    sample: npt.NDArray[np.float32],
    learning: Learning,
    conduct: Conduct,
    threads: int,
) -> Work:
    """Return what the rank is told, its place apart."""
    shard = shards(parts, 1)[0]
    goal = goal_of(source, parts, learning, threads)
    return Work(
        rank=0,
        places=(),
        key=secrets.token_bytes(32),
        goal=goal,
        source=pickle.dumps(source),
        shard=shard,
        bins=bins_for(goal, source, sample, threads),
        sample_rows=len(sample),
        conduct=conduct,
        threads=threads,
    )


def _heard(learning: Learning, progress: Progress) -> Callable[[Event], None]:
    def hear(event: Event) -> None:
        if event["kind"] in ("loading", "round"):
            progress(RoundEvent.heard(event, 0, learning.rounds))

    return hear


def _go_on() -> Wish:
    return Wish.GO_ON


def _fitted(work: Work, ending: Ending) -> Fitted:
    last = ending.last or {"kind": "nothing"}
    if last["kind"] == "failed":
        error: MillraceError = pickle.loads(base64.b64decode(last["error"]))
        raise error
    if last["kind"] != "done":
        tail = "; ".join(ending.stderr[-3:])
        said = f" (last said: {tail})" if tail else ""
        raise RankLost(f"{work.place} was lost: {ending.cause()}{said}", hint="see its last words")
    return Fitted(
        model=last["model"],
        best_round=last["best_round"],
        rounds=last["rounds"],
        history=last["history"],
        peak_memory=[ending.peak],
        importance=last["importance"],
        stopped=last["stopped"],
    )
