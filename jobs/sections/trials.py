"""Who runs the trials of ``[tune]``: side by side within workers, or spread over all of them."""

from __future__ import annotations

from dataclasses import replace

from engine.boosting.learning import Learning
from engine.boosting.source import RowSource
from engine.place.kept import Kept
from engine.training.fitting import Prepared
from engine.training.folding import resolved
from engine.training.marking import FoldedMatrix
from engine.training.preparing import matrix
from engine.tuning.boosted.study import Study, study
from engine.tuning.boosted.trials import BoostedTrials
from engine.tuning.spread.boosted import BoostedFolds
from engine.tuning.spread.fold import Fitting, FoldRows
from engine.tuning.spread.learnt import LearntFolds
from engine.tuning.spread.trials import SpreadTrials
from jobs.planning.tuning import Room, Spread
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.sections.holding import dealt, masked
from jobs.work.lesson import assignment
from jobs.work.training import Training
from jobs.work.tuning import Tuning


def trials_of(
    context: Context, training: Training, prepared: Prepared, trying: Room | Spread, folder: Kept
) -> BoostedTrials | SpreadTrials:
    """Return who runs the trials, as the plan has found room for them.

    Args:
        context: What the sections of the run share.
        training: What is asked for.
        prepared: The rows as they were surveyed.
        trying: The room that trials have.
        folder: Where trials are kept.
    """
    client = context.session().client
    if isinstance(trying, Room):
        asked = _study(context, training, prepared, trying, folder)
        return BoostedTrials(client, asked, context.stop)
    tuning = trying.tuning
    rows = _fold_rows(context, training, prepared, tuning)
    fitting: Fitting
    if training.spec.boosts:
        fitting = _boosted(context, training, prepared, tuning, rows, folder)
    else:
        fitting = _learnt(context, training, prepared, tuning, rows)
    return SpreadTrials(fitting, tuning.higher, lambda: client.status == "running")


def _fold_rows(
    context: Context, training: Training, prepared: Prepared, tuning: Tuning
) -> tuple[FoldRows, ...]:
    """Return the rows of every fold; without folds, training and validation rows."""
    under = [prepared]
    if tuning.dealt is not None:
        folds = dealt(context, prepared, tuning.dealt)
        under = masked(context, training, prepared, folds, "tune")
    partitions = context.planned.train_partitions
    return tuple(
        FoldRows(one, boosting.source(training, one), tuple(one.shard_parts(partitions)))
        for one in under
    )


def _learnt(
    context: Context,
    training: Training,
    prepared: Prepared,
    tuning: Tuning,
    rows: tuple[FoldRows, ...],
) -> LearntFolds:
    """Return what fits another estimator than LightGBM."""
    session, classes = context.session(), len(prepared.data.classes or ())
    asked = assignment(training.spec, session.resources.memory, classes)
    measure = replace(boosting.measure(training.spec, prepared), metric=tuning.metric)
    return LearntFolds(session.client, rows, asked, measure, session.resources.slots)


def _boosted(
    context: Context,
    training: Training,
    prepared: Prepared,
    tuning: Tuning,
    rows: tuple[FoldRows, ...],
    folder: Kept,
) -> BoostedFolds:
    """Return what boosts over all workers."""
    planned, session = context.planned, context.session()
    # A bound of time and exact sums are for the model that is trained in the end.
    wanted = replace(
        _learning(training, prepared, tuning, planned.subsets),
        max_seconds=None,
        reproducible=False,
    )
    conduct = boosting.conduct(training.spec, planned.job.cluster, session.resources, folder)
    return BoostedFolds(session.client, session.resources, rows, wanted, conduct, folder)


def _learning(training: Training, prepared: Prepared, tuning: Tuning, subsets: int) -> Learning:
    """Return what a trial learns, its own parameters apart."""
    return replace(
        boosting.learning(training, prepared, subsets),
        metric=tuning.metric,
        measure=replace(boosting.measure(training.spec, prepared), metric=tuning.metric),
        early_stopping=tuning.early_stopping,
    )


def _study(
    context: Context, training: Training, prepared: Prepared, trying: Room, checkpoint: Kept
) -> Study:
    """Return what all trials within workers share."""
    planned, session = context.planned, context.session()
    return study(
        session.resources,
        _source(context, training, prepared, trying.tuning),
        prepared.shard_parts(planned.train_partitions),
        matrix(prepared.pipeline, prepared.sample, training=prepared.learned),
        _learning(training, prepared, trying.tuning, 1),
        # The training that follows finds its rows binned, and removes the bins.
        replace(
            boosting.conduct(training.spec, planned.job.cluster, session.resources, checkpoint),
            keep_bins=True,
        ),
        each=trying.each,
    )


def _source(
    context: Context, training: Training, prepared: Prepared, tuning: Tuning
) -> RowSource | FoldedMatrix:
    """Return what trials within workers read: rows with their folds, or validation rows."""
    rows = boosting.source(training, prepared)
    if tuning.dealt is None:
        return rows
    session, parts = context.session(), context.planned.train_partitions
    folds = resolved(
        session.client, prepared.data, tuning.dealt, parts, threads=session.resources.slots
    )
    return FoldedMatrix(rows, tuple(folds.under(prepared.data.split)))
