"""The catalogue's estimators by what they tell: classes, numbers, clusters, odd rows, components.

One class for each, because scikit-learn asks an estimator's class what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import (
    ClassifierMixin,
    ClusterMixin,
    OutlierMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from engine.estimator.catalogued import Catalogued
from engine.estimator.collected import Collected
from engine.estimator.columns import Categorical
from engine.estimator.given import Given, HeldOut, held_out
from engine.estimator.refusal import Unfit
from engine.learners import Assignment, Task


class Regressor(RegressorMixin, Catalogued):  # type: ignore[misc]
    """A regression: ``Regressor("sklearn.SGDRegressor", epochs=10)``.

    Arguments and attributes: see `engine.estimator.catalogued.Catalogued`.
    """

    _TASKS: ClassVar[tuple[Task, ...]] = ("regression",)

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        eval_set: Any = None,
        categorical_feature: Categorical = "auto",
    ) -> Self:
        """Train.

        Args:
            X: An array, a pandas or Polars frame, a Dask DataFrame, or a data set: a path or glob,
                or an `engine.Dataset`. All columns are features, but those named by another
                argument.
            y: Labels, or the name of their column. Those of a Dask frame also as a Dask series of
                the same partitions.
            sample_weight: How much each row counts; given as ``y``.
            eval_set: ``[(X, y)]``: rows on which epochs are measured (``patience``); they are not
                trained on.
            categorical_feature: Names or positions of features that are categories although their
                type does not say so; learned from as codes.

        Raises:
            SpecError: Arguments that cannot be.
            ContractRefused: Data that nothing can be learned from.
            PlanRefused: A worker has not the memory for it.
            TrainingFailed: There is no model.
        """
        given = Given(X, y, sample_weight)
        return self._fit(given, held_out(eval_set, None), categorical_feature)

    def predict(self, X: Any) -> Any:
        """Return predictions.

        Args:
            X: A table of any kind that `fit` takes; of a frame the columns are found by name.

        Returns:
            float64, shape (rows,); for a Dask frame or a data set a lazy Dask series.
        """
        return self._predicted(X, "value")


class Classifier(ClassifierMixin, Catalogued):  # type: ignore[misc]
    """Two or more classes: ``Classifier("dask_ml.LogisticRegression", C=0.1)``.

    Arguments and attributes: see `engine.estimator.catalogued.Catalogued`.

    Args:
        class_weight: ``balanced`` or ``{class: weight}``.

    Attributes:
        classes_: The classes, sorted.
        n_classes_: Their number.
    """

    classes_: npt.NDArray[Any]
    n_classes_: int

    _CLASSES: ClassVar[bool] = True
    _TASKS: ClassVar[tuple[Task, ...]] = ("binary", "multiclass")

    def __init__(
        self,
        learner: str,
        *,
        class_weight: Mapping[Any, float] | str | None = None,
        sample_rows: int = Assignment.sample_rows,
        random_state: Any = None,
        client: Any = None,
        scratch: str | None = None,
        **params: Any,
    ) -> None:
        """Keep the arguments; nothing is checked before there are data."""
        super().__init__(
            learner,
            sample_rows=sample_rows,
            random_state=random_state,
            client=client,
            scratch=scratch,
            **params,
        )
        self.class_weight = class_weight

    def _counted(self, asked: Assignment, files: Collected) -> Assignment:
        self._keep_classes(files.several_classes())
        task: Task = "binary" if self.n_classes_ == 2 else "multiclass"
        if task not in asked.estimator.tasks:
            what = f"{self.learner} is for two classes, and y has {self.n_classes_}"
            raise Unfit(what, where="y", hint="take another, docs/models.md")
        return replace(asked, task=task, classes=self.n_classes_)

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        eval_set: Any = None,
        categorical_feature: Categorical = "auto",
    ) -> Self:
        """Train; arguments and errors as of `Regressor.fit`. ``y`` holds classes."""
        given = Given(X, y, sample_weight)
        return self._fit(given, held_out(eval_set, None), categorical_feature)

    def predict(self, X: Any) -> Any:
        """Return the likeliest class of each row.

        Returns:
            Shape (rows,); for a Dask frame or a data set a lazy Dask series.
        """
        return self._predicted(X, "label")

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class.

        Returns:
            float64, shape (rows, classes), in the order of ``classes_``; for a Dask frame or a data
            set a lazy Dask DataFrame with a column ``probability_<class>`` for each.
        """
        return self._predicted(X, "probability")


class Unlabelled(Catalogued):
    """What is learned from rows without labels."""

    _LABELLED: ClassVar[bool] = False

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        categorical_feature: Categorical = "auto",
    ) -> Self:
        """Train; other arguments and errors as of `Regressor.fit`.

        Args:
            X: As there.
            y: Not looked at; a column that it names is no feature.
            sample_weight: As there.
            categorical_feature: As there.
        """
        given = Given(X, y, sample_weight, unlabelled=True)
        return self._fit(given, HeldOut(), categorical_feature)


class Clusterer(ClusterMixin, Unlabelled):  # type: ignore[misc]
    """Clusters: ``Clusterer("dask_ml.KMeans", n_clusters=8)``.

    Arguments and attributes: see `engine.estimator.catalogued.Catalogued`. There is no ``labels_``:
    it would be as long as the data; `predict` tells them.
    """

    _TASKS: ClassVar[tuple[Task, ...]] = ("clustering",)

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> Any:
        """Fit, and return the cluster of each row."""
        return self.fit(X, y, **kwargs).predict(X)

    def predict(self, X: Any) -> Any:
        """Return the cluster of each row, -1 for none.

        Returns:
            int64, shape (rows,); for a Dask frame or a data set a lazy Dask series.
        """
        return self._predicted(X, "cluster")

    def distance(self, X: Any) -> Any:
        """Return the distance of each row to its cluster, NaN where it has none; as `predict`."""
        return self._predicted(X, "distance")


class OutlierDetector(OutlierMixin, Unlabelled):  # type: ignore[misc]
    """Odd rows: ``OutlierDetector("sklearn.IsolationForest", n_estimators=200)``.

    Arguments and attributes: see `engine.estimator.catalogued.Catalogued`.
    """

    _TASKS: ClassVar[tuple[Task, ...]] = ("anomaly",)

    def predict(self, X: Any) -> Any:
        """Return -1 for each row that is odd, else 1.

        Returns:
            int64, shape (rows,); for a Dask frame or a data set a lazy Dask series.
        """
        return self._predicted(X, "inlier")

    def decision_function(self, X: Any) -> Any:
        """Return how ordinary each row is, below 0 for odd ones; float64, as `predict`."""
        return -self._predicted(X, "value")


class Reducer(TransformerMixin, Unlabelled):  # type: ignore[misc]
    """Fewer features: ``Reducer("dask_ml.PCA", n_components=5)``.

    Arguments and attributes: see `engine.estimator.catalogued.Catalogued`.
    """

    _TASKS: ClassVar[tuple[Task, ...]] = ("reduction",)

    def transform(self, X: Any) -> Any:
        """Return the components of each row.

        Returns:
            float64, shape (rows, components); for a Dask frame or a data set a lazy Dask DataFrame
            with columns ``component_1``, ….
        """
        return self._predicted(X, "value")

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> Any:
        """Return the names of the components."""
        check_is_fitted(self)
        width = self.model_.predict(np.zeros((1, self.n_features_in_), np.float32)).shape[1]
        return np.array(self._scorer().names("value", width), object)
