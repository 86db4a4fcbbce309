"""Regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from sklearn.base import RegressorMixin

from engine.estimator.columns import Categorical
from engine.estimator.given import Given, held_out
from engine.estimator.model import Model


class LGBMRegressor(RegressorMixin, Model):  # type: ignore[misc]
    """LightGBM for numbers; ``objective`` names any of its regression family.

    Arguments: see `engine.estimator.arguments.Arguments`; after the fit, the attributes of
    `engine.estimator.model.Model`.
    """

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        init_score: Any = None,
        eval_set: Any = None,
        eval_names: Sequence[str] | None = None,
        eval_init_score: Any = None,
        eval_metric: str | None = None,
        categorical_feature: Categorical = "auto",
        early_stopping_rounds: int | None = None,
    ) -> Self:
        """Train.

        Args:
            X: An array, a pandas or Polars frame, a Dask DataFrame, or a data set: a path or glob,
                or an `engine.Dataset`. All columns are features, but those named by another
                argument.
            y: Labels, or the name of their column. Those of a Dask frame also as a Dask series of
                the same partitions.
            sample_weight: How much each row counts; given as ``y``.
            init_score: Raw scores that boosting starts from; given as ``y``.
            eval_set: ``[(X, y)]``: rows on which rounds are measured; they are not trained on.
            eval_names: Its name, in a list.
            eval_init_score: Its first scores.
            eval_metric: The metric that early stopping looks at; metrics are not weighted.
            categorical_feature: Names or positions of features that are categories although their
                type does not say so: numbers are codes then, text is coded.
            early_stopping_rounds: As ``early_stopping`` of the constructor, for this fit.

        Raises:
            SpecError: Arguments that cannot be.
            ContractRefused: Data that nothing can be learned from.
            TrainingFailed: There is no model.
        """
        given = Given(X, y, sample_weight, init_score)
        valid = held_out(eval_set, eval_names, init=eval_init_score)
        return self._fit(given, valid, eval_metric, categorical_feature, early_stopping_rounds)

    def predict(self, X: Any, raw_score: bool = False) -> Any:
        """Return predictions.

        Args:
            X: A table of any kind that `fit` takes; of a frame the columns are found by name.
            raw_score: Leave out the objective's transformation.

        Returns:
            float64, shape (rows,); for a Dask frame or a data set a lazy Dask series.
        """
        return self._predicted(X, "raw" if raw_score else "value")
