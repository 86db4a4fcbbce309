"""What ``[train]`` and ``[evaluate]`` read, hold and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from cluster.resources import Resources
from engine import memory
from engine.baselines.linear import CELLS
from engine.boosting.learning import turn_rounds
from engine.boosting.params.given import checked
from engine.errors import PlanRefused, SpecError
from engine.learners import learner
from engine.memory import Boosting, Measured, Shape, driver
from engine.plan import Partition, StepPlan, Term
from jobs.planning.crossing import crossing
from jobs.planning.ensembles import members_at_work, together
from jobs.planning.measuring import calibration, evaluation
from jobs.planning.reading import fitting_step, shape_of
from jobs.planning.tuning import Room, Spread
from jobs.spec.job import JobSpec, TrainSpec
from jobs.work.lesson import assignment
from jobs.work.scorer import CLASSES, Scorer, beside
from jobs.work.training import Training
from jobs.work.tuning import open_tuning

GB = 1e9


def train(
    job: JobSpec,
    training: Training,
    parts: Sequence[Partition],
    resources: Resources,
    subsets: int = 1,
    spread: bool = False,
) -> list[StepPlan]:
    """Project the sections ``[train]`` and ``[evaluate]``.

    Args:
        job: The job.
        training: What ``[train]`` works on.
        parts: The partitions.
        resources: What the cluster offers.
        subsets: In how many turns the rows are trained on.
        spread: Whether a trial of ``[tune]`` takes the whole cluster, though it is LightGBM's.
    """
    trying = room(job, training, parts, resources, subsets, spread)
    if trying is not None:
        training = trying.training
    resolved, dataset = training.resolved, training.dataset
    shape = shape_of(training, parts, resources)
    rows, stored = dataset.rows, sum(part.stored for part in parts)
    fitting = partial(_fitted, parts=parts, resources=resources, subsets=subsets)
    spec = training.spec
    at_work = (*beside(training), *members_at_work(training))
    steps = [fitting_step("prepare", training.data, resolved, dataset, shape, spec.sample_rows)]
    if trying is not None:
        steps.append(trying.step(parts))
    if training.folds is not None:
        steps.append(crossing(training, fitting, steps[0], shape))
    steps.append(fitting(training, shape))
    if spec.calibrate or spec.threshold:
        terms = (*memory.evaluation(shape, calibration(training)), *at_work)
        once = ("score validation rows",)
        drives = _measuring(training, shape, calibration(training))
        steps.append(StepPlan("calibrate", once, len(parts), rows, stored, terms, driver=drives))
    if job.evaluate:
        once = ("score training, validation and test rows",)
        terms = (*memory.evaluation(shape, evaluation(job.evaluate, training)), *at_work)
        drives = _measuring(training, shape, evaluation(job.evaluate, training))
        steps.append(StepPlan("evaluate", once, len(parts), rows, stored, terms, driver=drives))
    if job.explain:
        asked = job.explain
        passes = (f"draw {asked.rows:,} rows" + (", explain all" if asked.shap == "all" else ""),)
        terms = memory.explaining(shape, asked.rows)
        steps.append(StepPlan("explain", passes, len(parts), rows, stored, terms))
    return steps


def _measuring(training: Training, shape: Shape, asked: Measured) -> tuple[Term, ...]:
    """Return what the driver holds while a model is measured beside baselines."""
    rows = min(training.spec.sample_rows, training.dataset.rows)
    told = training.spec.labelled and asked.told > 2
    return driver.driving(
        shape,
        driver.sampled(shape.partitions, training.spec.sample_rows),
        driver.measuring(shape.partitions, asked),
        *([driver.baseline(shape.features, rows, CELLS)] if told else []),
    )


def _fitted(
    training: Training,
    shape: Shape,
    *,
    parts: Sequence[Partition],
    resources: Resources,
    subsets: int,
) -> StepPlan:
    """Project the training of an estimator."""
    if training.spec.combines:
        fitting = partial(_fitted, parts=parts, resources=resources, subsets=subsets)
        return together(training, fitting, shape)
    if training.spec.boosts:
        return _boosted(training, parts, resources, shape, subsets)
    return _learnt(training, parts, resources, shape)


def room(
    job: JobSpec,
    training: Training,
    parts: Sequence[Partition],
    resources: Resources,
    subsets: int = 1,
    spread: bool = False,
) -> Room | Spread | None:
    """Return how ``[tune]`` finds room on the workers; None where the job has no such section.

    Args:
        job: The job.
        training: What ``[train]`` works on.
        parts: The partitions.
        resources: What the cluster offers.
        subsets: In how many turns the rows are trained on.
        spread: Whether a trial takes the whole cluster, though it is LightGBM's.

    Raises:
        SpecError: The section does not fit the data.
        PlanRefused: With some of the parameters a trial needs more memory than a worker has.
    """
    tuning = open_tuning(job, training)
    if tuning is None:
        return None
    shape = shape_of(training, parts, resources)
    fitting = partial(_fitted, parts=parts, resources=resources, subsets=subsets)

    def size(spec: TrainSpec) -> int:
        try:
            return fitting(replace(training, spec=spec), shape).peak
        except PlanRefused:  # a trial that no worker has the memory for
            raise
        except SpecError:  # parameters that do not go together: such a trial ends before it begins
            return 0

    largest = replace(training, spec=tuning.largest(size))
    if training.spec.boosts and not spread:
        alone = _boosting(largest, parts, replace(resources, workers=1), 1)
        return Room(tuning, largest, resources, shape, replace(alone, exact=False))
    prepare = fitting_step("prepare", training.data, training.resolved, training.dataset, shape)
    measuring = () if training.spec.boosts else _scoring(largest, shape)
    return Spread(tuning, largest, shape, fitting, prepare, measuring)


def _scoring(training: Training, shape: Shape) -> tuple[Term, ...]:
    """Return what a worker holds while another estimator than LightGBM is measured."""
    return (*memory.evaluation(shape), *beside(training))


def _boosted(
    training: Training,
    parts: Sequence[Partition],
    resources: Resources,
    shape: Shape,
    subsets: int,
) -> StepPlan:
    """Project LightGBM's training."""
    rows, stored = training.dataset.rows, sum(part.stored for part in parts)
    boosting = _boosting(training, parts, resources, subsets)
    computed = bool(training.pipeline.steps or training.pipeline.derive)
    kept = rows * shape.features * boosting.cell
    passes = (
        f"training and validation rows into bins, {kept / GB:.2f} GB on the workers' disks",
        *_turns(training, kept, subsets),
    )
    terms = memory.training(shape, boosting, computed)
    most = training.spec.max_memory
    drives = driver.driving(
        shape,
        driver.sampled(shape.partitions, training.spec.sample_rows),
        Term("model and its checkpoint", 2 * Scorer.awaited("", training).size),
    )
    return StepPlan("train", passes, len(parts), rows, stored, terms, most=most, driver=drives)


def _learnt(
    training: Training, parts: Sequence[Partition], resources: Resources, shape: Shape
) -> StepPlan:
    """Project the training of another estimator."""
    spec, rows = training.spec, training.dataset.rows
    asked = assignment(spec, resources.memory, len(training.data.classes or ()))
    way = learner(spec.learner.way)
    stored = sum(part.stored for part in parts)
    terms = way.terms(asked, shape, rows)
    passes = way.passes(asked)
    drives = driver.driving(
        shape,
        driver.sampled(shape.partitions, spec.sample_rows),
        *way.driver(asked, shape, rows),
    )
    most = spec.max_memory
    return StepPlan("train", passes, len(parts), rows, stored, terms, most=most, driver=drives)


def _turns(training: Training, kept: int, subsets: int) -> tuple[str, ...]:
    """Say what rotation costs: every turn after the first of all reads bins from disk again."""
    if subsets == 1:
        return ()
    rounds = training.spec.rounds
    length = turn_rounds(rounds, subsets)
    again = max(0, -(-rounds // length) - subsets) * kept / subsets
    return (
        f"the bins of all rows do not fit: {subsets} subsets of the rows have their turn, {length} "
        f"rounds each; {again / GB:.2f} GB of bins are read again from the disks of the workers",
    )


def _boosting(
    training: Training, parts: Sequence[Partition], resources: Resources, subsets: int
) -> Boosting:
    """Return the rows of the fullest rank.

    A share is drawn, so a percent is added; ranks get whole partitions, so one may have half of one
    more than its part. Validation rows are always there, training rows in their turn.
    """
    split, spec, rows = training.data.split, training.spec, training.dataset.rows
    params = cast(Mapping[str, Any], checked(spec.lightgbm_params))
    test, valid = (s if isinstance(s, float) and s else 0.0 for s in (split.test, split.valid))
    uneven = max((part.rows for part in parts), default=0) // 2 if resources.workers > 1 else 0
    learnt = min(1.0, 1.01 - test - valid) / subsets + min(1.0, valid * 1.01)
    return Boosting(
        rows=int(min(1.0, learnt) * rows / resources.workers + uneven),
        leaves=int(params.get("num_leaves", 31)),
        bins=int(params.get("max_bin", 255)),
        row_wise=bool(params.get("force_row_wise", False)),
        outputs=len(spec.classes or range(CLASSES)) if spec.task == "multiclass" else 1,
        weighted=bool(spec.weight or spec.class_weight),
        started=bool(spec.init or spec.init_score),
        exact=spec.reproducible,
        rotates=subsets > 1,
        ranks=resources.workers,
    )
