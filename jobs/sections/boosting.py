"""Boosting as a step of ``[train]``: what it asks for, in the words of `engine.boosting`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from cluster.resources import Resources
from cluster.spec import ClusterSpec
from engine.boosting import Conduct, Learning, RoundEvent, fit
from engine.boosting.learning import Task
from engine.boosting.source import RowSource
from engine.classes import weights_by_class
from engine.errors import SpecError
from engine.metrics.measure import Measure
from engine.models import Trees
from engine.place.kept import Kept
from engine.training.fitting import Prepared
from engine.training.preparing import MatrixSource, matrix
from jobs.runs.events import Reporter
from jobs.sections.context import Context
from jobs.sections.fit import Fit
from jobs.spec.constraints import interactions, monotone
from jobs.spec.job import TrainSpec
from jobs.work.training import Training


def boosted(
    context: Context,
    training: Training,
    prepared: Prepared,
    rows: RowSource,
    checkpoint: Kept,
    step: str,
) -> Fit:
    """Train LightGBM on all workers.

    Args:
        context: What the sections of the run share.
        training: What is asked for.
        prepared: The rows as they were surveyed, with their features.
        rows: Reads them.
        checkpoint: Where the model so far is kept.
        step: The step under way that this is a part of.
    """
    session, planned = context.session(), context.planned
    fitted = fit(
        session.client,
        session.resources,
        rows,
        prepared.shard_parts(planned.train_partitions),
        matrix(prepared.pipeline, prepared.sample, training=prepared.learned),
        learning(training, prepared, planned.subsets),
        conduct(training.spec, planned.job.cluster, session.resources, checkpoint),
        progress=teller(context.reporter),
        cancel=context.stop,
    )
    context.measure(step, max(fitted.peak_memory, default=0))
    trees, features = Trees(fitted.model), prepared.pipeline.features
    told = {
        "history": fitted.history,
        "best_round": fitted.best_round,
        "importance": {
            "gain": dict(zip(features, map(float, fitted.importance), strict=True)),
            "split": dict(zip(features, trees.splits().tolist(), strict=True)),
        },
    }
    names = ("rounds", "best_round", "stopped", "restarts")
    return Fit(trees, told, {name: getattr(fitted, name) for name in names})


def source(training: Training, prepared: Prepared) -> MatrixSource:
    """Return what the ranks read.

    Raises:
        SpecError: Weights or first scores do not fit the classes that the data have.
    """
    given, classes = len(training.spec.init_scores), prepared.data.classes or ()
    if training.spec.task == "multiclass" and given not in (0, len(classes)):
        what = f"there are {len(classes)} classes and {given} first scores"
        raise SpecError(what, where="train.init_score", hint="give one for each class, in order")
    weights = _class_weights(training.spec, prepared)
    base = training.base.text if training.base else None
    return MatrixSource(prepared.data, prepared.pipeline, prepared.learned, weights, base)


def _class_weights(spec: TrainSpec, prepared: Prepared) -> tuple[float, ...]:
    if spec.class_weight is None:
        return ()
    if spec.class_weight == "balanced":
        return prepared.balanced
    return weights_by_class(spec.class_weight, prepared.data.classes or (0, 1))


def measure(spec: TrainSpec, prepared: Prepared) -> Measure:
    """Return what rows are measured by."""
    return replace(spec.measure, classes=_classes(spec, prepared))


def _classes(spec: TrainSpec, prepared: Prepared) -> int:
    return len(prepared.data.classes or ()) if spec.task == "multiclass" else 0


def learning(training: Training, prepared: Prepared, subsets: int) -> Learning:
    """Return what is to be learned.

    Args:
        training: What ``[train]`` works on.
        prepared: Its rows, surveyed.
        subsets: In how many turns the rows are trained on.

    Raises:
        SpecError: A constraint names no feature.
    """
    spec, pipeline = training.spec, prepared.pipeline
    return Learning(
        task=cast(Task, spec.task),
        params=spec.lightgbm_params,
        rounds=spec.rounds,
        objective=spec.loss,
        classes=_classes(spec, prepared),
        metric=spec.metric,
        early_stopping=spec.early_stopping,
        measure=measure(spec, prepared),
        seed=spec.seed,
        schedule=spec.rates,
        monotone=monotone(spec.monotone, pipeline.features, pipeline.categorical),
        interactions=interactions(spec.interactions, pipeline.features),
        reproducible=spec.reproducible,
        base=training.base.text if training.base else None,
        refit=spec.refit,
        subsets=subsets,
        max_seconds=spec.max_seconds,
    )


def conduct(
    spec: TrainSpec, cluster: ClusterSpec, resources: Resources, checkpoint: Kept
) -> Conduct:
    """Return how the work is done.

    Args:
        spec: The section.
        cluster: The section of the cluster.
        resources: What the cluster offers.
        checkpoint: Where the model so far is kept.
    """
    return Conduct(
        memory=min(resources.memory, spec.max_memory or resources.memory),
        checkpoint=checkpoint,
        restarts=spec.restarts,
        keep_bins=spec.keep_bins,
        ports=cluster.port_range,
        network=cluster.network,
    )


def teller(reporter: Reporter) -> Callable[[RoundEvent], None]:
    """Return what tells a reporter of events of the ranks, which count rows from their start."""
    read: dict[int, int] = {}

    def tell(event: RoundEvent) -> None:
        if event.kind == "round":
            reporter.round(event.round, event.rounds, event.metrics)
        elif event.kind == "loading":
            new = event.rows - read.get(event.rank, 0)
            read[event.rank] = event.rows
            reporter.progress(new, {f"rank {event.rank}": event.peak_memory})
        elif event.reason:
            reporter.warning(event.reason)
        if event.kind == "restart":
            read.clear()

    return tell
