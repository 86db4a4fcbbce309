"""A pass that measures rows, as a step of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.evaluation.contestants import Contestant
from engine.evaluation.run import run
from engine.evaluation.scored import Evaluation
from engine.evaluation.slices import Slices
from engine.evaluation.work import EvaluationWork
from engine.plan import Partition
from engine.predict.kernel import keep
from engine.training.fitting import Prepared
from jobs.sections.context import Context

MOST_TRAIN = 1_000_000
"""Training rows that are measured; of more a draw by row number, or by query."""

_OF_PART = {"train": ("train", "left_out")}
"""Counts of a survey that make up a part; others are counted under their own name."""


def measured(
    context: Context,
    prepared: Prepared,
    partitions: Sequence[Partition],
    step: str,
    contestants: Sequence[Contestant],
    wanted: Sequence[str],
    *,
    outputs: int,
    seed: int,
    slices: Slices | None = None,
) -> tuple[Evaluation, EvaluationWork]:
    """Measure everybody on some parts of the data.

    Args:
        context: The run.
        prepared: The data after their survey.
        partitions: The partitions of the data.
        step: Name of the step.
        contestants: Who is measured.
        wanted: Names of the parts; those without rows are left out.
        outputs: Numbers that a prediction has.
        seed: Of the draw of training rows.
        slices: What the model is measured by beside.

    Returns:
        What was found, and what the tasks were told.
    """
    keep()  # the workers that predict have no memory for a compiler
    session = context.session()
    work = EvaluationWork(
        prepared.data,
        prepared.pipeline,
        tuple(contestants),
        tuple(part for part in wanted if _rows(prepared.survey.counts, part)),
        outputs,
        prepared.learned,
        min(1.0, MOST_TRAIN / max(1, _rows(prepared.survey.counts, "train"))),
        seed,
        slices and replace(slices, parts=_held_out(wanted)),
    )
    partitions = _holding(prepared, partitions, work.parts)
    context.start(step, sum(part.rows for part in partitions))
    found = run(
        session.client,
        work,
        partitions,
        threads=session.resources.slots,
        progress=context.watch(step),
    )
    return found, work


def _held_out(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for part in parts if part != "train")


def _rows(counts: Mapping[str, int], part: str) -> int:
    return sum(counts.get(name, 0) for name in _OF_PART.get(part, (part,)))


def _holding(
    prepared: Prepared, partitions: Sequence[Partition], parts: Sequence[str]
) -> list[Partition]:
    """Return the partitions that have rows of these parts."""
    counts = prepared.counts
    return [one for one in partitions if any(_rows(counts[one.index], part) for part in parts)]
