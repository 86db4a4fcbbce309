"""A model bundle that scores: features, trees, columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.bundle import Bundle
from engine.predict import predictor
from engine.predict.leaves import leaves_of
from engine.preparing import matrices
from engine.scoring.added import LEAVES, prediction_columns, predictions, raw_columns
from engine.scoring.asked import Asked
from engine.scoring.explained import explained, explained_columns


@dataclass(frozen=True)
class Boosted:
    """A bundle, and what it is asked; a `engine.scoring.model.Model`.

    Attributes:
        bundle: The model.
        asked: What is wanted of it.
    """

    bundle: Bundle
    asked: Asked

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that its pipeline reads."""
        return self.bundle.pipeline.inputs

    @property
    def digest(self) -> str:
        """SHA-256 of the bundle."""
        return self.bundle.digest

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The columns of its task, then raw scores, leaves and contributions, if asked.

        Raises:
            SpecError: More contributions are asked for than there are features, or the name of a
                feature does not go with them.
        """
        bundle, asked = self.bundle, self.asked
        classes = bundle.classes or ()
        columns = prediction_columns(bundle.task, classes)
        if asked.raw:
            columns |= dict.fromkeys(raw_columns(bundle.task, classes), pl.Float64())
        if asked.leaves:
            columns[LEAVES] = pl.List(pl.Int32())
        if asked.explain is not None:
            columns |= explained_columns(asked.explain, bundle.pipeline.features)
        return columns

    def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Predict with LightGBM's own bits; see `engine.predict`.

        Raises:
            ModelError: The model is damaged, or cannot be explained.
        """
        blocks = [self._answers(x) for x in matrices(self.bundle.pipeline, rows)]
        return [pl.concat(pieces, rechunk=True) for pieces in zip(*blocks, strict=True)]

    def _answers(self, x: npt.NDArray[np.float32]) -> list[pl.Series]:
        """Return the columns of some rows (n, features)."""
        bundle, asked = self.bundle, self.asked
        classes = bundle.classes or ()
        raw, scores = predictor(bundle.model).both(x)
        found = predictions(bundle.task, bundle.calibrated(scores), asked.threshold, classes)
        if asked.raw:
            names = raw_columns(bundle.task, classes)
            by_output = np.ascontiguousarray(raw.reshape(len(x), len(names)).T)
            found += [pl.Series(n, one) for n, one in zip(names, by_output, strict=True)]
        if asked.leaves:
            found.append(_listed(leaves_of(bundle.model).of(x)))
        if asked.explain is not None:
            said = scores.argmax(axis=1) if bundle.task == "multiclass" else None
            found += explained(asked.explain, bundle.pipeline.features, bundle.model, x, said)
        return found


def _listed(leaves: npt.NDArray[np.int32]) -> pl.Series:
    """Return the rows of a matrix as lists."""
    kind = pl.List(pl.Int32())
    if not leaves.size:
        return pl.Series(LEAVES, [[]] * len(leaves), dtype=kind)
    return pl.Series(LEAVES, leaves).cast(kind)
