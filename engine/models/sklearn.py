"""An estimator of scikit-learn as a model of a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from engine.canonical import canonical
from engine.errors import ModelError
from engine.models.learned import Scores, X
from engine.models.sklearn_answers import answers
from engine.models.skops_files import loaded

FILE: Final = "estimator.skops"
FACTS: Final = "sklearn.json"

BLOCK: Final = 1024
"""Rows that are predicted at once, always as many: fewer are filled up. A product of matrices may
round a row in another way when there are other numbers of rows, since BLAS cuts by that."""


@dataclass(frozen=True)
class Sklearn:
    """A fitted estimator; an `engine.models.learned.Learned`.

    Attributes:
        data: Its skops file.
        path: Import path of its class: ``sklearn.linear_model:SGDClassifier``.
        version: Of scikit-learn that trained it.
        task: What it was trained for; an `engine.learners.estimator.Task`.
        classes: Number of classes of a binary or multiclass task, else 0.
        features: Names of the features.
        cell: Type of a feature, ``float32`` or ``float64``.
    """

    kind: ClassVar[str] = "sklearn"

    data: bytes
    path: str
    version: str
    task: str
    classes: int
    features: tuple[str, ...]
    cell: str = "float64"

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.features)

    @property
    def estimator(self) -> Any:
        """The fitted estimator, to look at: it is shared by all who ask in this process.

        Raises:
            ModelError: The file is damaged, not trusted, or of another version of scikit-learn.
        """
        return loaded(self.data, self.path, self.version)

    def predict(self, x: X) -> Scores:
        """Return what it says of each row.

        Raises:
            ModelError: As `estimator`; there are other features; or a value is missing or infinite
                where the estimator takes none.
        """
        if x.shape[1] != self.width:
            raise ModelError(f"the model has {self.width} features, and the rows {x.shape[1]}")
        estimator = self.estimator
        self._check(x, estimator)
        starts = range(0, max(1, len(x)), BLOCK)
        return np.concatenate([self._block(estimator, x[at : at + BLOCK]) for at in starts])

    def _block(self, estimator: Any, x: X) -> Scores:
        rows = np.zeros((BLOCK, self.width), self.cell)
        rows[: len(x)] = x
        return answers(estimator, rows, self.task, self.classes)[: len(x)]

    def _check(self, x: X, estimator: Any) -> None:
        takes_missing = estimator.__sklearn_tags__().input_tags.allow_nan
        bad: npt.NDArray[np.bool_] = np.isinf(x) if takes_missing else ~np.isfinite(x)
        if bad.any():
            name = self.features[int(bad.any(axis=0).argmax())]
            raise ModelError(
                f"feature {name!r} has missing or infinite values, which this model does not take",
                where=self.path,
                hint="add an impute step to [features] and train again",
            )

    def files(self) -> Mapping[str, bytes]:
        """Return the skops file, and what is to know of it."""
        facts = {
            "class": self.path,
            "sklearn": self.version,
            "task": self.task,
            "classes": self.classes,
            "features": list(self.features),
            "cell": self.cell,
        }
        return {FILE: self.data, FACTS: canonical(facts)}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told; the estimator is made when it first predicts."""
        facts = json.loads(contents[FACTS])
        return cls(
            contents[FILE],
            facts["class"],
            facts["sklearn"],
            facts["task"],
            facts["classes"],
            tuple(facts["features"]),
            facts["cell"],
        )
