"""What ``[evaluate]`` reads and holds where it measures a model that is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.resources import Resources
from engine import memory
from engine.learners import held
from engine.memory import driver
from engine.plan import Partition, StepPlan
from jobs.planning.measuring import existing
from jobs.planning.reading import fitting_step, shape_of
from jobs.work.evaluating import Evaluating


def evaluate(work: Evaluating, parts: Sequence[Partition], resources: Resources) -> list[StepPlan]:
    """Project the passes that count rows, and measure them."""
    shape = shape_of(work, parts, resources)
    shape = replace(shape, loaded=shape.loaded or held.needed(work.bundle.model))
    size = sum(map(len, work.bundle.model.files().values()))
    held_once = memory.asking(1, size)[1:]  # the predictor is among the terms of the pass
    terms = (*memory.evaluation(shape, existing(work)), *held_once)
    drives = driver.driving(shape, driver.measuring(parts, existing(work)))
    once, stored = ("score rows with a label",), sum(part.stored for part in parts)
    return [
        fitting_step("survey", work.data, work.resolved, work.dataset, shape),
        StepPlan("evaluate", once, len(parts), work.dataset.rows, stored, terms, driver=drives),
    ]
