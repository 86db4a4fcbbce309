"""LightGBM's estimator: fitted on any kind of table, its state is the model text."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from engine.boosting.events import Fitted
from engine.boosting.learning import Task
from engine.estimator import training
from engine.estimator.arguments import Arguments
from engine.estimator.collected import Collected
from engine.estimator.columns import Categorical
from engine.estimator.given import Given, HeldOut
from engine.estimator.model_text import named
from engine.estimator.refusal import Unfit
from engine.models import Learned, Trees


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
    _gain: list[float]

    _KEPT: ClassVar[tuple[str, ...]] = (
        *("best_iteration_", "n_iter_", "evals_result_", "best_score_", "_gain"),
    )

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
        parameters = self._parameters()
        with self._rows(given, held_out, categorical) as (files, client):
            task, outputs = self._task(files)
            names = files.columns.names
            learning = parameters.learning(task, outputs, names, metric, stop)
            if learning.early_stopping and held_out.given is None:
                raise Unfit("early stopping needs validation rows", hint="give eval_set=[(X, y)]")
            weights = files.class_weight(self.class_weight) if self._CLASSES else ()
            fitted = training.trained(files, learning, weights, parameters, client)
        self._keep_columns(files.columns, files.levels)
        self._task_ = task
        self._keep(fitted)
        self._keep_history(fitted, held_out.name)
        return self

    def _keep(self, fitted: Fitted) -> None:
        self._gain = list(fitted.importance)
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

    def _threads(self) -> int:
        return self._parameters().threads

    def _learned(self) -> Learned:
        return Trees(self.model_)

    def _restore(self, model: Learned) -> None:
        assert isinstance(model, Trees)
        self.model_ = model.text

    @property
    def booster_(self) -> Any:
        """A ``lightgbm.Booster`` of the model, made anew at each call; its features have names.

        It takes rows as matrices: categories of text are their places in `categories_`.
        """
        check_is_fitted(self)
        import lightgbm

        return lightgbm.Booster(model_str=named(self.model_, self.feature_name_))

    @property
    def feature_importances_(self) -> npt.NDArray[Any]:
        """Splits or total gain of each feature, as ``importance_type`` says, shape (features,)."""
        check_is_fitted(self)
        if self.importance_type == "gain":
            return np.array(self._gain)
        return Trees(self.model_).splits().astype(np.int32)
