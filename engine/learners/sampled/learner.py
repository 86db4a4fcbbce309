"""Learns from a sample of the training rows; an `engine.learners.ways.Learner`.

One pass draws the sample, on all workers; it is sent to one of them, where the estimator is fitted
in one task. How many rows of how many these were is told wherever the model is told of.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from engine.boosting.source import Rows
from engine.errors import Cancelled
from engine.learners.checked import Demands, notes, uncalibrated
from engine.learners.lesson import Assignment, Learnt, Lesson, Progress
from engine.learners.parameters import check as check_parameters
from engine.learners.parameters import made, refuse_weights
from engine.learners.sampled.draw import Draw
from engine.learners.sampled.memory import driver, terms
from engine.learners.sampled.names import HABITS, Habit
from engine.learners.sampled.work import DrawWork, FitWork, drawn, fitted, joined
from engine.models.sklearn_answers import calibrated
from engine.models.skops_files import installed
from engine.plan import Partition
from engine.tasks.execute import in_order, over_partitions

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["check", "driver", "fit", "passes", "terms"]

_WHY: Final = "millrace sets it"


def check(assignment: Assignment) -> None:
    """Refuse what cannot be; see `engine.learners.ways.Learner`."""
    check_parameters(assignment.estimator, assignment.params, _WHY)
    if assignment.weighted:
        refuse_weights(assignment.estimator, "fit")


def passes(assignment: Assignment) -> tuple[str, ...]:
    """Return what is read, in words."""
    return (f"training rows, of which a sample of {assignment.sample_rows:,} is drawn",)


def fit(
    client: Client, lesson: Lesson, *, progress: Progress, cancel: Callable[[], bool]
) -> Learnt:
    """Learn; see `engine.learners.ways.Learner`.

    Raises:
        ContractRefused: A feature has values that the estimator does not take.
        TrainingFailed: The estimator failed.
        Cancelled: ``cancel`` said so.
        SpecError: A parameter cannot be.
    """
    check(lesson.assignment)
    asked, source = lesson.assignment, lesson.source
    rows, drawing = _sample(client, lesson, progress, cancel)
    work = FitWork(
        rows,
        tuple(source.features),
        asked.estimator.name,
        asked.estimator.path,
        _given(asked),
        asked.task,
        asked.classes,
        asked.seed,
        HABITS.get(asked.estimator.name, Habit()),
    )
    whole = Partition(0, lesson.parts[0].partition.slices, len(rows.x), rows.x.nbytes, 0, 0)
    (done,) = over_partitions(client, fitted, work, [whole], threads=1)
    found = done.result
    told = {"sklearn": installed(), "rows": lesson.rows, "sample_rows": len(rows.x), **found.told}
    said = [_sampled(len(rows.x), lesson.rows), *notes(source, asked.estimator.name), *found.notes]
    if asked.classes and not calibrated(made(asked.estimator.path, _given(asked), 0)):
        said.append(uncalibrated(asked.estimator.name))
    progress(0, {done.worker: done.peak})
    return Learnt(found.model, (), tuple(one for one in said if one), told, max(drawing, done.peak))


def _given(asked: Assignment) -> dict[str, Any]:
    """Return the parameters of the class, with those that we set."""
    novel = {"novelty": True} if asked.estimator.name == "sklearn.LocalOutlierFactor" else {}
    return {**asked.params, **novel}


def _sample(
    client: Client, lesson: Lesson, progress: Progress, cancel: Callable[[], bool]
) -> tuple[Rows, int]:
    """Return the sample, in the order of the data, and the highest peak of a worker."""
    asked, source = lesson.assignment, lesson.source
    firsts = accumulate((part.train for part in lesson.parts), initial=0)
    parts = {
        part.partition.index: (part, first)
        for part, first in zip(lesson.parts, firsts, strict=False)
        if part.train
    }
    draw = Draw.of(lesson.rows, asked.sample_rows, asked.seed)
    wants = Demands.of(asked.estimator.name, made(asked.estimator.path, _given(asked), 0))
    work = DrawWork(source, draw, parts, wants)
    wanted = [part.partition for part, _ in parts.values()]
    pieces, peak = [], 0
    finished = over_partitions(client, drawn, work, wanted, threads=lesson.threads)
    for done in in_order(finished, wanted):
        if cancel():
            raise Cancelled("training was cancelled while its sample was drawn")
        pieces.append(done.result)
        peak = max(peak, done.peak)
        progress(parts[done.partition.index][0].train, {done.worker: done.peak})
    return joined(pieces, len(source.features)), peak


def _sampled(sample: int, rows: int) -> str:
    """Return the note that the model is of a sample; empty when that is all rows."""
    return f"trained on a sample of {sample:,} of {rows:,} rows" if sample < rows else ""
