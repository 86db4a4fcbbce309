"""A prediction between two quantiles: where the label lies with a stated probability."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from engine.scoring.model import Model

LOWER, UPPER, CROSSED = "lower", "upper", "crossed"
"""Names of the columns that an interval adds, after ``prediction``."""


@dataclass(frozen=True)
class Interval:
    """A regression with its bounds from two quantile models; an `engine.scoring.model.Model`.

    Three models that know nothing of each other can contradict each other in a row: a lower bound
    above the prediction, say. Then the least of the three values is the lower bound and the largest
    the upper one, which moves no bound inwards, and ``crossed`` is true. The prediction is always
    what its model says alone.

    Attributes:
        model: Makes ``prediction`` first, and what it is asked after that.
        lower: Makes the lower bound, its only column.
        upper: Makes the upper bound, its only column.
    """

    model: Model
    lower: Model
    upper: Model

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that any of them reads, each once."""
        models = (self.model, self.lower, self.upper)
        return tuple(dict.fromkeys(name for one in models for name in one.inputs))

    @property
    def digest(self) -> str:
        """SHA-256 of the three models."""
        told = ["interval", self.model.digest, self.lower.digest, self.upper.digest]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """``prediction``, ``lower``, ``upper`` and ``crossed``, then what the model is asked."""
        (name, kind), *asked = self.model.columns.items()
        bounds = {LOWER: kind, UPPER: kind, CROSSED: pl.Boolean()}
        return {name: kind, **bounds, **dict(asked)}

    def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Predict with one model after the other, and put each row's values in order."""
        prediction, *asked = self.model.predict(rows)
        middle = prediction.to_numpy()
        low, high = (one.predict(rows)[0].to_numpy() for one in (self.lower, self.upper))
        least = np.minimum(np.minimum(low, high), middle)
        most = np.maximum(np.maximum(low, high), middle)
        bounds = {LOWER: least, UPPER: most, CROSSED: (low > middle) | (middle > high)}
        return [prediction, *(pl.Series(name, one) for name, one in bounds.items()), *asked]


def crossed_of(model: Model, added: Sequence[pl.Series]) -> int | None:
    """Return in how many rows the quantiles crossed; None when the model is no interval.

    Args:
        model: What predicted.
        added: Its columns.
    """
    if not isinstance(model, Interval):
        return None
    return sum(int(one.sum()) for one in added if one.name == CROSSED)
