"""Rows seen along a few directions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np

from engine.canonical import canonical
from engine.models.learned import Scores, X
from engine.models.weighing import Floats, assert_width, weighed

FILE: Final = "projection.json"


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal components or singular vectors; an `engine.models.learned.Learned`.

    Attributes:
        components: Directions, shape (components, features).
        mean: What is subtracted from each feature first, shape (features,); 0 where nothing is.
        scale: What each coordinate is divided by, shape (components,); 1 where by nothing.
    """

    kind: ClassVar[str] = "projection"
    components: Floats
    mean: Floats
    scale: Floats

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.components.shape[1])

    @property
    def outputs(self) -> int:
        """Number of components."""
        return len(self.components)

    def predict(self, x: X) -> Scores:
        """Return the coordinates of each row, shape (n, components)."""
        assert_width(x, self.width)
        return weighed(x, self.components.T, centre=self.mean) / self.scale

    def files(self) -> Mapping[str, bytes]:
        """Return directions, mean and scale as JSON."""
        return {FILE: canonical({name: value.tolist() for name, value in vars(self).items()})}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        told = json.loads(contents[FILE])
        return cls(*(np.array(told[name], float) for name in ("components", "mean", "scale")))
