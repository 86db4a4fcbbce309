"""The estimator: fitted on any kind of table, its state is the model text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, validate_data

from engine.boosting.events import Fitted
from engine.boosting.learning import Task
from engine.data.dataset import Dataset
from engine.estimator import training
from engine.estimator.arguments import Arguments
from engine.estimator.collected import Collected
from engine.estimator.columns import Categorical, Columns
from engine.estimator.given import Given, HeldOut, library
from engine.estimator.model_text import named
from engine.estimator.prediction import Scorer, What
from engine.estimator.refusal import Unfit
from engine.models import Trees


class Model(Arguments):
    """A LightGBM model as a scikit-learn estimator.

    Attributes:
        model_: LightGBM's model text, with features ``f0``, ``f1``, ….
        best_iteration_: Rounds in the model: the best with early stopping, else all.
        n_iter_: Rounds that were boosted.
        evals_result_: Metrics of each round by name of the validation set, then of the metric.
        best_score_: Those of ``best_iteration_``.
        n_features_in_: Number of features.
        feature_names_in_: Names of the features, when it was fitted on a frame.
    """

    model_: str
    best_iteration_: int
    n_iter_: int
    evals_result_: dict[str, dict[str, list[float]]]
    best_score_: dict[str, dict[str, float]]
    n_features_in_: int
    feature_names_in_: npt.NDArray[np.object_]
    _columns: Columns
    _levels: dict[int, tuple[str, ...]]
    _gain: list[float]

    _CLASSES: ClassVar[bool] = False

    def _task(self, files: Collected) -> tuple[Task, int]:
        """Return the task and the classes of a multiclass one."""
        return "regression", 0

    def _fit(
        self,
        given: Given,
        held_out: HeldOut,
        metric: Any,
        categorical: Categorical,
        stop: int | None,
    ) -> Self:
        """Train on a table, followed by the metrics of another."""
        parameters, owner = self._parameters(), type(self).__name__
        given = self._checked(given, True)
        client = training.client_for(given, self.client)
        train = training.opened(given, categorical, None, owner)
        valid = None
        if held_out.given is not None:
            other = self._checked(held_out.given, False)
            valid = training.opened(other, categorical, train.columns, owner)
        with training.folder(self.scratch) as home:
            files = training.spooled(home, train, valid, self._CLASSES, client)
            task, outputs = self._task(files)
            names = files.columns.names
            learning = parameters.learning(task, outputs, names, metric, stop)
            if learning.early_stopping and valid is None:
                raise Unfit("early stopping needs validation rows", hint="give eval_set=[(X, y)]")
            weights = files.class_weight(self.class_weight) if self._CLASSES else ()
            fitted = training.trained(files, learning, weights, parameters, client)
        self._keep(files, fitted)
        self._keep_history(fitted, held_out.name)
        return self

    def _checked(self, given: Given, reset: bool) -> Given:
        """Open a path; let scikit-learn check an array."""
        x = _table(given.x)
        if library(x) == "array":
            x = validate_data(
                self, x, reset=reset, ensure_all_finite=False, ensure_min_samples=2 if reset else 1
            )
        return replace(given, x=x)

    def _keep(self, files: Collected, fitted: Fitted) -> None:
        self._columns, self._levels, self._gain = files.columns, files.levels, fitted.importance
        self.n_features_in_ = len(files.columns.names)
        if files.columns.named:
            self.feature_names_in_ = np.array(files.columns.names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.model_, self.n_iter_ = fitted.model, fitted.rounds
        self.best_iteration_ = fitted.best_round

    def _keep_history(self, fitted: Fitted, name: str) -> None:
        found: dict[str, list[float]] = {}
        for one in fitted.history:
            for metric, value in one.items():
                found.setdefault(metric.removeprefix("valid_"), []).append(value)
        best = {metric: values[fitted.best_round - 1] for metric, values in found.items()}
        self.evals_result_ = {name: found} if found else {}
        self.best_score_ = {name: best} if found else {}

    def _predicted(self, x: Any, what: What) -> Any:
        check_is_fitted(self)
        x, scorer, owner = _table(x), self._scorer(), type(self).__name__
        if library(x) == "array":
            scorer.assert_array(owner)
            x = validate_data(self, x, reset=False, ensure_all_finite=False)
        return scorer.of_table(x, what, self._parameters().threads, owner)

    def _scorer(self) -> Scorer:
        return Scorer(self.model_, self._columns, self._levels, getattr(self, "classes_", None))

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether it was fitted."""
        return hasattr(self, "model_")

    @property
    def booster_(self) -> Any:
        """A ``lightgbm.Booster`` of the model, made anew at each call; its features have names.

        It takes rows as matrices: categories of text are their places in `categories_`.
        """
        check_is_fitted(self)
        import lightgbm

        return lightgbm.Booster(model_str=named(self.model_, self.feature_name_))

    @property
    def categories_(self) -> dict[str, tuple[str, ...]]:
        """Categories by feature, in the order of their codes, for those that are no numbers."""
        check_is_fitted(self)
        return {self._columns.names[i]: tuple(texts) for i, texts in self._levels.items()}

    @property
    def feature_name_(self) -> list[str]:
        """Names of the features; those of an array are ``Column_0``, ``Column_1``, …."""
        check_is_fitted(self)
        return list(self._columns.names)

    @property
    def feature_importances_(self) -> npt.NDArray[Any]:
        """Splits or total gain of each feature, as ``importance_type`` says, shape (features,)."""
        check_is_fitted(self)
        if self.importance_type == "gain":
            return np.array(self._gain)
        return Trees(self.model_).splits().astype(np.int32)


def _table(x: Any) -> Any:
    """Open a path or a glob as a data set; return any other table as it is."""
    return Dataset.open(str(x), name="X") if isinstance(x, (str, Path)) else x
