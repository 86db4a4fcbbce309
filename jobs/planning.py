"""What each section will read, hold and write, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from cluster.resources import Resources
from engine.plan import SMALLEST_BYTES, Partition, Plan, StepPlan
from engine.registry import open_model
from jobs import projection
from jobs.spec import Job
from jobs.work.preparing import Preparation, open_preparation
from jobs.work.profiling import Profiling, open_profiling
from jobs.work.scoring import Scoring, Wanted, open_scoring
from jobs.work.sorting import Sorting, open_sorting
from jobs.work.training import Training, open_training

W = TypeVar("W", bound=Profiling | Sorting | Preparation | Training | Scoring)
Project: TypeAlias = Callable[[W, Sequence[Partition], Resources], list[StepPlan]]


@dataclass(frozen=True)
class Planned:
    """A job with its data opened and its partitions cut.

    Attributes:
        job: The job.
        resources: Workers, threads and memory.
        profiling: What ``[profile]`` works on, if it is there.
        sorting: What ``[sort]`` works on, if it is there.
        preparation: What ``[prepare]`` works on, if it is there.
        training: What ``[train]`` works on, if it is there.
        scoring: What ``[score]`` works on, if it is there.
        profile_partitions: Partitions of the data to profile.
        sort_partitions: Partitions of the data to sort.
        prepare_partitions: Partitions of the data to prepare.
        train_partitions: Partitions of the training data.
        score_partitions: Partitions of the data to score.
        plan: The steps with their projected memory.
    """

    job: Job
    resources: Resources
    profiling: Profiling | None
    sorting: Sorting | None
    preparation: Preparation | None
    training: Training | None
    scoring: Scoring | None
    profile_partitions: Sequence[Partition]
    sort_partitions: Sequence[Partition]
    prepare_partitions: Sequence[Partition]
    train_partitions: Sequence[Partition]
    score_partitions: Sequence[Partition]
    plan: Plan

    def to_dict(self) -> dict[str, object]:
        """Return plain data for ``plan --json`` and the run folder."""
        opened = [self.profiling, self.sorting, self.preparation, self.training, self.scoring]
        datasets = {work.dataset.name: work.dataset for work in opened if work}
        return {
            "job": self.job.name,
            "data": {name: dataset.summary() for name, dataset in datasets.items()},
            **self.plan.to_dict(),
            "inputs": {name: dataset.listing() for name, dataset in datasets.items()},
        }


def plan_job(job: Job) -> Planned:
    """Open all data, cut partitions and project the memory of every step.

    The plan may be over the limit; ``plan.check()`` refuses it then.

    Raises:
        SpecError: The job does not fit its data.
        InputError: A file is damaged.
    """
    resources = job.cluster.resources()
    profiling = open_profiling(job) if job.profile else None
    sort = open_sorting(job.sort, job.data[job.sort.data]) if job.sort else None
    preparation = open_preparation(job) if job.prepare else None
    training = open_training(job) if job.train else None
    scoring = _scoring(job, training)
    steps: list[StepPlan] = []

    def cut(work: W | None, project: Project[W]) -> Sequence[Partition]:
        if work is None:
            return ()
        parts, planned = _fitting(work, resources, project)
        steps.extend(planned)
        return parts

    profile_parts = cut(profiling, projection.profile)
    sort_parts = cut(sort, projection.sort)
    prepare_parts = cut(preparation, projection.prepare)
    train_parts = cut(training, partial(projection.train, job))
    score_parts = cut(scoring, projection.score)
    return Planned(
        job,
        resources,
        profiling,
        sort,
        preparation,
        training,
        scoring,
        profile_parts,
        sort_parts,
        prepare_parts,
        train_parts,
        score_parts,
        Plan(tuple(steps), resources.workers, resources.memory),
    )


def _scoring(job: Job, training: Training | None) -> Scoring | None:
    """Return what ``[score]`` works on; the model may be one that this job is about to train."""
    if job.score is None:
        return None
    if training and job.scores_what_it_trains:
        resolved = training.resolved
        rules = training.rules(resolved.inputs)
        wanted = Wanted(resolved.inputs, resolved.width, resolved.lookback, rules)
    else:
        wanted = Wanted.by(open_model(job.score.model)[1])
    return open_scoring(job, wanted)


def _fitting(
    work: W, resources: Resources, project: Project[W]
) -> tuple[Sequence[Partition], list[StepPlan]]:
    """Cut partitions of the standard size, or of half that and so on until the steps fit the limit.

    Bins of all rows do not shrink with partitions: the largest size that fits is taken, the
    standard size when none does.
    """
    columns = work.read_columns
    size = work.dataset.target_bytes(columns)
    parts = work.dataset.partitions(columns, size)
    standard = planned = parts, project(work, parts, resources)
    while not all(step.peak <= resources.memory for step in planned[1]):
        size //= 2
        if size < SMALLEST_BYTES:
            return standard
        parts = work.dataset.partitions(columns, size)
        planned = parts, project(work, parts, resources)
    return planned
