"""Contributions of features over many rows: sums that merge, and some rows as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from engine.exact import ExactSum
from engine.models import Scores, Trees
from engine.predict.contributions import contributions_of

ROWS = 8192
"""Rows that are explained at once."""


@dataclass(frozen=True)
class Shap:
    """Sums of contributions, by feature; merges bit for bit in any order.

    Attributes:
        rows: How many rows.
        sizes: Sum of absolute contributions of each feature.
        sums: Sum of contributions of each feature.
    """

    rows: int = 0
    sizes: tuple[ExactSum, ...] = field(default=())
    sums: tuple[ExactSum, ...] = field(default=())

    @classmethod
    def of(cls, found: npt.NDArray[np.float64]) -> Self:
        """Add up contributions, shape (rows, features)."""
        columns = [np.ascontiguousarray(one) for one in found.T]
        return cls(
            len(found),
            tuple(ExactSum.of(np.abs(one)) for one in columns),
            tuple(ExactSum.of(one) for one in columns),
        )

    def merge(self, other: Shap) -> Self:
        """Return the sums over both sets of rows."""
        return type(self)(
            self.rows + other.rows, _both(self.sizes, other.sizes), _both(self.sums, other.sums)
        )

    @property
    def mean_sizes(self) -> list[float]:
        """Mean absolute contribution of each feature."""
        return [one.value / max(1, self.rows) for one in self.sizes]


def shap(trees: Trees, x: npt.NDArray[np.float32], said: Scores) -> Shap:
    """Add up the contributions of rows.

    Args:
        trees: The model.
        x: Shape (n, features).
        said: What it says of them; of several classes the most probable one is explained.

    Raises:
        ModelError: The model cannot be explained: its leaves are linear.
    """
    total = Shap()
    for start in range(0, len(x), ROWS):
        part = slice(start, start + ROWS)
        total = total.merge(Shap.of(contributed(trees, x[part], said[part])))
    return total


def contributed(trees: Trees, x: npt.NDArray[np.float32], said: Scores) -> npt.NDArray[np.float64]:
    """Return the contributions of rows, shape (n, features), without the base; see `shap`."""
    output = said.argmax(axis=1) if said.ndim > 1 else None
    return contributions_of(trees.text).of(x, output)[:, :-1]


def _both(one: Sequence[ExactSum], two: Sequence[ExactSum]) -> tuple[ExactSum, ...]:
    if not one or not two:
        return tuple(one or two)
    return tuple(a + b for a, b in zip(one, two, strict=True))
