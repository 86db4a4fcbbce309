"""Another estimator than LightGBM as a step of ``[train]``."""

from __future__ import annotations

from collections.abc import Mapping

from engine.boosting.source import RowSource
from engine.learners import Lesson, learner
from engine.place.kept import Kept
from engine.training.fitting import Prepared
from jobs.sections.context import Context
from jobs.sections.fit import Fit
from jobs.work.lesson import assignment
from jobs.work.training import Training


def learnt(
    context: Context,
    training: Training,
    prepared: Prepared,
    rows: RowSource,
    checkpoint: Kept,
    step: str,
) -> Fit:
    """Train an estimator of the catalogue; arguments as for `jobs.sections.boosting.boosted`."""
    session, planned, spec = context.session(), context.planned, training.spec
    asked = assignment(spec, session.resources.memory, len(prepared.data.classes or ()))
    parts = tuple(prepared.shard_parts(planned.train_partitions))
    lesson = Lesson(asked, rows, parts, session.resources.slots, checkpoint)

    def progress(done: int, peaks: Mapping[str, int]) -> None:
        context.measure(step, max(peaks.values(), default=0))
        context.reporter.progress(done, peaks)

    found = learner(spec.learner.way).fit(
        session.client, lesson, progress=progress, cancel=context.stop
    )
    for note in found.notes:
        context.reporter.warning(note)
    context.measure(step, found.peak_memory)
    history = [dict(one) for one in found.history]
    told = {"history": history, "notes": list(found.notes), "training": dict(found.told)}
    return Fit(found.model, told, {"estimator": spec.estimator, **found.told})
