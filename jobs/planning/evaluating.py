"""What ``[evaluate]`` reads and holds where it measures a model that is there already."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.resources import Resources
from engine import memory
from engine.learners import held
from engine.models.sklearn import Sklearn
from engine.plan import Partition, StepPlan, Term
from jobs.planning.measuring import existing
from jobs.planning.reading import fitting_step, shape_of
from jobs.work.evaluating import Evaluating


def evaluate(work: Evaluating, parts: Sequence[Partition], resources: Resources) -> list[StepPlan]:
    """Project the passes that count rows, and measure them."""
    shape = shape_of(work, parts, resources)
    beside = (Term("scikit-learn", held.LIBRARY),) * isinstance(work.bundle.model, Sklearn)
    size = sum(map(len, work.bundle.model.files().values()))
    held_once = memory.asking(1, size)[1:]  # the predictor is among the terms of the pass
    terms = (*memory.evaluation(shape, existing(work)), *held_once, *beside)
    once, stored = ("score rows with a label",), sum(part.stored for part in parts)
    return [
        fitting_step("survey", work.data, work.resolved, work.dataset, shape),
        StepPlan("evaluate", once, len(parts), work.dataset.rows, stored, terms),
    ]
