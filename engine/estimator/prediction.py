"""Predictions for rows of any kind of table.

They are what the model says. Calibrations (`engine.calibration`) are of bundles, which jobs train
and `[score]` reads; an estimator has none, and reads no bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from engine.estimator.columns import Columns, Levels
from engine.estimator.given import library
from engine.estimator.refusal import Unfit
from engine.models import Learned, Scores, Trees
from engine.plan import target_bytes
from engine.predict import predictor
from engine.schema import require
from engine.transformer.rows import as_polars

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

What = Literal["raw", "value", "label", "probability", "cluster", "distance", "inlier"]
"""``raw`` scores of trees, what the model says (``value``), the ``label`` of the likeliest class,
the ``probability`` of each; the ``cluster`` of a row and the ``distance`` to it; ``inlier``: 1, or
-1 for a row that is odd."""

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Scorer:
    """A model with what it must know of its rows; small, and sent to workers once.

    Attributes:
        model: The model.
        columns: The features.
        levels: Categories of the levelled ones.
        classes: Classes of a classifier, in order; None = the model tells numbers.
    """

    model: Learned
    columns: Columns
    levels: Levels
    classes: Values | None = None

    def values(self, rows: Any, what: What, threads: int = 1) -> Values:
        """Return predictions.

        Args:
            rows: Numbers, shape (n, features), or a Polars frame with the features.
            what: What is wanted.
            threads: For all rows together; trees alone use several.

        Returns:
            Shape (n,), or (n, classes) for probabilities and for raw scores of several classes, or
            (n, components).
        """
        step = target_bytes(0, len(self.columns.names)) // (4 * len(self.columns.names))
        made = []
        for start in range(0, max(1, len(rows)), step):
            x = self.columns.matrix(rows[start : start + step], self.levels)
            made.append(self._answers(self._said(x, what, threads), what))
        return np.concatenate(made)

    def _said(self, x: npt.NDArray[np.float32], what: What, threads: int) -> Scores:
        if not isinstance(self.model, Trees):
            return self.model.predict(x)
        trees = predictor(self.model.text, threads=threads)
        return trees.raw(x) if what == "raw" else trees.predict(x)

    def _answers(self, found: Scores, what: What) -> Values:
        if what == "cluster":
            return found[:, 0].astype(np.int64)
        if what == "distance":
            return found[:, 1]
        if what == "inlier":
            return np.where(found > 0, -1, 1)
        if self.classes is None or what in ("raw", "value"):
            return found
        if what == "label":
            codes = found.argmax(axis=1) if found.ndim == 2 else (found > 0.5).astype(np.int64)
            labels: Values = self.classes[codes]
            return labels
        return found if found.ndim == 2 else np.column_stack([1.0 - found, found])

    def of_table(self, x: Any, what: What, threads: int, owner: str) -> Any:
        """Return predictions for a table of any kind.

        Args:
            x: An array, a frame, a Dask DataFrame, or a data set.
            what: As `values`.
            threads: For rows in memory.
            owner: The estimator's name.

        Returns:
            An array for rows in memory. Otherwise a lazy Dask series ``prediction``, or a Dask
            DataFrame with a column ``probability_<class>`` (``raw_<class>``) for each class, or
            ``component_<number>`` for each component.

        Raises:
            Unfit: The rows are not those that the model was fitted on.
            SpecError: A column is not there.
        """
        kind = library(x)
        if kind == "dataset":
            x, kind = x.to_dask(list(self.columns.names)), "dask"
        if kind == "array":
            return self.values(x, what, threads)
        require(self.columns.names, dict.fromkeys(map(str, x.columns), pl.Null()), owner)
        if kind == "dask":
            return self._lazily(x, what, owner)
        rows = as_polars(x, self.columns.names)
        self.columns.assert_in(rows.schema, owner)
        return self.values(rows, what, threads)

    def assert_array(self, owner: str) -> None:
        """Refuse an array where columns must say what their categories are called.

        Raises:
            Unfit: The model was fitted on categories of a frame.
        """
        if self.columns.levelled:
            what = "an array does not tell categories, and the model was fitted on some"
            raise Unfit(what, where=owner, hint="give a frame with the columns of the fit")

    def _lazily(self, frame: dd.DataFrame, what: What, owner: str) -> Any:
        from dask.delayed import delayed

        from engine.transformer.lazy import arrow_types, polars_types

        known = arrow_types(frame)
        types = {name: known[name] for name in self.columns.names}
        self.columns.assert_in(polars_types(types), owner)
        own = frame[[name for name in frame.columns if str(name) in types]]
        shared = delayed((self, types), pure=False, traverse=False)
        empty = self.values(pl.DataFrame(schema=polars_types(types)), what)
        meta = self._framed(empty, frame._meta.index, what)
        return own.map_partitions(_predicted, shared, what, meta=meta)

    def _framed(self, values: Values, index: pd.Index, what: What) -> Any:
        """Return predictions as pandas, with the index of the rows."""
        import pandas as pd

        if values.ndim == 1:
            # Of no rows pandas could not tell that objects are text.
            kind = pd.Series(self.classes).dtype if what == "label" else values.dtype
            return pd.Series(values, index=index, name="prediction", dtype=kind)
        return pd.DataFrame(values, index=index, columns=self.names(what, values.shape[1]))

    def names(self, what: What, width: int) -> list[str]:
        """Return the names of the columns of predictions that are several a row."""
        if self.classes is None:
            return [f"component_{number + 1}" for number in range(width)]
        prefix = "raw" if what == "raw" else "probability"
        return [f"{prefix}_{one}" for one in self.classes]


def _predicted(
    part: pd.DataFrame, shared: tuple[Scorer, Mapping[str, pa.DataType]], what: What
) -> Any:
    scorer, types = shared
    rows = as_polars(part, scorer.columns.names, types)
    return scorer._framed(scorer.values(rows, what), part.index, what)
