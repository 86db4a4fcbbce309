"""Predictions of several models, combined by few weights; a model whose features they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from engine.canonical import canonical
from engine.models.learned import Scores, X

FILE = "pooled.json"

CLIP = 1e-6
"""Probabilities are taken as so far from 0 and 1 at least; a float32 next to 1 is 6e-8 from it."""

Link = Literal["mean", "linear", "logit", "log"]


@dataclass(frozen=True)
class Pooled:
    """A weighted combination of what members say; an `engine.models.learned.Learned`.

    Attributes:
        link: ``mean``: the sum of weights times predictions. ``linear``: the same and an intercept.
            ``logit``: of the members' log-odds, and back to a probability. ``log``: of the
            logarithms of the probabilities of each class, scaled so that they add up to 1.
        weights: Of each member, 0 or more.
        intercept: One number, or one for each class; 0 with ``mean``.
    """

    kind: ClassVar[str] = "pooled"
    link: Link
    weights: tuple[float, ...]
    intercept: tuple[float, ...] = (0.0,)
    classes: int = 0

    @property
    def width(self) -> int:
        """Number of columns that members say."""
        return len(self.weights) * max(1, self.classes)

    def predict(self, x: X) -> Scores:
        """Combine predictions (n, members), or (n, members x classes), members one by one.

        Member by member, not as a product of matrices, whose rounding depends on other rows.
        """
        said = x.astype(np.float64).reshape(len(x), len(self.weights), -1)
        total = np.zeros((len(x), said.shape[2]))
        for place, weight in enumerate(self.weights):
            total += weight * linked(said[:, place], self.link)
        total += np.array(self.intercept)
        if self.link == "logit":
            total = 1 / (1 + np.exp(-total))
        elif self.link == "log":
            total = np.exp(total - total.max(axis=1, keepdims=True))
            total /= total.sum(axis=1, keepdims=True)
        return total if self.classes else total[:, 0]

    def files(self) -> Mapping[str, bytes]:
        """Return its numbers as JSON."""
        return {FILE: canonical({**vars(self), "weights": list(self.weights)})}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        told = json.loads(contents[FILE])
        weights, intercept = tuple(told["weights"]), tuple(told["intercept"])
        return cls(told["link"], weights, intercept, told["classes"])


def linked(said: Scores, link: Link) -> Scores:
    """Return predictions of members on the scale on which they are added."""
    if link in ("mean", "linear"):
        return said
    clipped = np.clip(said, CLIP, 1 - CLIP)
    return np.log(clipped) - np.log1p(-clipped) if link == "logit" else np.log(clipped)
