"""Learns by ``partial_fit``: a chain of tasks, span after span; an `engine.learners.ways.Learner`.

The estimator comes back after each span: that is the checkpoint, and where it is looked whether
the run was cancelled. A span that a worker dies with is learned again by another one, from the
same state, so the model is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.errors import Cancelled
from engine.learners import checked as rows_of
from engine.learners.estimator import UNLABELLED
from engine.learners.lesson import Assignment, Learnt, Lesson, Progress
from engine.learners.parameters import made
from engine.learners.streamed import saved as checkpoints
from engine.learners.streamed.asked import Asked, checked
from engine.learners.streamed.memory import driver, terms
from engine.learners.streamed.order import Span, batch_rows, spans
from engine.learners.streamed.saved import Saved
from engine.learners.streamed.span import SpanWork, learn
from engine.learners.streamed.worth import WorthWork, worth
from engine.metrics import Measure
from engine.models.sklearn import Sklearn
from engine.models.sklearn_answers import calibrated
from engine.models.skops_files import installed
from engine.plan import Partition
from engine.tasks.execute import over_partitions

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["check", "driver", "fit", "passes", "terms"]


def check(assignment: Assignment) -> None:
    """Refuse what cannot be; see `engine.learners.ways.Learner`."""
    checked(assignment)


def passes(assignment: Assignment) -> tuple[str, ...]:
    """Return what is read, pass by pass, in words."""
    asked = Asked.of(assignment)
    if not asked.several:
        return ("training rows, batch by batch",)
    most = "at most " if asked.patience else ""
    rows = (
        f"training rows, batch by batch, in {most}{asked.epochs} epochs: each reads all rows again"
    )
    if assignment.task in UNLABELLED:
        return (rows,)
    return (rows, "validation rows, if there are any, after each epoch")


def fit(
    client: Client, lesson: Lesson, *, progress: Progress, cancel: Callable[[], bool]
) -> Learnt:
    """Learn; see `engine.learners.ways.Learner`.

    Raises:
        ContractRefused: A feature has values that the estimator does not take.
        TrainingFailed: The estimator failed.
        Cancelled: ``cancel`` said so; what was learned is kept.
        SpecError: A parameter cannot be.
    """
    return _Training(client, lesson, progress, cancel, checked(lesson.assignment)).run()


@dataclass
class _Training:
    """One training under way."""

    client: Client
    lesson: Lesson
    progress: Progress
    cancel: Callable[[], bool]
    asked: Asked
    peak: int = 0

    def run(self) -> Learnt:
        """Go through the epochs that are left, and tell of all."""
        kept, its_key = self.lesson.checkpoint, checkpoints.key(self.lesson)
        saved = checkpoints.read(kept, its_key)
        while saved.epoch < self.asked.epochs and not self._tired(saved):
            for newer in self._epoch(saved):
                saved = newer
                if kept is not None:
                    checkpoints.write(kept, saved, its_key)
        return self._learnt(saved)

    def _epoch(self, saved: Saved) -> Iterator[Saved]:
        """Yield how far it has come after each span of an epoch that is left."""
        lesson = self.lesson
        ordered = spans(
            lesson.parts,
            saved.epoch,
            lesson.assignment.seed,
            self.asked.shuffled,
            batch_rows(len(lesson.source.features)),
        )
        for span in ordered[saved.spans :]:
            if self.cancel():
                raise Cancelled(
                    f"training was cancelled in epoch {saved.epoch + 1}",
                    hint="the next run goes on from there",
                )
            saved = replace(saved, spans=saved.spans + 1, state=self._span(span, saved.state))
            if saved.spans == len(ordered):
                saved = self._measured(replace(saved, epoch=saved.epoch + 1, spans=0))
            yield saved

    def _span(self, span: Span, state: bytes) -> bytes:
        """Learn from a span, in a task."""
        asked = self.lesson.assignment
        work = SpanWork(
            self.lesson.source,
            span,
            state or None,
            asked.estimator.name,
            asked.estimator.path,
            self.asked.params,
            asked.task,
            asked.classes,
            asked.seed,
            self.asked.shuffled,
        )
        (done,) = over_partitions(self.client, learn, work, [_whole(span)], threads=1)
        self.peak = max(self.peak, done.peak)
        self.progress(sum(span.sizes), {done.worker: done.peak})
        return done.result

    def _measured(self, saved: Saved) -> Saved:
        """Add what the validation rows say of the epoch that has ended."""
        lesson, measure = self.lesson, self._measure
        if measure is None:
            return saved
        work = WorthWork(lesson.source, self._model(saved.state), measure)
        scores, peak = worth(self.client, work, lesson.parts, lesson.threads)
        self.peak = max(self.peak, peak)
        found = scores.results()
        told = {name: float(found[name]) for name in measure.followed if name in found}
        saved = replace(saved, history=(*saved.history, {"epoch": float(saved.epoch), **told}))
        if self.asked.patience and self._best(saved) == len(saved.history):
            saved = replace(saved, best=saved.state)
        return saved

    @property
    def _measure(self) -> Measure | None:
        """What an epoch is measured by; ``None``: it is not."""
        asked = self.lesson.assignment
        measured = asked.task not in UNLABELLED and any(part.valid for part in self.lesson.parts)
        if not (self.asked.several and measured):
            return None
        return Measure(asked.task, asked.classes if asked.task == "multiclass" else 0)

    def _best(self, saved: Saved) -> int:
        """Return the number of the best epoch so far, from 1; the first of equal ones."""
        measure = self._measure
        if measure is None or not saved.history:
            return len(saved.history)
        name = measure.followed[0]
        values = [one[name] for one in saved.history]
        best = (max if measure.better(name) else min)(values)
        return 1 + values.index(best)

    def _tired(self, saved: Saved) -> bool:
        """Tell whether no epoch was better for as long as is waited."""
        patience = self.asked.patience
        return bool(patience) and len(saved.history) - self._best(saved) >= patience

    def _model(self, state: bytes) -> Sklearn:
        asked = self.lesson.assignment
        return Sklearn(
            state,
            asked.estimator.path,
            installed(),
            asked.task,
            asked.classes,
            tuple(self.lesson.source.features),
        )

    def _learnt(self, saved: Saved) -> Learnt:
        asked = self.lesson.assignment
        told = {
            "sklearn": installed(),
            "rows": self.lesson.rows,
            "epochs": saved.epoch,
            "batch_rows": batch_rows(len(self.lesson.source.features)),
            **({"best_epoch": self._best(saved)} if saved.best else {}),
        }
        notes = rows_of.notes(self.lesson.source, asked.estimator.name)
        if asked.classes and not calibrated(made(asked.estimator.path, self.asked.params, 0)):
            notes.append(rows_of.uncalibrated(asked.estimator.name))
        model = self._model(saved.best or saved.state)
        return Learnt(model, saved.history, tuple(notes), told, self.peak)


def _whole(span: Span) -> Partition:
    """Return the rows of a span as one partition: what a task is said to work on."""
    parts = [piece.part.partition for piece in span.pieces]
    return Partition(
        span.first,
        tuple(one for part in parts for one in part.slices),
        sum(span.sizes),
        sum(part.bytes for part in parts),
        sum(part.stored for part in parts),
        max(part.touched for part in parts),
    )
