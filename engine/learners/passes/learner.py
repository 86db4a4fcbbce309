"""Estimators of dask-ml, fitted out of core: an `engine.learners.ways.Learner`.

The training rows are prepared once and kept as files on the disks of the workers
(`matrices`). dask-ml is given Dask arrays whose blocks are read from there (`arrays`), and what it
computes goes through `computing`. One module for each family of estimators says what may be asked
of it, calls dask-ml, and takes the numbers out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np
from distributed import Client

from engine.errors import ContractRefused, SpecError
from engine.learners.lesson import Assignment, Learnt, Lesson, Progress
from engine.learners.passes import bayes, clusters, incremental, linear, params, projection
from engine.learners.passes.computing import Computing
from engine.learners.passes.matrices import CELL, Looked, Matrices, block_rows, looked, removed
from engine.learners.passes.training import Fitted, Training, passed
from engine.memory import Shape
from engine.memory.passes import WORKER, opening, reading
from engine.plan import Term

TASK: Final = 32 * 2**10
"""Bytes of the tasks of a block in a graph of Dask, as it is made, fused and scheduled."""

SUMS: Final = 64
"""Exact sums of a feature are whole numbers of Python's of a few hundred bytes: in numbers of 8."""

NAMED: Final = 5
"""Features that a message names; of more it says how many."""


class Family(Protocol):
    """A module of estimators that are fitted alike."""

    COPIES: int

    def check(self, assignment: Assignment) -> None:
        """Refuse parameters that cannot be."""

    def passes(self, assignment: Assignment) -> tuple[str, ...]:
        """Return what is read after the first look, in words."""

    def fit(self, training: Training) -> Fitted:
        """Fit the estimator."""


_FAMILIES: Final[dict[str, Any]] = {
    "dask_ml.linear_model": linear,
    "dask_ml.cluster": clusters,
    "dask_ml.decomposition": projection,
    "dask_ml.naive_bayes": bayes,
    "dask_ml.wrappers": incremental,
}


def family(assignment: Assignment) -> Family:
    """Return the module of an estimator."""
    found: Family = _FAMILIES[assignment.estimator.path.partition(":")[0]]
    return found


def check(assignment: Assignment) -> None:
    """Refuse parameters that the estimator does not have; see `engine.learners.ways`."""
    params.class_of(assignment.estimator.path)
    family(assignment).check(assignment)


def terms(assignment: Assignment, shape: Shape, rows: int) -> tuple[Term, ...]:
    """Return what a worker holds while it learns."""
    own, block = family(assignment), min(rows, block_rows(shape.features))
    numbers = block * shape.features * own.COPIES
    if own is clusters:
        # The distances of a block to all candidates, and their squares.
        numbers += 2 * block * clusters.candidates(assignment)
    found = [
        Term("worker process", WORKER),
        *opening(replace(shape, loaded=True), shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("blocks of rows", shape.threads * numbers * 8),
    ]
    if own is clusters:
        found.append(Term("a draw and a distance for each row", 3 * 8 * rows))
    if own is projection:
        found.append(Term("triangles of all blocks", projection.stack(rows, shape.features)))
    return tuple(found)


def driver(assignment: Assignment, shape: Shape, rows: int) -> tuple[Term, ...]:
    """Return what the driver holds: sums and centres, and the graph of tasks of a pass."""
    blocks = -(-rows // block_rows(shape.features))
    numbers = SUMS * shape.features * max(1, assignment.classes) * 8
    if family(assignment) is clusters:
        numbers += SUMS * shape.features * clusters.candidates(assignment) * 8
    return Term("tasks of a pass", blocks * TASK), Term("sums and centres", numbers)


def passes(assignment: Assignment) -> tuple[str, ...]:
    """Return what is read, pass by pass, in words."""
    kept = f"training rows into matrices on the workers' disks, {CELL} bytes a cell"
    again = [f"from there: {text}" for text in family(assignment).passes(assignment)]
    return (kept, *again)


def fit(
    client: Client,
    lesson: Lesson,
    *,
    progress: Progress,
    cancel: Callable[[], bool],
) -> Learnt:
    """Learn on the cluster; see `engine.learners.ways`."""
    assignment, source = lesson.assignment, lesson.source
    check(assignment)
    if "weight" in source.vectors:
        raise SpecError(
            f"{assignment.estimator.name} knows no weights of rows or classes",
            where="train.weight",
            hint="leave weight and class_weight out, or take sklearn.SGDClassifier or lightgbm",
        )
    matrices = Matrices.of(source, lesson.parts)
    if not matrices.rows:
        raise ContractRefused("there are no training rows")
    computing = Computing(client, progress, cancel)
    try:
        found = _looked(computing, matrices, lesson.threads)
        _assert_numbers(source.features, found)
        fitted = family(assignment).fit(
            Training(assignment, matrices, found, computing, lesson.threads)
        )
    finally:
        with suppress(Exception):  # a cluster that is gone; what stays is swept by later trainings
            client.run(removed, matrices.name, on_error="ignore")
    notes = (*_codes(source.features, source.categorical), *fitted.notes)
    kept = matrices.rows * matrices.features * CELL
    told = {"passes": computing.passes, "kept_bytes": kept, **fitted.told}
    return Learnt(fitted.model, fitted.history, notes, told, computing.peak)


def _looked(computing: Computing, matrices: Matrices, threads: int) -> Looked:
    """Prepare all partitions and merge what was seen of them."""
    rows = {part.partition.index: part.train for part in matrices.parts}
    first, *others = passed(
        computing, matrices, looked, matrices, threads, lambda partition: rows[partition.index]
    )
    for one in others:
        first = first.merge(one)
    return first


def _assert_numbers(features: tuple[str, ...], found: Looked) -> None:
    """Refuse missing and infinite values: dask-ml would end with no numbers, or an error."""
    missing = [name for name, low in zip(features, found.low, strict=True) if np.isnan(low)]
    if missing:
        raise ContractRefused(
            "features have missing values, and this estimator takes none",
            where=_named(missing),
            hint='add a step: { impute = ["…"], with = "median" }',
        )
    ends = zip(features, found.low, found.high, strict=True)
    infinite = [name for name, *both in ends if np.isinf(both).any()]
    if infinite:
        raise ContractRefused(
            "features have infinite values, and this estimator takes none",
            where=_named(infinite),
            hint="clip them, or leave their rows out with data.where",
        )


def _codes(features: tuple[str, ...], categorical: tuple[int, ...]) -> tuple[str, ...]:
    """Warn of category codes that are taken for numbers."""
    if not categorical:
        return ()
    names = _named([features[place] for place in categorical])
    return (
        f"codes of categories are learned from as numbers, as if they had an order: {names}; "
        'make columns of them first: { encode = ["…"], with = "onehot" }',
    )


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
