"""What all estimators share: they are fitted on any kind of table, and predict any kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, validate_data

from engine.data.dataset import Dataset
from engine.estimator import training
from engine.estimator.collected import Collected
from engine.estimator.columns import Categorical, Columns
from engine.estimator.given import Given, HeldOut, library
from engine.estimator.kept import Kept, opened, written
from engine.estimator.open_params import OpenParams
from engine.estimator.prediction import Scorer, What
from engine.learners.estimator import Task
from engine.models import Learned


class Tabular(OpenParams):
    """An estimator that is fitted on a table of any kind.

    Attributes:
        n_features_in_: Number of features.
        feature_names_in_: Names of the features, when it was fitted on a frame.
    """

    n_features_in_: int
    feature_names_in_: npt.NDArray[np.object_]
    _columns: Columns
    _levels: dict[int, tuple[str, ...]]
    _task_: Task

    _CLASSES: ClassVar[bool] = False
    """Whether labels are classes."""

    _KEPT: ClassVar[tuple[str, ...]] = ()
    """Fitted attributes that are kept with the model: plain numbers, text, and lists of them."""

    def _learned(self) -> Learned:
        """Return the fitted model."""
        raise NotImplementedError

    def _restore(self, model: Learned) -> None:
        """Take over a fitted model."""
        raise NotImplementedError

    @contextmanager
    def _rows(
        self, given: Given, held_out: HeldOut, categorical: Categorical
    ) -> Iterator[tuple[Collected, Any]]:
        """Yield the files of the rows, which are gone afterwards, and the client to train on."""
        owner = type(self).__name__
        given = self._checked(given, True)
        client = training.client_for(given, self.client)
        train = training.opened(given, categorical, None, owner)
        valid = None
        if held_out.given is not None:
            other = self._checked(held_out.given, False)
            valid = training.opened(other, categorical, train.columns, owner)
        with training.folder(self.scratch) as home:
            yield training.spooled(home, train, valid, self._CLASSES, client), client

    def _checked(self, given: Given, reset: bool) -> Given:
        """Open a path; let scikit-learn check an array."""
        x = _table(given.x)
        if library(x) == "array":
            x = validate_data(
                self, x, reset=reset, ensure_all_finite=False, ensure_min_samples=2 if reset else 1
            )
        return replace(given, x=x)

    def _keep_columns(self, columns: Columns, levels: dict[int, tuple[str, ...]]) -> None:
        self._columns, self._levels = columns, levels
        self.n_features_in_ = len(columns.names)
        if columns.named:
            self.feature_names_in_ = np.array(columns.names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _predicted(self, x: Any, what: What) -> Any:
        check_is_fitted(self)
        x, scorer, owner = _table(x), self._scorer(), type(self).__name__
        if library(x) == "array":
            scorer.assert_array(owner)
            x = validate_data(self, x, reset=False, ensure_all_finite=False)
        return scorer.of_table(x, what, self._threads(), owner)

    def _threads(self) -> int:
        """Threads that predict rows in memory."""
        return 1

    def _scorer(self) -> Scorer:
        return Scorer(self._learned(), self._columns, self._levels, getattr(self, "classes_", None))

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether it was fitted."""
        return hasattr(self, "model_")

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

    def save(self, path: str | Path) -> Path:
        """Write the model as the next version under a path, as jobs do.

        It is a bundle: text, JSON, Arrow and skops, no pickle. ``[score]`` of a job takes it too.

        Args:
            path: Folder of the versions; made when absent.

        Returns:
            The version's folder, ``path/v<n>``.

        Raises:
            Unfit: An argument cannot be written as JSON.
        """
        check_is_fitted(self)
        attributes = {name: getattr(self, name) for name in self._KEPT if hasattr(self, name)}
        kept = Kept(
            type(self).__name__,
            self.get_params(deep=False),
            attributes,
            self._columns,
            self._levels,
            self._task_,
            getattr(self, "classes_", None),
        )
        return written(kept, self._learned(), Path(path))

    @classmethod
    def load(cls, reference: str | Path) -> Self:
        """Return an estimator that was saved, fitted.

        Args:
            reference: ``models/x`` (the latest version), ``models/x@3``, or ``models/x@latest``.

        Raises:
            ModelError: There is no such model, it is damaged, or it is of another class.
        """
        kept, model = opened(str(reference), cls.__name__)
        made = cls(**kept.arguments)
        for name, value in kept.attributes.items():
            setattr(made, name, value)
        made._keep_columns(kept.columns, {i: tuple(texts) for i, texts in kept.levels.items()})
        made._task_ = kept.task
        if kept.classes is not None:
            made._keep_classes(kept.classes)
        made._restore(model)
        return made

    def _keep_classes(self, classes: npt.NDArray[Any]) -> None:
        """Take over the classes, sorted."""
        self.classes_ = classes
        self.n_classes_ = len(classes)


def _table(x: Any) -> Any:
    """Open a path or a glob as a data set; return any other table as it is."""
    return Dataset.open(str(x), name="X") if isinstance(x, (str, Path)) else x
