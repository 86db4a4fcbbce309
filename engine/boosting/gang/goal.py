"""The goal of a training, from what was asked for and what there is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.reference import Sample, make_bins
from engine.boosting.learning import Learning
from engine.boosting.params.followed import metric_for
from engine.boosting.params.given import checked
from engine.boosting.params.shared import common
from engine.boosting.params.together import Asked, refuse_clashes
from engine.boosting.source import RowSource, ShardPart
from engine.boosting.work import Goal
from engine.errors import SpecError
from engine.metrics.measure import Measure


def goal_of(
    source: RowSource, parts: Sequence[ShardPart], learning: Learning, threads: int, ranks: int = 1
) -> Goal:
    """Return what all ranks are to learn.

    Args:
        source: Says which features are categories.
        parts: All partitions with their numbers of rows.
        learning: What was asked for.
        threads: Of one rank.
        ranks: How many there will be.

    Raises:
        SpecError: A parameter, the task or the metric cannot be, or things that do not go together.
    """
    return goal_with(source, learning, threads, sum(part.valid for part in parts), ranks)


def goal_with(
    source: RowSource, learning: Learning, threads: int, valid: int, ranks: int = 1
) -> Goal:
    """Return the goal of a training with so many validation rows; see `goal_of`."""
    own = checked(learning.params)
    measure = learning.measure or Measure(
        learning.task, learning.classes, learning.objective, own, learning.metric
    )
    stop = learning.early_stopping
    metric = metric_for(measure, learning.metric, stop, valid, own.get("boosting"))
    if learning.rounds < 1:
        raise SpecError(f"{learning.rounds} boosting rounds", where="train.params", hint="give 1")
    refuse_clashes(Asked(own, learning, ranks, source.vectors))
    shared = common(own, learning, source.categorical, threads, len(source.features))
    return Goal(learning, shared, measure, metric, valid > 0)


def bins_for(goal: Goal, source: RowSource, sample: npt.NDArray[np.float32], threads: int) -> bytes:
    """Return the bins that all ranks share.

    Args:
        goal: Its parameters decide the bins.
        source: Says how many features there are.
        sample: Shape (rows, features) float32: training rows that the bins are made from.
        threads: To make them with.

    Raises:
        SpecError: The sample has no rows, or other features.
        TrainingFailed: LightGBM refuses the parameters or the sample.
    """
    if sample.ndim != 2 or sample.shape[1] != len(source.features) or not len(sample):
        what = f"the sample has shape {sample.shape}, not (rows, {len(source.features)})"
        raise SpecError(what, where="train.sample_rows", hint="draw at least one row")
    return make_bins(Sample(sample, goal.params), threads)
