"""LightGBM's trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from engine.models.learned import Scores, X

FILE = "model.txt"


@dataclass(frozen=True)
class Trees:
    """A LightGBM model; an `engine.models.learned.Learned`.

    Attributes:
        text: LightGBM's model text; features are named ``f0``, ``f1``, … in the pipeline's order.
    """

    kind: ClassVar[str] = "lightgbm"
    text: str

    @property
    def width(self) -> int:
        """Number of features."""
        head = self.text.partition("\nTree=0\n")[0]
        return 1 + int(head.partition("\nmax_feature_idx=")[2].partition("\n")[0])

    @property
    def count(self) -> int:
        """Number of trees."""
        return self.text.count("\nTree=")

    @property
    def linear(self) -> bool:
        """Whether leaves are linear models."""
        return "\nis_linear=1\n" in self.text

    @property
    def averaged(self) -> bool:
        """Whether trees are averaged (random forest): sums of them say nothing."""
        return "\naverage_output\n" in self.text.partition("\nTree=0\n")[0]

    def splits(self) -> npt.NDArray[np.int64]:
        """Return how often each feature is split at, shape (features,)."""
        counts = np.zeros(self.width, np.int64)
        for line in self.text.splitlines():
            if line.startswith("split_feature="):
                used = line.partition("=")[2].split()
                counts += np.bincount(np.array(used, int), minlength=self.width)
        return counts

    def predict(self, x: X) -> Scores:
        """Return LightGBM's predictions; see `engine.predict`."""
        from engine.predict import predictor  # brings numba, which few need

        return predictor(self.text).predict(x)

    def files(self) -> Mapping[str, bytes]:
        """Return the model text."""
        return {FILE: self.text.encode()}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        return cls(contents[FILE].decode())
