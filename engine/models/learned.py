"""What a fitted model is, of whatever kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

X = npt.NDArray[np.float32]
"""Rows of features (n, features) in the pipeline's order; NaN = missing, codes for categories."""

Scores = npt.NDArray[np.float64]
"""What a model says, by task: of two classes the probability of the second (n,); of several that of
each (n, classes); of a regression the number, of a ranking the score (n,); of a clustering (n, 2)
the cluster, -1 for none, and the distance to it, NaN for none; of an anomaly task (n,) how odd a
row is, above 0 odd; of a reduction (n, components)."""


class Learned(Protocol):
    """A fitted model: what a bundle holds beside its features.

    It is small, picklable (on its way to workers), and used there by several threads at once.
    """

    kind: ClassVar[str]
    """Name of its kind in `engine.models.stored`."""

    @property
    def width(self) -> int:
        """Number of features."""

    def predict(self, x: X) -> Scores:
        """Return what it says of each row; it does not depend on which rows stand beside which.

        Raises:
            ModelError: The rows do not fit.
        """

    def files(self) -> Mapping[str, bytes]:
        """Return all of it as files by name, text, JSON or Arrow; see `engine.models.stored`."""
