"""dask-ml's GaussianNB, its sums made by a pass of ours.

dask-ml counts the rows of a class by handing them all to one task (``delayed(len)(X_c)``), tells a
wrong shape of the counts, and divides by 0 where a feature is the same number in a class
(dask_ml 2025.1.0, naive_bayes.py). Here one task a partition returns exact sums by class. As in
scikit-learn's GaussianNB, a billionth of the greatest variance is added to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from engine.errors import ContractRefused, SpecError
from engine.exact import ExactSum, nearest
from engine.learners.lesson import Assignment
from engine.learners.passes import params
from engine.learners.passes.matrices import Floats, Matrices
from engine.learners.passes.training import Fitted, Training
from engine.models.naive_bayes import GaussianBayes
from engine.plan import Partition

SMOOTHING: Final = 1e-9
"""Share of the greatest variance of a feature that is added to all: scikit-learn's
``var_smoothing`` (sklearn.naive_bayes.GaussianNB, 1.7)."""

OPTIONS: Final[params.Options] = {
    "priors": params.Option(
        None,
        lambda v: (
            isinstance(v, list | tuple)
            and all(type(one) in (int, float) and one >= 0 for one in v)
            and abs(sum(v) - 1) < 1e-8
        ),
        "numbers from 0 on that add up to 1, one for each class",
    ),
}

COPIES: Final = 4
"""Blocks held by a task: rows, those of a class, and two of slack."""


def check(assignment: Assignment) -> None:
    """Refuse what cannot be."""
    params.settings(assignment, OPTIONS)


def passes(assignment: Assignment) -> tuple[str, ...]:
    """Return what is read after the first look, in words."""
    return ("sums and squares of each feature by class",)


@dataclass(frozen=True)
class Sums:
    """Exact sums of the rows of each class.

    Attributes:
        counts: Rows of each class.
        cells: For each class and feature the sum and the sum of squares.
    """

    counts: tuple[int, ...]
    cells: tuple[tuple[tuple[ExactSum, ExactSum], ...], ...]

    def merge(self, other: Sums) -> Sums:
        """Return the sums of both sets of rows."""
        counts = tuple(one + two for one, two in zip(self.counts, other.counts, strict=True))
        cells = tuple(
            tuple((a + c, b + d) for (a, b), (c, d) in zip(own, others, strict=True))
            for own, others in zip(self.cells, other.cells, strict=True)
        )
        return Sums(counts, cells)

    def moments(self) -> tuple[Floats, Floats]:
        """Return mean and variance, shape (classes, features) each."""
        found = [
            [_moments(count, *cell) for cell in cells]
            for count, cells in zip(self.counts, self.cells, strict=True)
        ]
        theta, var = np.array(found).transpose(2, 0, 1)
        return theta, var


@dataclass(frozen=True)
class Counting:
    """What the tasks of the pass share.

    Attributes:
        matrices: The rows.
        classes: Number of classes.
    """

    matrices: Matrices
    classes: int


def summed(counting: Counting, partition: Partition) -> Sums:
    """Return the sums of one partition."""
    classes, none = counting.classes, (ExactSum(), ExactSum())
    total = Sums((0,) * classes, ((none,) * counting.matrices.features,) * classes)
    for x, y in counting.matrices.blocks(partition):
        own = [x[y == code] for code in range(classes)]
        cells = tuple(tuple(ExactSum.of_both(column) for column in rows.T) for rows in own)
        total = total.merge(Sums(tuple(len(rows) for rows in own), cells))
    return total


def fit(training: Training) -> Fitted:
    """Find the normal distribution of each feature in each class.

    Raises:
        ContractRefused: A class has no training rows.
        SpecError: There are not as many priors as classes.
    """
    priors = params.settings(training.assignment, OPTIONS)["priors"]
    classes = training.assignment.classes
    if priors is not None and len(priors) != classes:
        raise SpecError(
            f"there are {classes} classes, and {len(priors)} priors",
            where=f"{params.WHERE}.priors",
        )
    first, *others = training.mapped(summed, Counting(training.matrices, classes))
    for one in others:
        first = first.merge(one)
    if 0 in first.counts:
        raise ContractRefused(
            f"class number {first.counts.index(0)} has no training rows",
            hint="leave it out of train.classes, or hold out fewer rows",
        )
    theta, var = first.moments()
    smallest = SMOOTHING * _greatest(first)
    if not smallest:
        raise ContractRefused("every feature is the same number in all rows")
    prior = np.array(first.counts if priors is None else priors, float)
    model = GaussianBayes(theta, var + smallest, prior / prior.sum())
    return Fitted(model, told={"rows_by_class": list(first.counts), "smoothing": smallest})


def _greatest(sums: Sums) -> float:
    """Return the greatest variance of a feature over the rows of all classes."""
    rows, found = sum(sums.counts), 0.0
    for cells in zip(*sums.cells, strict=True):
        total, squares = ExactSum(), ExactSum()
        for one, square in cells:
            total, squares = total + one, squares + square
        found = max(found, _moments(rows, total, squares)[1])
    return found


def _moments(rows: int, total: ExactSum, squares: ExactSum) -> tuple[float, float]:
    """Return mean and variance, rounded once."""
    mean = total.fraction / rows if rows else Fraction(0)
    spread = squares.fraction / rows - mean * mean if rows else Fraction(0)
    return nearest(mean), nearest(spread)
