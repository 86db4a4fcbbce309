"""A weighted sum of the features, and a number or a probability made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self, cast, get_args

import numpy as np

from engine.canonical import canonical
from engine.errors import ModelError
from engine.models.learned import Scores, X
from engine.models.weighing import Floats, assert_width, weighed

FILE: Final = "linear.json"

Link = Literal["identity", "logit", "log", "clipped"]
"""What the sum is of the prediction: itself, the log-odds of the second class, the logarithm; or
twice the probability of the second class less one, within 0 and 1: modified Huber loss (Zhang
2002, "Transforming classifier scores into accurate multiclass probability estimates")."""


@dataclass(frozen=True, eq=False)
class Linear:
    """A generalised linear model with one output; an `engine.models.learned.Learned`.

    Attributes:
        coefficients: Shape (features,).
        intercept: What is added to the sum.
        link: What the sum is of the prediction.
    """

    kind: ClassVar[str] = "linear"
    coefficients: Floats
    intercept: float
    link: Link = "identity"

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.coefficients)

    def predict(self, x: X) -> Scores:
        """Return numbers, or probabilities of the second class, shape (n,); NaN stays NaN."""
        assert_width(x, self.width)
        total = weighed(x, self.coefficients[:, None], self.intercept)[:, 0]
        with np.errstate(over="ignore"):  # beyond the largest number it is infinite, or 0
            if self.link == "logit":
                return 1.0 / (1.0 + np.exp(-total))
            if self.link == "clipped":
                return (np.clip(total, -1.0, 1.0) + 1.0) / 2.0
            return cast(Scores, np.exp(total) if self.link == "log" else total)

    def files(self) -> Mapping[str, bytes]:
        """Return coefficients, intercept and link as JSON."""
        told = {
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
            "link": self.link,
        }
        return {FILE: canonical(told)}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told.

        Raises:
            ModelError: Its link is unknown.
        """
        told = json.loads(contents[FILE])
        if told["link"] not in get_args(Link):
            raise ModelError(f"a linear model with an unknown link: {told['link']!r}", where=FILE)
        return cls(np.array(told["coefficients"], float), float(told["intercept"]), told["link"])
