"""The estimator: what scikit-learn expects of a transformer, around a pipeline of features.

scikit-learn is not needed and not imported, but for the tags that it asks for itself: what it
expects of an estimator is a matter of methods.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from engine.errors import SpecError
from engine.features.fit import fit
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import Pipeline, Resolved
from engine.features.step import Types
from engine.statistics.summary import Request, Summary
from engine.training.survey import gathered
from engine.transformer import lazy
from engine.transformer.rows import (
    WHERE,
    Output,
    as_polars,
    assert_types,
    finished,
    labels,
    library,
    with_rows,
)


class FeatureTransformer:
    """A pipeline of features as a scikit-learn compatible transformer.

    Works on pandas, Polars and Dask data frames, in `sklearn.pipeline.Pipeline`, and under
    `sklearn.base.clone`. All columns of the frame are features, but those that the pipeline drops.
    The numbers learned do not depend on the kind of frame nor on its partitions. A Dask frame is
    fitted partition by partition, in one pass for each level of steps and one before them that
    counts rows; its features are lazy.

    As with scikit-learn's `TargetEncoder`, ``fit(X, y).transform(X)`` is not
    ``fit_transform(X, y)``: the latter prepares training rows, whose encodings by the label leave
    out what the row's own label tells (out of fold), the former prepares rows as they are scored.
    Use `fit_transform` for the rows that a model is trained on. A row's fold comes from its
    position in the frame.

    Attributes:
        pipeline_: The fitted pipeline: prints readably, goes into a bundle.
        feature_names_in_: Columns of the frame that it was fitted on, shape (columns,).
        n_features_in_: Their number.

    Args:
        pipeline: The features as asked for; steps that look at earlier rows cannot be in it, since
            a transformer gets any rows.
        seed: Of the draws that give rows to folds.
    """

    pipeline_: FittedPipeline
    feature_names_in_: npt.NDArray[np.object_]
    n_features_in_: int
    _types: Types

    def __init__(self, pipeline: Pipeline, seed: int = 42) -> None:
        """Keep the arguments; nothing is checked before there are data."""
        self.pipeline = pipeline
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from all rows.

        Args:
            X: A data frame.
            y: Labels, for steps that need them: numbers, or classes; without a missing one. Of a
                Dask frame also a Dask series or array with the same partitions.

        Raises:
            SpecError: The pipeline does not fit the columns, or a step needs labels.
            ContractRefused: The data do not allow a step.
        """
        self._fitted(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Learn from all rows and return their features as training rows; see the class."""
        return self._fitted(X, y)()

    def _fitted(self, frame: Any, y: Any) -> Callable[[], Any]:
        """Fit; returns the function that prepares the same rows as training rows."""
        output = self._output(frame)
        if library(frame) == "dask":
            return self._fitted_lazily(frame, y)
        plain = as_polars(frame, None)
        resolved = self._resolved(plain.schema, y is not None)
        rows = with_rows(plain, 0, None if y is None else labels(y), self.seed)

        def gather(fitted: FittedPipeline, request: Request) -> Summary:
            return gathered(fitted, request, rows)

        fitted = self._learnt(fit(self.pipeline, resolved, gather), plain.schema)
        return partial(finished, fitted, frame, rows, True, output)

    def _fitted_lazily(self, frame: Any, y: Any) -> Callable[[], Any]:
        known = lazy.arrow_types(frame)
        types = lazy.polars_types(known)
        resolved = self._resolved(types, y is not None)
        read = {name: known[name] for name in resolved.inputs}
        rows = lazy.Rows.of(frame, y, read, self.seed)
        fitted = self._learnt(fit(self.pipeline, resolved, rows.gather), types)
        if fitted.supervised:
            return partial(rows.transformed, fitted, frame)
        return partial(lazy.transformed, fitted, types, frame)

    def _resolved(self, types: Types, labelled: bool) -> Resolved:
        resolved = self.pipeline.resolve(types, labelled=labelled)
        if resolved.lookback:
            raise SpecError(
                "a step of the pipeline looks at earlier rows, and a transformer gets any rows",
                where=WHERE,
                hint="train with a job, which reads the rows before, or leave the step out",
            )
        return resolved

    def _learnt(self, fitted: FittedPipeline, types: Types) -> FittedPipeline:
        self.pipeline_ = fitted
        self._types = dict(types)
        self.feature_names_in_ = np.array(list(types), object)
        self.n_features_in_ = len(types)
        return fitted

    def transform(self, X: Any) -> Any:
        """Return the features of rows as they are scored.

        Returns:
            float32; for a frame in memory a NumPy matrix with NaN where missing, or what
            `set_output` says; for a Dask frame always a Dask frame, nothing of it computed.

        Raises:
            SpecError: It was not fitted, or a column is missing or of another kind than in the fit.
        """
        fitted = self._known()
        if library(X) == "dask":
            self._output(X)
            return lazy.transformed(fitted, self._types, X)
        rows = as_polars(X, fitted.inputs)
        assert_types(rows, self._types)
        return finished(fitted, X, rows, False, self._output(X))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the features; what is given is not looked at."""
        return np.array(self._known().get_feature_names_out(), object)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of the constructor by name."""
        return {"pipeline": self.pipeline, "seed": self.seed}

    def set_params(self, **params: Any) -> Self:
        """Set arguments of the constructor."""
        for name, value in params.items():
            if name not in self.get_params():
                raise SpecError(f"there is no parameter {name!r}", where=WHERE)
            setattr(self, name, value)
        return self

    def set_output(self, *, transform: Output | None = None) -> Self:
        """Say what `transform` returns for frames in memory.

        Args:
            transform: ``default``: a NumPy matrix; ``pandas`` or ``polars``: a data frame;
                ``None``: as it was.
        """
        if transform not in ("default", "pandas", "polars", None):
            raise SpecError(f"{transform!r} is none of default, pandas, polars", where=WHERE)
        if transform is not None:
            # The name by which scikit-learn's clone keeps it.
            self._sklearn_output_config = {"transform": transform}
        return self

    def _output(self, frame: Any) -> Output:
        chosen: Output = getattr(self, "_sklearn_output_config", {}).get("transform", "default")
        if chosen == "polars" and library(frame) == "dask":
            hint = 'take set_output(transform="default"): the features of a Dask frame are one'
            raise SpecError("a Dask frame cannot become a Polars frame", where=WHERE, hint=hint)
        return chosen

    def _known(self) -> FittedPipeline:
        if not self.__sklearn_is_fitted__():
            raise SpecError("this FeatureTransformer is not fitted", hint="call fit first")
        return self.pipeline_

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether it was fitted."""
        return hasattr(self, "pipeline_")

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of an estimator: missing values and text are fine."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        supervised = any(step.supervised for step in self.pipeline.steps)
        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=supervised),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(allow_nan=True, string=True, categorical=True),
        )

    def __repr__(self) -> str:
        """Return the constructor's call."""
        return f"FeatureTransformer({self.pipeline!r}, seed={self.seed})"
