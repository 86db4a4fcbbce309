"""A model bundle that scores: features, model, columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.bundle import Bundle
from engine.errors import SpecError
from engine.models import Trees
from engine.scoring.added import LEAVES, prediction_columns, predictions, raw_columns
from engine.scoring.asked import Asked
from engine.scoring.explained import explained, explained_columns
from engine.training.preparing import matrices


@dataclass(frozen=True)
class Bundled:
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
            SpecError: More contributions are asked for than there are features, the name of a
                feature does not go with them, or the model has nothing of what is asked.
        """
        bundle, asked = self.bundle, self.asked
        classes = bundle.classes or ()
        columns = prediction_columns(bundle.task, classes, bundle.outputs)
        if asked.beyond and not isinstance(bundle.model, Trees):
            raise SpecError(
                f"{', '.join(asked.beyond)} can be told of trees, and this model is of the kind "
                f"{bundle.model.kind!r}",
                where=f"score.{asked.beyond[0]}",
                hint="leave it out, or score with a model of LightGBM",
            )
        if asked.raw:
            columns |= dict.fromkeys(raw_columns(bundle.task, classes), pl.Float64())
        if asked.leaves:
            columns[LEAVES] = pl.List(pl.Int32())
        if asked.explain is not None:
            columns |= explained_columns(asked.explain, bundle.pipeline.features)
        return columns

    def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Predict; with trees LightGBM's own bits, see `engine.predict`.

        Raises:
            ModelError: The model is damaged, or cannot be explained.
        """
        blocks = [self._answers(x) for x in matrices(self.bundle.pipeline, rows)]
        return [pl.concat(pieces, rechunk=True) for pieces in zip(*blocks, strict=True)]

    def _answers(self, x: npt.NDArray[np.float32]) -> list[pl.Series]:
        """Return the columns of some rows (n, features)."""
        bundle, asked = self.bundle, self.asked
        if not asked.beyond or not isinstance(bundle.model, Trees):
            return self._predicted(bundle.model.predict(x))
        return self._explained(bundle.model, x)

    def _predicted(self, scores: npt.NDArray[np.float64]) -> list[pl.Series]:
        bundle, classes = self.bundle, self.bundle.classes or ()
        calibrated = bundle.calibrated(scores)
        threshold = bundle.deciding(self.asked.threshold)
        return predictions(bundle.task, calibrated, threshold, classes)

    def _explained(self, trees: Trees, x: npt.NDArray[np.float32]) -> list[pl.Series]:
        """Return the prediction columns and those of what is asked beyond."""
        from engine.predict import predictor
        from engine.predict.leaves import leaves_of

        bundle, asked, classes = self.bundle, self.asked, self.bundle.classes or ()
        raw, scores = predictor(trees.text).both(x)
        found = self._predicted(scores)
        if asked.raw:
            names = raw_columns(bundle.task, classes)
            by_output = np.ascontiguousarray(raw.reshape(len(x), len(names)).T)
            found += [pl.Series(n, one) for n, one in zip(names, by_output, strict=True)]
        if asked.leaves:
            found.append(_listed(leaves_of(trees.text).of(x)))
        if asked.explain is not None:
            said = scores.argmax(axis=1) if bundle.task == "multiclass" else None
            found += explained(asked.explain, bundle.pipeline.features, trees.text, x, said)
        return found


def _listed(leaves: npt.NDArray[np.int32]) -> pl.Series:
    """Return the rows of a matrix as lists."""
    kind = pl.List(pl.Int32())
    if not leaves.size:
        return pl.Series(LEAVES, [[]] * len(leaves), dtype=kind)
    return pl.Series(LEAVES, leaves).cast(kind)
