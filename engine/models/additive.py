"""Models that add up what each feature says by itself: constants, tables of bins, linear models.

The sum is made feature by feature and never by a matrix product: what BLAS returns for a row
depends on the rows beside it, in the last bit, and a prediction may not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from engine.calibration.classes import sharpened
from engine.calibration.lines import logistic
from engine.canonical import canonical
from engine.errors import ModelError
from engine.models.learned import Scores, X

FILE = "additive.json"

Link = Literal["identity", "logistic", "softmax"]
"""What makes predictions of the sums: nothing but `Additive.bounds`; probabilities of the second of
two classes; those of several."""

Row = tuple[float, ...]
"""What is added for each output."""


@dataclass(frozen=True)
class Line:
    """A straight line through a number.

    Attributes:
        feature: Its position.
        mean: What counts as 0; a missing value does, too.
        scale: What counts as 1, above 0.
        slopes: What 1 adds, for each output.
        missing: What a missing value adds.
    """

    feature: int
    mean: float
    scale: float
    slopes: Row
    missing: Row

    def of(self, column: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what the values (n,) add: shape (n, outputs). What is not finite is missing."""
        gone = ~np.isfinite(column)
        known = np.where(gone, self.mean, column.astype(np.float64))
        steps = (known - self.mean) / self.scale
        added: npt.NDArray[np.float64] = np.multiply.outer(steps, np.array(self.slopes))
        added[gone] = self.missing
        return added


@dataclass(frozen=True)
class Steps:
    """A number for each bin of a feature, or for each category.

    Attributes:
        feature: Its position.
        categorical: Whether values are codes of categories.
        cuts: Rising: the first values of the bins after the first; or codes that have a row.
        values: What is added, for each output: rows for the bins, or for the codes and then all
            other codes; last, for a missing value.
    """

    feature: int
    categorical: bool
    cuts: tuple[float, ...]
    values: tuple[Row, ...]

    def of(self, column: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what the values (n,) add: shape (n, outputs)."""
        return np.array(self.values)[self.places(column)]

    def places(self, column: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
        """Return the row of ``values`` that belongs to each value (n,)."""
        cuts = np.array(self.cuts, np.float32)
        if self.categorical:
            found = np.searchsorted(cuts, column)
            known = np.append(cuts, np.nan)[found] == column
            places = np.where(known, found, len(cuts))
        else:
            places = np.searchsorted(cuts, column, side="right")
        return np.where(np.isnan(column), len(cuts) + 1, places)


Part = Line | Steps


@dataclass(frozen=True)
class Additive:
    """A sum over features; an `engine.models.learned.Learned`.

    Attributes:
        width: Number of features.
        start: What the sums start from, for each output.
        parts: What features add; none: a constant.
        link: What makes predictions of the sums.
        bounds: Least and largest prediction without a link; None: any.
    """

    kind: ClassVar[str] = "additive"
    width: int
    start: Row
    parts: tuple[Part, ...] = ()
    link: Link = "identity"
    bounds: tuple[float, float] | None = None

    def predict(self, x: X) -> Scores:
        """Return the predictions: (n,), or (n, classes) where there are several outputs.

        Raises:
            ModelError: There are more or fewer features.
        """
        if x.shape[1] != self.width:
            raise ModelError(f"the model has {self.width} features, and the rows {x.shape[1]}")
        sums = np.tile(np.array(self.start), (len(x), 1))
        for part in self.parts:
            sums += part.of(x[:, part.feature])
        if self.link == "softmax":
            return sharpened(sums, 1.0)
        if self.link == "logistic":
            sums = logistic(sums)
        elif self.bounds is not None:
            sums = sums.clip(*self.bounds)
        return sums[:, 0] if sums.shape[1] == 1 else sums

    def told(self) -> dict[str, Any]:
        """Return all numbers as JSON values."""
        parts = [{"is": type(part).__name__, **asdict(part)} for part in self.parts]
        return {**vars(self), "parts": parts}

    def files(self) -> Mapping[str, bytes]:
        """Return all numbers as JSON."""
        return {FILE: canonical(self.told())}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        return cls.restored(json.loads(contents[FILE]))

    @classmethod
    def restored(cls, told: Mapping[str, Any]) -> Self:
        """Return the model of what `told` said."""
        bounds = told["bounds"]
        return cls(
            told["width"],
            tuple(told["start"]),
            tuple(map(_part, told["parts"])),
            told["link"],
            None if bounds is None else tuple(bounds),
        )


def _part(told: Mapping[str, Any]) -> Part:
    if told["is"] == Line.__name__:
        slopes, missing = tuple(told["slopes"]), tuple(told["missing"])
        return Line(told["feature"], told["mean"], told["scale"], slopes, missing)
    values = tuple(tuple(row) for row in told["values"])
    return Steps(told["feature"], told["categorical"], tuple(told["cuts"]), values)
