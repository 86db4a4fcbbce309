"""What each section reads, holds and writes: its passes and its bytes, term by term."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from cluster.resources import Resources
from engine import memory
from engine.data.dataset import Dataset
from engine.formats.columnar.columns import fixed_width
from engine.memory import Shape
from engine.plan import Partition, StepPlan, Term
from engine.profile.request import Request, Target
from engine.scoring.statistics.sampling import step_of
from jobs.planning.reading import cut_pass, fitting_step, key_passes, shape_of
from jobs.spec.output import FilesSpec
from jobs.work.foreign import Beside
from jobs.work.preparing import Preparation
from jobs.work.profiling import Profiling
from jobs.work.scoring import Scoring
from jobs.work.sorting import Sorting, passes

_TEXT_BYTES = 24
"""Guess of the bytes of a text value in the output table."""


def profile(
    profiling: Profiling, parts: Sequence[Partition], resources: Resources
) -> list[StepPlan]:
    """Project the section ``[profile]``."""
    dataset = profiling.dataset
    step = StepPlan(
        "profile",
        (*cut_pass(profiling.split), "statistics of every column", *key_passes(dataset)),
        len(parts),
        dataset.rows,
        sum(part.stored for part in parts),
        memory.profiling(shape_of(profiling, parts, resources), _state_bytes(profiling)),
        notes=dataset.notes,
    )
    return [step]


def _state_bytes(work: Profiling) -> int:
    """Return the bytes that a profile remembers of all columns, at most."""
    target = Target(work.target) if work.target else None
    types, rows = dict(work.dataset.schema), work.dataset.rows
    return Request(types, rows, target=target, keys=work.key, split=work.split).state_bytes


def sort(work: Sorting, parts: Sequence[Partition], resources: Resources) -> list[StepPlan]:
    """Project the section ``[sort]``: the passes that draw, spill and merge."""
    dataset = work.dataset
    written = _row_bytes(dataset, work.read_columns) * dataset.rows
    keys = dataset.partitions(work.spec.by) if passes(parts) > 2 else []
    step = StepPlan(
        "sort",
        (*key_passes(dataset), *_sort_passes(work, parts)),
        len(parts),
        dataset.rows,
        sum(part.stored for part in (*parts, *keys)) + written,
        memory.sorting(shape_of(work, parts, resources)),
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
    shape = shape_of(work, parts, resources)
    row = _row_bytes(dataset, work.columns) + 4 * work.width + 8
    step = StepPlan(
        "write",
        (*key_passes(dataset), "read, prepare, write"),
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
    return [fitting_step("fit", work.data, work.resolved, dataset, shape), step]


def score(scoring: Scoring, parts: Sequence[Partition], resources: Resources) -> list[StepPlan]:
    """Project the section ``[score]``."""
    dataset = scoring.dataset
    shape = shape_of(scoring, parts, resources)
    answers = _answers(scoring)
    row = _row_bytes(dataset, scoring.columns) + sum(map(_cell_bytes, scoring.added)) + answers.row
    columns = len(scoring.columns) + len(scoring.added)
    texts = sum(one.size for one in scoring.scorers.values())
    beside = Beside.of(scoring.spec)
    step = StepPlan(
        "score",
        (*key_passes(dataset), "read, predict, write"),
        len(parts),
        dataset.rows,
        sum(part.stored for part in parts),
        (
            *(
                memory.scoring(shape, row, columns, texts, answers)
                if scoring.spec.references
                else memory.writing(shape, row, columns)
            ),
            *dict.fromkeys(term for one in scoring.scorers.values() for term in one.beside),
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
