"""A model with its calibration: what a bundle says, as a member of an ensemble says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from engine.calibration.stored import Calibration
from engine.calibration.stored import restored as restored_calibration
from engine.canonical import canonical
from engine.models.learned import Learned, Scores, X
from engine.models.stored import above, below

_FILE = "calibrated.json"
_OF = "of."


@dataclass(frozen=True)
class Calibrated:
    """A model whose predictions are put right; an `engine.models.learned.Learned`.

    Attributes:
        model: The model.
        calibration: What is made of all that it says.
    """

    kind: ClassVar[str] = "calibrated"
    model: Learned
    calibration: Calibration

    @property
    def width(self) -> int:
        """Number of features."""
        return self.model.width

    def predict(self, x: X) -> Scores:
        """Return the calibrated predictions."""
        return self.calibration.apply(self.model.predict(x))

    def files(self) -> Mapping[str, bytes]:
        """Return the calibration, and the files of the model under names of their own."""
        return {_FILE: canonical(self.calibration.told()), **above(_OF, self.model)}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        return cls(below(_OF, contents), restored_calibration(json.loads(contents[_FILE])))
