"""What each section will read, hold and write, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeAlias, TypeVar

from cluster.resources import Resources
from cluster.session import offered
from engine.plan import SMALLEST_BYTES, Partition, Plan, StepPlan
from jobs.planning import projection
from jobs.planning.evaluating import evaluate
from jobs.planning.training import train
from jobs.spec.job import JobSpec
from jobs.work.evaluating import Evaluating, open_evaluating
from jobs.work.preparing import Preparation, open_preparation
from jobs.work.profiling import Profiling, open_profiling
from jobs.work.scoring import Scoring, open_scoring
from jobs.work.sorting import Sorting, open_sorting
from jobs.work.tracking import assert_tracking
from jobs.work.training import Training, open_training

W = TypeVar("W", bound=Profiling | Sorting | Preparation | Training | Evaluating | Scoring)
SUBSETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""In how many turns training rows may be learned from, in the order in which it is tried."""

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
        evaluating: What ``[evaluate]`` works on, if it measures a model that is there already.
        scoring: What ``[score]`` works on, if it is there.
        profile_partitions: Partitions of the data to profile.
        sort_partitions: Partitions of the data to sort.
        prepare_partitions: Partitions of the data to prepare.
        train_partitions: Partitions of the training data.
        evaluate_partitions: Partitions of the data that such a model is measured on.
        score_partitions: Partitions of the data to score.
        plan: The steps with their projected memory.
        subsets: In how many turns the training rows are learned from; 1 = all at once.
        spread: Whether LightGBM's trials of ``[tune]`` take the whole cluster each.
    """

    job: JobSpec
    resources: Resources
    profiling: Profiling | None
    sorting: Sorting | None
    preparation: Preparation | None
    training: Training | None
    evaluating: Evaluating | None
    scoring: Scoring | None
    profile_partitions: Sequence[Partition]
    sort_partitions: Sequence[Partition]
    prepare_partitions: Sequence[Partition]
    train_partitions: Sequence[Partition]
    evaluate_partitions: Sequence[Partition]
    score_partitions: Sequence[Partition]
    plan: Plan
    subsets: int = 1
    spread: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return plain data for ``plan --json`` and the run folder."""
        opened = (
            *(self.profiling, self.sorting, self.preparation),
            *(self.training, self.evaluating, self.scoring),
        )
        datasets = {work.dataset.name: work.dataset for work in opened if work}
        return {
            "job": self.job.name,
            "data": {name: dataset.summary() for name, dataset in datasets.items()},
            **self.plan.to_dict(),
            "inputs": {name: dataset.listing() for name, dataset in datasets.items()},
        }


def plan_job(job: JobSpec) -> Planned:
    """Open all data, cut partitions and project the memory of every step.

    The plan may be over the limit; ``plan.check()`` refuses it then.

    Raises:
        SpecError: The job does not fit its data, or needs a library that is not installed.
        InputError: A file is damaged.
    """
    if job.track:
        assert_tracking()
    resources = offered(job.cluster, remote=job.remote)
    profiling = open_profiling(job) if job.profile else None
    sort = open_sorting(job.sort, job.data[job.sort.data]) if job.sort else None
    preparation = open_preparation(job) if job.prepare else None
    training = open_training(job) if job.train else None
    evaluating = open_evaluating(job) if job.does("evaluate") else None
    scoring = open_scoring(job, training) if job.score else None
    if (training and training.loads) or any(
        one.loads for one in (scoring.scorers.values() if scoring else ())
    ):
        resources = replace(resources, loaded=True)
    steps: list[StepPlan] = []

    def cut(work: W | None, *projects: Project[W]) -> tuple[Sequence[Partition], int]:
        if work is None:
            return (), 0
        parts, planned, place = _fitting(work, resources, projects)
        steps.extend(planned)
        return parts, place

    profile_parts, _ = cut(profiling, projection.profile)
    sort_parts, _ = cut(sort, projection.sort)
    prepare_parts, _ = cut(preparation, projection.prepare)
    turns = _turns(job)
    ways = [partial(train, job, subsets=subsets, spread=spread) for spread, subsets in turns]
    train_parts, place = cut(training, *ways)
    spread, subsets = turns[place]
    evaluate_parts, _ = cut(evaluating, evaluate)
    score_parts, _ = cut(scoring, projection.score)
    return Planned(
        job,
        resources,
        profiling,
        sort,
        preparation,
        training,
        evaluating,
        scoring,
        profile_parts,
        sort_parts,
        prepare_parts,
        train_parts,
        evaluate_parts,
        score_parts,
        Plan(tuple(steps), resources.workers, resources.memory),
        subsets,
        spread,
    )


def _turns(job: JobSpec) -> list[tuple[bool, int]]:
    """Return the ways of training, in the order in which they are tried.

    All rows at once if they fit, else one subset of them after the other; LightGBM's trials within
    workers if they fit, else over all of them.
    """
    boosts = job.train is not None and job.train.boosts
    spreads = boosts and job.tune is not None and job.tune.spreads
    return [(spread, one) for spread in (False, True)[: 1 + spreads] for one in SUBSETS]


def scoring_plan(planned: Planned, work: Scoring) -> Plan:
    """Return the plan of ``[score]`` alone, with the models as they have become.

    Args:
        planned: The plan of the job, which guessed the size of models that it trains.
        work: What is scored, with what; all models are trained.
    """
    steps = projection.score(work, planned.score_partitions, planned.resources)
    return Plan(tuple(steps), planned.resources.workers, planned.resources.memory)


def _fitting(
    work: W, resources: Resources, projects: Sequence[Project[W]]
) -> tuple[Sequence[Partition], list[StepPlan], int]:
    """Cut partitions of the standard size, or of half that and so on until the steps fit the limit.

    Bins of all rows do not shrink with partitions: the largest size that fits is taken. Where none
    does, the next way of working is tried.

    Returns:
        Partitions, steps, and the number of the way; the standard size of the first way when
        nothing fits.
    """
    columns = work.read_columns
    size = work.dataset.target_bytes(columns)
    halves = (size >> halved for halved in range(16))
    sizes = [size, *(half for half in halves if SMALLEST_BYTES <= half < size)]
    cut = cache(lambda one: work.dataset.partitions(columns, one))
    for place, project in enumerate(projects):
        for one in sizes:
            steps = project(work, cut(one), resources)
            if all(step.peak <= step.bound(resources.memory) for step in steps):
                return cut(one), steps, place
    return cut(size), projects[0](work, cut(size), resources), 0
