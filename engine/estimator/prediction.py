"""Predictions for rows of any kind of table.

They are what the trees say. Calibrations (`engine.calibration`) are of bundles, which jobs train
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
from engine.plan import target_bytes
from engine.predict import predictor
from engine.schema import require
from engine.transformer.rows import as_polars

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

What = Literal["raw", "value", "label", "probability"]

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Scorer:
    """A model with what it must know of its rows; small, and sent to workers once.

    Attributes:
        model: Model text.
        columns: The features.
        levels: Categories of the levelled ones.
        classes: Classes of a classifier, in order; None = the model tells numbers.
    """

    model: str
    columns: Columns
    levels: Levels
    classes: Values | None = None

    def values(self, rows: Any, what: What, threads: int = 1) -> Values:
        """Return predictions.

        Args:
            rows: Numbers, shape (n, features), or a Polars frame with the features.
            what: ``raw`` scores, the model's ``value``, the ``label`` of the likeliest class, or
                the ``probability`` of each class.
            threads: For all rows together.

        Returns:
            Shape (n,), or (n, classes) for probabilities and for raw scores of several classes.
        """
        model = predictor(self.model, threads=threads)
        step = target_bytes(0, len(self.columns.names)) // (4 * len(self.columns.names))
        made = []
        for start in range(0, max(1, len(rows)), step):
            x = self.columns.matrix(rows[start : start + step], self.levels)
            made.append(model.raw(x) if what == "raw" else self._answers(model.predict(x), what))
        return np.concatenate(made)

    def _answers(self, found: npt.NDArray[np.float64], what: What) -> Values:
        if self.classes is None or what == "value":
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
            DataFrame with a column ``probability_<class>`` (``raw_<class>``) for each class.

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
        assert self.classes is not None
        prefix = "raw" if what == "raw" else "probability"
        names = [f"{prefix}_{one}" for one in self.classes]
        return pd.DataFrame(values, index=index, columns=names)


def _predicted(
    part: pd.DataFrame, shared: tuple[Scorer, Mapping[str, pa.DataType]], what: What
) -> Any:
    scorer, types = shared
    rows = as_polars(part, scorer.columns.names, types)
    return scorer._framed(scorer.values(rows, what), part.index, what)
