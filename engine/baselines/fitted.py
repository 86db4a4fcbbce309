"""All baselines of a task, fitted on a sample of its training rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from engine.baselines.known import Known, Labels
from engine.baselines.linear import linear
from engine.baselines.one_feature import one_feature, ranked
from engine.models.additive import Additive, Row
from engine.models.learned import X

CONSTANT, ONE_FEATURE, LINEAR = "constant", "one_feature", "linear"

ABOUT: Final[Mapping[str, str]] = {
    CONSTANT: "the constant that is best on the training rows",
    ONE_FEATURE: "a table of the best single feature",
    LINEAR: "a linear model of all features",
}
"""What each baseline is, in a few words."""

CELLS: Final = 1 << 25
"""Cells of the sample that features are compared on, at most: of a larger one fewer rows."""


def constant(known: Known, width: int, mean: float, counts: Sequence[int], y: Labels) -> Additive:
    """Return the constant that is best for a model that knows no feature.

    Args:
        known: What the label is.
        width: Number of features.
        mean: Mean label of all training rows: of two classes the share of the second.
        counts: Training rows of each of several classes.
        y: Labels of the sample, shape (n,): a quantile is that of the sample.
    """
    if known.task == "ranking":
        start: Row = (0.0,)  # one score for all: the order of the rows
    elif known.task == "multiclass":
        start = known.shares(counts)
    elif known.task == "regression" and known.quantile is not None and len(y):
        start = known.best(y)
    else:
        start = (mean,)
    return Additive(width, start)


def contestants(
    known: Known, x: X, y: Labels, draws: Labels, categorical: Collection[int]
) -> dict[str, Additive]:
    """Fit the best single feature and the linear model; without features or rows none.

    Args:
        known: What the label is.
        x: Shape (n, features): the sample, NaN = missing, codes for categories.
        y: Shape (n,): labels, classes as codes.
        draws: Shape (n,): numbers in [0, 1) drawn by row.
        categorical: Positions of features that hold codes.
    """
    if not x.size:
        return {}
    share = min(1.0, CELLS / x.size)
    kept = draws < share
    order = ranked(known, x[kept], y[kept], draws[kept] / share, categorical)
    best = order[0]
    return {
        ONE_FEATURE: one_feature(known, x, y, best, best in categorical),
        LINEAR: linear(known, x, y, draws, categorical, order),
    }
