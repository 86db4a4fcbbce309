"""What each section reads, holds and writes: its passes and its bytes, term by term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import polars as pl

from cluster.resources import Resources
from engine import memory
from engine.boosting.learning import turn_rounds
from engine.boosting.params.given import checked
from engine.dataset import Dataset
from engine.features.pipeline import Resolved
from engine.formats.columnar.columns import fixed_width
from engine.history import FIRST_ROWS
from engine.memory import Boosting, Shape
from engine.plan import Partition, StepPlan, Term
from engine.preparing import TrainingData
from engine.profile.request import Request, Target
from engine.scoring.statistics.sampling import step_of
from engine.split import Split
from jobs.spec.job import Job
from jobs.spec.output import FilesSpec
from jobs.work.foreign import Beside
from jobs.work.preparing import Preparation
from jobs.work.profiling import Profiling
from jobs.work.scorer import CLASSES
from jobs.work.scoring import Scoring
from jobs.work.sorting import Sorting, passes
from jobs.work.training import Training

GB = 1e9

_TEXT_BYTES = 24
"""Guess of the bytes of a text value in the output table."""


def profile(
    profiling: Profiling, parts: Sequence[Partition], resources: Resources
) -> list[StepPlan]:
    """Project the section ``[profile]``."""
    dataset = profiling.dataset
    step = StepPlan(
        "profile",
        (*_cut_pass(profiling.split), "statistics of every column", *_key_passes(dataset)),
        len(parts),
        dataset.rows,
        sum(part.stored for part in parts),
        memory.profiling(_shape(profiling, parts, resources), _state_bytes(profiling)),
        notes=dataset.notes,
    )
    return [step]


def _state_bytes(work: Profiling) -> int:
    """Return the bytes that a profile remembers of all columns, at most."""
    target = Target(work.target) if work.target else None
    types, rows = dict(work.dataset.schema), work.dataset.rows
    return Request(types, rows, target=target, keys=work.key, split=work.split).state_bytes


def _shape(
    work: Profiling | Sorting | Preparation | Training | Scoring,
    parts: Sequence[Partition],
    resources: Resources,
) -> Shape:
    """Return the shape of a pass that reads what the work, its contract and its filter need."""
    dataset = work.dataset
    held = max((info.held for info in dataset.infos), default=0)
    columns = len(dataset.source.needed(work.read_columns))
    before = max(FIRST_ROWS, work.lookback) if work.lookback else 0
    return Shape(parts, work.width, resources.held, columns, held, before)


def _key_passes(dataset: Dataset) -> tuple[str, ...]:
    keys = [", ".join(key) for key in dataset.source.contract.keys]
    return (f"keys alone, that none repeats: {'; '.join(keys)}",) if keys else ()


def _cut_pass(split: Split | None) -> tuple[str, ...]:
    if split and split.by == "time" and split.cuts is None:
        return ("time column alone, for the cuts of the split",)
    if split and split.by == "stratified":
        return ("label and split column alone, for the cuts of the split",)
    return ()


def _class_pass(data: TrainingData) -> tuple[str, ...]:
    if data.task == "multiclass" and not data.classes:
        return ("label alone, for the classes that there are",)
    return ()


def sort(work: Sorting, parts: Sequence[Partition], resources: Resources) -> list[StepPlan]:
    """Project the section ``[sort]``: the passes that draw, spill and merge."""
    dataset = work.dataset
    written = _row_bytes(dataset, work.read_columns) * dataset.rows
    keys = dataset.partitions(work.spec.by) if passes(parts) > 2 else []
    step = StepPlan(
        "sort",
        (*_key_passes(dataset), *_sort_passes(work, parts)),
        len(parts),
        dataset.rows,
        sum(part.stored for part in (*parts, *keys)) + written,
        memory.sorting(_shape(work, parts, resources)),
        output_bytes=written,
        notes=dataset.notes,
    )
    return [step]


def _sort_passes(work: Sorting, parts: Sequence[Partition]) -> tuple[str, ...]:
    columns = ", ".join(work.spec.by)
    draw = f"{columns} alone, a sample of them, for the bounds of about {len(parts):,} ranges"
    return (
        *([draw] if passes(parts) > 2 else []),
        "each partition sorted and spilled beside the output, cut into the ranges: one more copy "
        "of the rows until the end",
        "each range read from all that was spilled, merged, written, and read back",
    )


def prepare(work: Preparation, parts: Sequence[Partition], resources: Resources) -> list[StepPlan]:
    """Project the section ``[prepare]``: the passes that fit, and the one that writes."""
    dataset = work.dataset
    shape = _shape(work, parts, resources)
    row = _row_bytes(dataset, work.columns) + 4 * work.width + 8
    step = StepPlan(
        "write",
        (*_key_passes(dataset), "read, prepare, write"),
        len(parts),
        dataset.rows,
        sum(part.stored for part in parts),
        (
            *memory.writing(shape, row, len(work.columns) + work.width),
            *_encoding(shape, row, work.spec),
        ),
        output_bytes=row * dataset.rows,
        notes=dataset.notes,
    )
    if work.resolved is None:
        return [step]
    return [_fitting_step("fit", work.data, work.resolved, dataset, shape), step]


def _fitting_step(
    name: str, data: TrainingData, resolved: Resolved, dataset: Dataset, shape: Shape
) -> StepPlan:
    largest = max((part.rows for part in shape.partitions), default=0)
    more = (f"statistics that wait for the pass before: {why}" for why in resolved.whys)
    first = "statistics, counts and sample"
    return StepPlan(
        name,
        (*_cut_pass(data.split), *_class_pass(data), first, *more, *_key_passes(dataset)),
        len(shape.partitions),
        dataset.rows,
        sum(part.stored for part in shape.partitions) * resolved.passes,
        memory.survey(shape, resolved.state_bytes(largest)),
        notes=dataset.notes,
    )


def train(
    job: Job,
    training: Training,
    parts: Sequence[Partition],
    resources: Resources,
    subsets: int = 1,
) -> list[StepPlan]:
    """Project the sections ``[train]`` and ``[evaluate]``.

    Args:
        job: The job.
        training: What ``[train]`` works on.
        parts: The partitions.
        resources: What the cluster offers.
        subsets: In how many turns the rows are trained on.
    """
    resolved, dataset = training.resolved, training.dataset
    shape = _shape(training, parts, resources)
    rows, stored = dataset.rows, sum(part.stored for part in parts)
    boosting = _boosting(training, parts, resources, subsets)
    computed = bool(training.pipeline.steps or training.pipeline.derive)
    kept = dataset.rows * shape.features * boosting.cell
    steps = [
        _fitting_step("prepare", training.data, resolved, dataset, shape),
        StepPlan(
            "train",
            (
                f"training and validation rows into bins, {kept / GB:.2f} GB on the workers' disks",
                *_turns(training, kept, subsets),
            ),
            len(parts),
            rows,
            stored,
            memory.training(shape, boosting, computed),
            most=training.spec.max_memory,
        ),
    ]
    if training.spec.calibrate:
        terms = memory.evaluation(shape)
        steps.append(
            StepPlan("calibrate", ("score validation rows",), len(parts), rows, stored, terms)
        )
    if job.evaluate:
        once = ("score validation and test rows",)
        terms = memory.evaluation(shape)
        steps.append(StepPlan("evaluate", once, len(parts), rows, stored, terms))
    return steps


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


def score(scoring: Scoring, parts: Sequence[Partition], resources: Resources) -> list[StepPlan]:
    """Project the section ``[score]``."""
    dataset = scoring.dataset
    shape = _shape(scoring, parts, resources)
    answers = _answers(scoring)
    row = _row_bytes(dataset, scoring.columns) + sum(map(_cell_bytes, scoring.added)) + answers.row
    columns = len(scoring.columns) + len(scoring.added)
    texts = sum(one.size for one in scoring.scorers.values())
    beside = Beside.of(scoring.spec)
    step = StepPlan(
        "score",
        (*_key_passes(dataset), "read, predict, write"),
        len(parts),
        dataset.rows,
        sum(part.stored for part in parts),
        (
            *(
                memory.scoring(shape, row, columns, texts, answers)
                if scoring.spec.references
                else memory.writing(shape, row, columns)
            ),
            *(memory.foreign(shape, beside.memory, beside.batch) if beside.memory else ()),
            *_encoding(shape, row, scoring.spec),
            *_statistics(shape, scoring),
        ),
        output_bytes=row * dataset.rows,
        notes=dataset.notes,
    )
    return [step]


def _statistics(shape: Shape, scoring: Scoring) -> tuple[Term, ...]:
    """Return what the statistics of inputs and predictions need, where they are wanted."""
    if not scoring.spec.statistics:
        return ()
    dataset, added = scoring.dataset, scoring.added
    row = _row_bytes(dataset, scoring.inputs) + sum(map(_cell_bytes, added))
    columns = len(scoring.inputs) + len(added)
    return memory.gathering(shape, row, columns, step_of(dataset.rows, columns))


def _encoding(shape: Shape, row: int, spec: FilesSpec) -> tuple[Term, ...]:
    """Return what the way in which rows are written needs."""
    text = spec.format.startswith("csv")
    cut = bool(spec.partition_by or spec.rows_per_file or spec.file_size)
    return memory.encoding(shape, row, text=text, cut=cut)


def _answers(scoring: Scoring) -> memory.Answers:
    """Return what is asked beside predictions."""
    spec = scoring.spec
    trees = sum(one.trees for one in scoring.scorers.values()) if spec.leaves else 0
    return memory.Answers(trees, spec.explain is not None)


def _row_bytes(dataset: Dataset, columns: Sequence[str]) -> int:
    return sum(_cell_bytes(dataset.schema[name]) for name in columns)


def _cell_bytes(kind: pl.DataType) -> int:
    return _TEXT_BYTES if kind == pl.String else fixed_width(kind)
