"""Weighted sums of features, row by row, in an order that no neighbour changes.

BLAS adds in an order that depends on how many rows stand in a block and where: the last bit of a
row's sum could change with its neighbours. Here a column is added after the other, for all rows
alike, which is also the order in which `engine.training.preparing.matrices` lays them down.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.models.learned import X

Floats = npt.NDArray[np.float64]


def weighed(x: X, weights: Floats, start: float = 0.0, centre: Floats | None = None) -> Floats:
    """Return ``start + (x - centre) @ weights``.

    Args:
        x: Rows, shape (n, features).
        weights: Shape (features, outputs).
        start: What the sums start from.
        centre: What is subtracted from each feature first, shape (features,); None: nothing.

    Returns:
        Shape (n, outputs), float64.
    """
    total = np.full((weights.shape[1], len(x)), start)
    for place, row in enumerate(weights):
        column = x[:, place].astype(np.float64)
        if centre is not None:
            column -= centre[place]
        for output, weight in enumerate(row):
            total[output] += column * weight
    return total.T


def squares(x: X, points: Floats, scales: Floats) -> Floats:
    """Return the sums of squared differences to points, each over its scale.

    Args:
        x: Rows, shape (n, features).
        points: Shape (points, features).
        scales: What each square is divided by, shape (points, features).

    Returns:
        Shape (n, points), float64.
    """
    total = np.zeros((len(points), len(x)))
    for place in range(points.shape[1]):
        column = x[:, place].astype(np.float64)
        for number, point in enumerate(points[:, place]):
            total[number] += (column - point) ** 2 / scales[number, place]
    return total.T


def assert_width(x: X, width: int) -> None:
    """Refuse rows with more or fewer features than a model was fitted on.

    Raises:
        ModelError: They do not fit.
    """
    if x.shape[1] != width:
        raise ModelError(
            f"the model was fitted on {width} features, and the rows have {x.shape[1]}",
            hint="train the model again",
        )
