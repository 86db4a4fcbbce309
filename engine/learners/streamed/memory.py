"""What a worker holds while an estimator learns by ``partial_fit``."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from engine.learners.streamed.asked import Asked
from engine.learners.streamed.order import batch_rows
from engine.memory.passes import WORKER, opening, reading
from engine.plan import MIB, Term

if TYPE_CHECKING:
    from engine.learners.lesson import Assignment
    from engine.memory import Shape

BATCH_CELL: Final = 40
"""Bytes a cell of the largest batch: as float32 where it was cut and shuffled (12), as float64 (8),
and what an estimator makes of it: a copy, products of it, squares (16)."""

SCORES: Final = 64 * MIB
"""States of the validation metrics, while two are merged (`engine.memory.models.SCORES`)."""

STATE: Final = 6
"""Copies of an estimator's numbers: itself, its two moments (Adam) and gradients, its file, and
that as it is sent."""

CLASSES: Final = 64
"""Classes of a multiclass task that are counted with where they are not known yet."""


def terms(assignment: Assignment, shape: Shape, rows: int) -> tuple[Term, ...]:
    """Return the terms; see `engine.learners.ways.Learner`.

    The span is learned in one task while the next partition is read; the validation pass reads as
    many partitions at once as there are threads.
    """
    asked, features = Asked.of(assignment), shape.features
    held = max(2, shape.threads)
    batch = min(rows, 2 * batch_rows(features))
    measured = shape.threads * SCORES if asked.several and assignment.classes else 0
    return (
        Term("worker process", WORKER),
        *opening(replace(shape, loaded=True), shape.threads),
        *reading(shape, held, shape.threads),
        Term("batch of rows", batch * features * BATCH_CELL),
        Term("estimator and its file", kept(assignment, features)),
        *([Term("scores", measured)] if measured else []),
    )


def driver(assignment: Assignment, shape: Shape, rows: int) -> tuple[Term, ...]:
    """Return what the driver holds: the state, the best one, and a checkpoint while it is written.

    See `engine.learners.ways.Learner`.
    """
    own = kept(assignment, shape.features)
    scores = SCORES if Asked.of(assignment).several and assignment.classes else 0
    return Term("estimator and its checkpoint", own), Term("scores", scores)


def kept(assignment: Assignment, features: int) -> int:
    """Return the bytes of an estimator, its file and what it needs to learn on."""
    params = Asked.of(assignment).params
    return _numbers(assignment, params, features) * 8 * STATE


def _numbers(assignment: Assignment, params: Any, features: int) -> int:
    """Return how many numbers an estimator learns."""
    name = assignment.estimator.name.removeprefix("sklearn.")
    outputs = assignment.classes or (CLASSES if assignment.task == "multiclass" else 1)
    if name.startswith("MLP"):
        given = params.get("hidden_layer_sizes", (100,))
        hidden = given if isinstance(given, list | tuple) else (given,)
        layers = [features, *(int(width) for width in hidden), outputs]
        return sum((one + 1) * two for one, two in pairwise(layers))
    if name == "MiniBatchKMeans":
        return int(params.get("n_clusters", 8)) * features
    if name == "IncrementalPCA":
        components = params.get("n_components") or features
        return int(components) * features * 2
    return outputs * (features + 1) * 2
