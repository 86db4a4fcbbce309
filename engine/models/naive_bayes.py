"""Naive Bayes with a normal distribution of each feature in each class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, Final, Self, cast

import numpy as np

from engine.canonical import canonical
from engine.models.learned import Scores, X
from engine.models.weighing import Floats, assert_width, squares

FILE: Final = "naive-bayes.json"


@dataclass(frozen=True, eq=False)
class GaussianBayes:
    """Gaussian naive Bayes; an `engine.models.learned.Learned`.

    Attributes:
        theta: Mean of each feature in each class, shape (classes, features).
        var: Its variance, above 0, shape (classes, features).
        prior: Probability of each class before a feature is seen, shape (classes,).
    """

    kind: ClassVar[str] = "gaussian_bayes"
    theta: Floats
    var: Floats
    prior: Floats

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.theta.shape[1])

    def predict(self, x: X) -> Scores:
        """Return the probability of the second class (n,), of several that of each (n, classes)."""
        assert_width(x, self.width)
        likely = -0.5 * squares(x, self.theta, self.var)
        with np.errstate(divide="ignore"):  # a class that cannot be
            likely += np.log(self.prior) - 0.5 * np.log(2.0 * np.pi * self.var).sum(axis=1)
        likely -= likely.max(axis=1, keepdims=True)
        shares = np.exp(likely)
        # Added class by class: NumPy's own sum may take another order for another number of rows.
        shares /= reduce(np.add, shares.T)[:, None]
        return cast(Scores, shares[:, 1] if len(self.prior) == 2 else shares)

    def files(self) -> Mapping[str, bytes]:
        """Return means, variances and priors as JSON."""
        return {FILE: canonical({name: value.tolist() for name, value in vars(self).items()})}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        told = json.loads(contents[FILE])
        return cls(*(np.array(told[name], float) for name in ("theta", "var", "prior")))
