"""Clusters around centres."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import numpy as np

from engine.canonical import canonical
from engine.models.learned import Scores, X
from engine.models.weighing import Floats, assert_width, squares

FILE: Final = "centres.json"


@dataclass(frozen=True, eq=False)
class Centres:
    """A row belongs to the nearest centre, to the first of equals; a `Learned`.

    Attributes:
        centres: Shape (clusters, features).
    """

    kind: ClassVar[str] = "centres"
    centres: Floats

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.centres.shape[1])

    def predict(self, x: X) -> Scores:
        """Return the cluster and the Euclidean distance to its centre, shape (n, 2)."""
        assert_width(x, self.width)
        away = squares(x, self.centres, np.ones_like(self.centres))
        labels = away.argmin(axis=1)
        nearest = np.sqrt(away[np.arange(len(x)), labels])
        return np.column_stack([labels.astype(np.float64), nearest])

    def files(self) -> Mapping[str, bytes]:
        """Return the centres as JSON."""
        return {FILE: canonical({"centres": self.centres.tolist()})}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        return cls(np.array(json.loads(contents[FILE])["centres"], float))
