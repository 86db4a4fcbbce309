"""Classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy.typing as npt
from sklearn.base import ClassifierMixin

from engine.boosting.learning import Task
from engine.estimator.collected import Collected
from engine.estimator.columns import Categorical
from engine.estimator.given import Given, held_out
from engine.estimator.model import Model


class LGBMClassifier(ClassifierMixin, Model):  # type: ignore[misc]
    """LightGBM for two or more classes, numbers or text.

    Arguments: see `engine.estimator.arguments.Arguments`; after the fit, the attributes of
    `engine.estimator.model.Model`.

    Attributes:
        classes_: The classes, sorted.
        n_classes_: Their number.
    """

    classes_: npt.NDArray[Any]
    n_classes_: int

    _CLASSES: ClassVar[bool] = True

    def _task(self, files: Collected) -> tuple[Task, int]:
        self._keep_classes(files.several_classes())
        return ("binary", 0) if self.n_classes_ == 2 else ("multiclass", self.n_classes_)

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
        """Train; arguments and errors as of `LGBMRegressor.fit`.

        ``y`` holds classes; ``init_score`` has a column for each class where there are more than
        two.
        """
        given = Given(X, y, sample_weight, init_score)
        valid = held_out(eval_set, eval_names, init=eval_init_score)
        return self._fit(given, valid, eval_metric, categorical_feature, early_stopping_rounds)

    def predict(self, X: Any, raw_score: bool = False) -> Any:
        """Return the likeliest class of each row.

        Args:
            X: A table of any kind that `fit` takes; of a frame the columns are found by name.
            raw_score: Return raw scores instead.

        Returns:
            Shape (rows,); for a Dask frame or a data set a lazy Dask series.
        """
        return self._predicted(X, "raw" if raw_score else "label")

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class.

        Returns:
            float64, shape (rows, classes), in the order of ``classes_``; for a Dask frame or a data
            set a lazy Dask DataFrame with a column ``probability_<class>`` for each.
        """
        return self._predicted(X, "probability")
