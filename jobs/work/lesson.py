"""What ``[train]`` asks of other estimators than LightGBM, in the words of `engine.learners`."""

from __future__ import annotations

from engine.learners import Assignment
from jobs.spec.job import TrainSpec


def assignment(spec: TrainSpec, memory: int = 0, classes: int = 0) -> Assignment:
    """Return what is to be learned.

    Args:
        spec: The section.
        memory: Bytes that a worker has.
        classes: Classes of a multiclass task, where they are known.
    """
    return Assignment(
        spec.learner,
        spec.task,
        spec.params,
        2 if spec.task == "binary" else classes,
        spec.seed,
        spec.sample_rows,
        min(memory, spec.max_memory or memory),
        bool(spec.weight or spec.class_weight),
    )
