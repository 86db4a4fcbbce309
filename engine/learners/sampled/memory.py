"""What a worker holds while an estimator learns from a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from engine.errors import PlanRefused
from engine.learners.sampled.names import HABITS, Habit
from engine.memory.driver import passing
from engine.memory.passes import WORKER, opening, reading
from engine.plan import MIB, Term

if TYPE_CHECKING:
    from engine.learners.lesson import Assignment
    from engine.memory import Shape

ROW_CELL: Final = 20
"""Bytes a cell of the sample: as float32 as it came, as it was sent and as it is joined (12), and
as float64 (8). What an estimator makes of it comes to that (`Habit.copies`): a copy in its own
order, of a few a tree over it, or products."""

COPY_CELL: Final = 8
"""Bytes a cell of a copy. Above the float32 rows, as float64 and in all copies, a cell took 46
bytes for a Gaussian mixture (of 20,000 rows of 30 features, its shares included), 38 for the
nearest neighbours, 25 for k-means, 16 for Ridge, and 9 to 17 for logistic regression."""

SAMPLE_CELL: Final = 16
"""Bytes a cell of a sample that is kept: float64, and in its file."""

NODE: Final = 150
"""Bytes of a node of a tree of scikit-learn: its struct (64), and copies while its file is made.
Forests of 20 trees, `VALUE` included, bytes a node: 163.5 and 164.8 with one value (of which the
file was 14), 179 with two, 518 with twenty."""

VALUE: Final = 20
"""Bytes of a class, or of a number, in a node: 8, and copies as of the node."""

DRAWN: Final = 0.64
"""Distinct rows of a bootstrap sample, as a share: 1 - 1 / e, and slack. A tree of a regression had
0.51 leaves a row (0.91 without a bootstrap), of noisy classes 0.15 to 0.47."""

PAIR: Final = 18
"""Bytes of a pair of rows, of which there are n (n - 1) / 2: a float64 distance, and a copy of it
while they are linked (measured with ward: 16.0 of 4,000 and 8,000 rows of 5 features, 17.1 of
3,200 rows of 10)."""

NEIGHBOUR: Final = 60
"""Bytes of a neighbour of a row: its number and its distance (16), and what is made of them. The
local outlier factor, of 9,000 rows of 10 features with 20 neighbours each, took 58 a neighbour.
HDBSCAN, of 15,000 rows of 5 features, took 512 bytes a row with all that it makes; DBSCAN, of
10,000 rows of 3 features in dense places, 1,510. See `Habit.near`."""

CACHE: Final = 200
"""MB of kernel values that scikit-learn's support vector machines keep at most (``cache_size``)."""

KERNEL: Final = 8
"""Bytes of a pair of rows in it where it holds all pairs: a float32, and as much slack (4.1
measured with SVR, of 3,000 rows)."""

SHARE: Final = 24
"""Bytes of a row and component: shares of the rows, their logarithms, and a copy."""

CLASSES: Final = 64
"""Classes of a multiclass task that are counted with where they are not known yet."""

MOST_KERNEL: Final = 50_000
"""Rows that a kernel is computed of, at most: their time grows with the square of the rows, and
scikit-learn's documentation warns of "tens of thousands of samples" (sklearn.svm.SVC)."""


def terms(assignment: Assignment, shape: Shape, rows: int) -> tuple[Term, ...]:
    """Return the terms; see `engine.learners.ways.Learner`.

    Raises:
        PlanRefused: The sample cannot be held, with the number of rows that can.
    """
    wanted = min(assignment.sample_rows, rows)
    name, habit = assignment.estimator.name, _habit(assignment)
    if habit.growth == "kernel" and wanted > MOST_KERNEL:
        raise PlanRefused(
            f"{name} takes time that grows with the square of its rows: {wanted:,} are too many",
            where="train.sample_rows",
            hint=f"set it to {MOST_KERNEL:,} or fewer, or use sklearn.LinearSVC",
        )
    found = _terms(assignment, shape, wanted)
    limit, needed = assignment.memory, sum(term.bytes for term in found)
    if limit and needed > limit:
        fits = _fitting(assignment, shape, wanted, limit)
        raise PlanRefused(
            f"{name} on a sample of {wanted:,} rows would take {needed / MIB:,.0f} MiB of a worker "
            f"that has {limit / MIB:,.0f}",
            where="train.sample_rows",
            hint=f"set it to {fits:,} or fewer, or give workers more memory"
            if fits
            else "give workers more memory",
        )
    return found


def driver(assignment: Assignment, shape: Shape, rows: int) -> tuple[Term, ...]:
    """Return what the driver holds; see `engine.learners.ways.Learner`."""
    wanted = min(assignment.sample_rows, rows)
    own = kept(assignment, wanted, shape.features)
    return passing(wanted, shape.features + 2), Term("estimator and its file", own)


def _terms(assignment: Assignment, shape: Shape, wanted: int) -> tuple[Term, ...]:
    cells = wanted * (shape.features + 2)
    return (
        Term("worker process", WORKER),
        *opening(replace(shape, loaded=True), shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("sample of rows", cells * (ROW_CELL + COPY_CELL * _habit(assignment).copies)),
        Term("estimator and its file", _own(assignment, wanted)),
    )


def kept(assignment: Assignment, rows: int, features: int) -> int:
    """Return the bytes of a model of so many rows, and of its file: a few keep their sample."""
    return rows * (features + 1) * SAMPLE_CELL + _own(assignment, rows)


def _fitting(assignment: Assignment, shape: Shape, most: int, limit: int) -> int:
    """Return how many rows fit, rounded down to two digits; 0: none."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if sum(term.bytes for term in _terms(assignment, shape, middle)) <= limit:
            low = middle
        else:
            high = middle - 1
    unit = int(10 ** max(0, len(str(low)) - 2))
    return low // unit * unit


def _own(assignment: Assignment, rows: int) -> int:
    """Return the bytes of what an estimator makes of so many rows."""
    params, habit = assignment.params, _habit(assignment)
    if habit.growth == "trees":
        return _trees(assignment, params, rows)
    if habit.growth == "kernel":
        return min(int(float(params.get("cache_size", CACHE)) * 1e6), rows**2 * KERNEL)
    if habit.growth == "pairs":
        return rows * (rows - 1) // 2 * PAIR
    if habit.growth == "neighbours":
        least = max(
            habit.near, int(params.get("n_neighbors", 0)), int(params.get("min_samples") or 0)
        )
        return rows * least * NEIGHBOUR
    if habit.growth == "shares":
        return rows * int(params.get("n_components", 1)) * SHARE
    return 0


def _trees(assignment: Assignment, params: Mapping[str, Any], rows: int) -> int:
    """Return the bytes of a forest whose leaves may each hold one row."""
    if assignment.task == "anomaly":  # 256 rows a tree unless more are asked for
        given = params.get("max_samples", 256)
        drawn = 256 if given == "auto" else given
        rows = min(rows, int(drawn * rows) if isinstance(drawn, float) else int(drawn))
    elif params.get("bootstrap", "RandomForest" in assignment.estimator.name):
        rows = int(rows * DRAWN)
    leaf = params.get("min_samples_leaf", 1)
    least = max(1, int(leaf) if not isinstance(leaf, float) else int(leaf * rows))
    leaves = max(1, rows // least)
    for bound in (params.get("max_leaf_nodes"), 2 ** min(60, int(params.get("max_depth") or 60))):
        leaves = min(leaves, bound or leaves)
    several = CLASSES if assignment.task == "multiclass" else 1
    node = NODE + VALUE * (assignment.classes or several)
    return int(params.get("n_estimators", 100)) * 2 * leaves * node


def _habit(assignment: Assignment) -> Habit:
    return HABITS.get(assignment.estimator.name, Habit())
