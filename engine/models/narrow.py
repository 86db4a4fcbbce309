"""A model of some of the features that there are: those of its own pipeline among others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from engine.canonical import canonical
from engine.models.learned import Learned, Scores, X
from engine.models.stored import above, below

_FILE = "narrow.json"
_OF = "of."


@dataclass(frozen=True)
class Narrow:
    """A model that is shown neighbouring columns of a matrix; an `engine.models.learned.Learned`.

    Attributes:
        model: The model.
        first: Position of its first feature.
        count: Number of its features.
        width: Number of all features.
    """

    kind: ClassVar[str] = "narrow"
    model: Learned
    first: int
    count: int
    width: int

    def predict(self, x: X) -> Scores:
        """Return what the model says of its own columns of rows (n, width)."""
        own = x[:, self.first : self.first + self.count]
        return self.model.predict(own if own.flags.forc else np.ascontiguousarray(own))

    def files(self) -> Mapping[str, bytes]:
        """Return which columns it is shown, and the files of the model under names of their own."""
        told = {"first": self.first, "count": self.count, "width": self.width}
        return {_FILE: canonical(told), **above(_OF, self.model)}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        return cls(below(_OF, contents), **json.loads(contents[_FILE]))
