"""Any estimator of the catalogue as a scikit-learn estimator: what learns is named by a job's name.

The rows go to files as for LightGBM, and its learner (`engine.learners`) reads them from there.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar, Self

from engine.estimator import learning
from engine.estimator.collected import Collected
from engine.estimator.columns import Categorical
from engine.estimator.given import Given, HeldOut
from engine.estimator.open_params import seed
from engine.estimator.refusal import Unfit
from engine.estimator.tabular import Tabular
from engine.learners import CATALOGUE, Assignment, Estimator, Learnt, Task
from engine.models import Learned
from engine.models.sklearn import Sklearn


class Catalogued(Tabular):
    """An estimator of the catalogue; its classes are made by `engine.estimator.kinds`.

    Args:
        learner: Its name in a job file: ``sklearn.SGDClassifier``, ``dask_ml.KMeans``, …
            (docs/models.md).
        sample_rows: Rows at most of the sample that estimators learn from which cannot learn from
            rows that do not fit in memory.
        random_state: Seed, or a NumPy generator that one is drawn from.
        client: Dask client to train on; None = the current one for a Dask frame or a data set, and
            a worker in this process for rows in memory. Not copied, not pickled.
        scratch: Folder that workers and client see, where rows are kept during the fit; None = the
            temporary directory.
        **params: The estimator's own parameters.

    Attributes:
        model_: The fitted model, an `engine.models.Learned`.
        notes_: What is to know of it: on which sample it was trained, that it has not converged.
        history_: What was measured in each pass or epoch.
        facts_: More facts of the training.
        n_features_in_: Number of features.
        feature_names_in_: Names of the features, when it was fitted on a frame.
    """

    learner: str
    sample_rows: int
    random_state: Any
    class_weight: Mapping[Any, float] | str | None = None
    model_: Learned
    notes_: list[str]
    history_: list[dict[str, float]]
    facts_: dict[str, Any]

    _TASKS: ClassVar[tuple[Task, ...]]
    _LABELLED: ClassVar[bool] = True
    _KEPT: ClassVar[tuple[str, ...]] = ("notes_", "history_", "facts_")

    def __init__(
        self,
        learner: str,
        *,
        sample_rows: int = Assignment.sample_rows,
        random_state: Any = None,
        client: Any = None,
        scratch: str | None = None,
        **params: Any,
    ) -> None:
        """Keep the arguments; nothing is checked before there are data."""
        self.learner = learner
        self.sample_rows = sample_rows
        self.random_state = random_state
        self.client = client
        self.scratch = scratch
        self._extra = params

    def _fit(self, given: Given, held_out: HeldOut, categorical: Categorical) -> Self:
        weighted = given.weight is not None or self.class_weight is not None
        asked = self._asked(weighted)
        learning.check(asked)
        with self._rows(given, held_out, categorical) as (files, client):
            asked = self._counted(asked, files)
            weights = files.class_weight(self.class_weight) if self._CLASSES else ()
            learnt = learning.learnt(files, asked, weights, client)
        self._keep_columns(files.columns, files.levels)
        self._task_ = asked.task
        self._keep(learnt)
        return self

    def _asked(self, weighted: bool) -> Assignment:
        """Return what is to be learned as far as it is known before rows are read."""
        found = self._found()
        return Assignment(
            found,
            next(task for task in self._TASKS if task in found.tasks),
            dict(self._extra),
            seed=seed(self.random_state),
            sample_rows=self.sample_rows,
            weighted=weighted,
        )

    def _found(self) -> Estimator:
        """Return the estimator.

        Raises:
            SpecError: There is none of this name.
            Unfit: It is for another class.
        """
        self._assert_known()
        found, owner = CATALOGUE[self.learner], type(self).__name__
        if found.way == "boosting":
            raise Unfit(f"{owner} does not train LightGBM", hint="take LGBMClassifier and such")
        if found.way == "members":
            raise Unfit(f"{owner} does not train ensembles", hint="take a job, docs/models.md")
        if not set(found.tasks) & set(self._TASKS):
            what = f"{found.name} is for {', '.join(found.tasks)}, and a {owner} is not"
            raise Unfit(what, where="learner", hint="docs/models.md says which class takes it")
        return found

    def _assert_known(self) -> None:
        if self.learner not in CATALOGUE:
            near = get_close_matches(str(self.learner), CATALOGUE, 1)
            hint = f"did you mean {near[0]!r}?" if near else "docs/models.md lists all"
            raise Unfit(f"there is no estimator {self.learner!r}", where="learner", hint=hint)

    def _counted(self, asked: Assignment, files: Collected) -> Assignment:
        """Return what is to be learned, with what the rows say of it."""
        return asked

    def _keep(self, learnt: Learnt) -> None:
        self.model_ = learnt.model
        self.notes_ = list(learnt.notes)
        self.history_ = [dict(one) for one in learnt.history]
        self.facts_ = dict(learnt.told)
        for note in learnt.notes:
            warnings.warn(note, UserWarning, stacklevel=4)

    def _learned(self) -> Learned:
        return self.model_

    def _restore(self, model: Learned) -> None:
        self.model_ = model

    @property
    def estimator_(self) -> Any:
        """The fitted estimator of scikit-learn: its ``coef_``, ``feature_importances_``, ….

        Raises:
            AttributeError: It was not scikit-learn's: `model_` holds numbers then.
        """
        if not isinstance(self.model_, Sklearn):
            raise AttributeError(f"{self.learner} leaves no estimator of scikit-learn: see model_")
        return self.model_.estimator

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks; labels are wanted where something is told by them."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self._LABELLED
        return tags
