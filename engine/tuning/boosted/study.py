"""What all trials of a study share, made once on the client: bins, rows, bounds."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.marks import FoldSource, masks_name
from engine.boosting.gang.goal import bins_for, goal_with
from engine.boosting.gang.orders import fingerprint
from engine.boosting.gang.shards import shards
from engine.boosting.learning import Conduct, Learning
from engine.boosting.params.given import checked
from engine.boosting.source import RowSource, ShardPart
from engine.boosting.work import Goal
from engine.errors import SpecError
from engine.memory.ranks import IDLE
from engine.tuning.boosted.fixed import fixed_params
from engine.tuning.boosted.work import Bench
from engine.tuning.trial import Trial

if TYPE_CHECKING:
    from cluster.resources import Resources


@dataclass(frozen=True)
class Study:
    """What all trials share.

    Attributes:
        source: Where rows come from.
        learning: What is learned where a trial does not say otherwise.
        bench: What every child is told.
        workers: Workers at most.
        each: Trials that one worker runs at once.
        held: Rows that are held out, or 1 where folds hold out some.
        better: Whether more of the metric is better.
    """

    source: RowSource
    learning: Learning
    bench: Bench
    workers: int
    each: int
    held: int
    better: bool

    @property
    def slots(self) -> int:
        """Trials that run at once."""
        return self.workers * self.each

    def goal(self, trial: Trial) -> Goal:
        """Return what a trial is to learn.

        Raises:
            SpecError: A parameter cannot be, cannot be tuned, or does not go with another.
        """
        return goal_with(self.source, _asked(self.learning, trial), self.bench.threads, self.held)


def study(
    resources: Resources,
    source: RowSource | FoldSource,
    parts: Sequence[ShardPart],
    sample: npt.NDArray[np.float32],
    learning: Learning,
    conduct: Conduct,
    *,
    each: int,
) -> Study:
    """Make the bins that all trials share.

    The measure is that of ``learning`` for all trials, whatever they tune. A bound of time, a
    model to go on from, turns of subsets and the exact sums of ``reproducible`` are for the model
    that is trained in the end; a trial has none of them.

    Args:
        resources: How many workers there are, their threads and memory.
        source: Reads partitions, in the child processes: training and validation rows; or, as a
            `FoldSource`, training rows with their folds.
        parts: All partitions with their numbers of rows.
        sample: Shape (rows, features) float32: training rows that the bins are made from.
        learning: What is learned where a trial does not say otherwise.
        conduct: How the work is done.
        each: Trials that one worker runs at once (`engine.memory.trials.side_by_side`); they share
            its threads and memory evenly.

    Raises:
        SpecError: A parameter, the task or the metric cannot be; or no rows are held out.
        ContractRefused: There are no training rows.
        TrainingFailed: LightGBM refuses the sample.
    """
    folds = source.folds if isinstance(source, FoldSource) else 0
    held = 1 if folds else sum(part.valid for part in parts)
    _refuse(learning, held)
    each = max(1, min(each, resources.threads))
    learning = replace(learning, subsets=1, max_seconds=None, base=None, reproducible=False)
    threads = max(1, resources.threads // each)
    goal = goal_with(source, learning, threads, held)
    if folds:
        parts = [replace(part, valid=0, valid_head=0) for part in parts]
    bins, packed = bins_for(goal, source, sample, resources.cores), pickle.dumps(source)
    own = pickle.dumps(source.unfolded) if isinstance(source, FoldSource) else packed
    bench = Bench(
        study=f"tuning-{secrets.token_hex(8)}",
        source=packed,
        width=len(source.features),
        vectors=source.vectors,
        folds=folds,
        shard=shards(parts, 1)[0],
        bins=bins,
        sample_rows=len(sample),
        fingerprint=fingerprint(bins, own),
        masks=masks_name(source) if isinstance(source, FoldSource) else "",
        threads=threads,
        conduct=replace(conduct, memory=_bound(conduct.memory, each)),
    )
    learning = replace(learning, measure=goal.measure)
    better = goal.measure.better(goal.metric)
    return Study(source, learning, bench, resources.workers, each, held, better)


def _refuse(learning: Learning, held: int) -> None:
    """Refuse what cannot be tuned."""
    if learning.refit is not None:
        what = "a training that fits leaves again has nothing to tune"
        raise SpecError(what, where="train.refit", hint="leave train.refit out, or tune")
    if not held:
        what = "trials need rows that are held out, and there are none"
        raise SpecError(what, where="tune", hint="give tune.folds, or train.split.valid")


def _bound(memory: int, each: int) -> int:
    """Return the bytes of one trial and its worker, when trials share evenly what it leaves."""
    return IDLE + (memory - IDLE) // each if memory > IDLE else memory


def _asked(learning: Learning, trial: Trial) -> Learning:
    """Return what a trial learns."""
    for name, reason in fixed_params(trial.params).items():
        what = f"parameter {name!r} cannot be tuned: {reason}"
        raise SpecError(what, where=f"tune.params.{name}")
    params = {**checked(learning.params), **checked(trial.params)}
    return replace(learning, params=params, rounds=trial.rounds)
