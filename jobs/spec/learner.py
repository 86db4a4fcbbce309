"""The part of ``[train]`` that says what learns: the estimator, and how LightGBM boosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field

from engine.boosting.exact.losses import LOSSES
from engine.boosting.learning import Learning, Schedule
from engine.boosting.learning import Task as Boosted
from engine.boosting.params.given import checked, refusals
from engine.boosting.params.names import ALIASES
from engine.boosting.params.together import Asked, clashes
from engine.errors import SpecError
from engine.learners import CATALOGUE, LIGHTGBM, Estimator
from jobs.spec.label import LabelSpec
from jobs.spec.problems import Problem, nearest
from jobs.spec.schedule import ScheduleSpec
from jobs.spec.section import (
    Flag,
    Integer,
    Location,
    Number,
    SomeColumns,
    Span,
    Text,
    has_version,
    seconds,
)

DEFAULT_ROUNDS = 100

LEARNING_RATE = 0.1
"""LightGBM's own when none is given."""

_ROUNDS = ("n_estimators", "num_iterations", *ALIASES["num_iterations"])
_RATE = ("learning_rate", *ALIASES["learning_rate"])

_BOOSTING = frozenset(
    {
        *("objective", "early_stopping", "schedule", "monotone", "interactions", "reproducible"),
        *("init", "refit", "max_time", "keep_bins", "restarts", "init_score", "query"),
    }
)
"""Keys that say something of boosting alone."""

_OTHER_LOSS = ("is_unbalance", "scale_pos_weight", "sigmoid", "reg_sqrt")
"""Parameters of LightGBM that change a loss in ways that are not known to `refit`."""

Scalar = Flag | Integer | Number | str


class LearnerSpec(LabelSpec):
    """What learns: an estimator, and how LightGBM boosts if it is that."""

    estimator: Text = Field(
        LIGHTGBM,
        description="What learns: `lightgbm`, or one of docs/models.md, such as "
        "`dask_ml.LogisticRegression` or `sklearn.SGDClassifier`.",
    )
    early_stopping: Integer | None = Field(
        None, ge=1, description="Stop after so many rounds without a better validation metric."
    )
    metric: Text | None = Field(
        None,
        description="Metric of early stopping, such as `log_loss` or `auc` for `binary`, `rmse` "
        "or `mae` for `regression`, `ndcg@5` for `ranking`. Left out: the task's first.",
    )
    params: dict[str, Scalar | tuple[Scalar, ...]] = Field(
        {},
        description="Parameters of the estimator under its own names; LightGBM's `n_estimators` "
        f"(or a synonym) is the number of rounds, {DEFAULT_ROUNDS} when left out.",
    )
    schedule: ScheduleSpec | None = Field(
        None, description="A learning rate that falls. Left out: it stays as it is."
    )
    monotone: dict[str, Literal[1, -1]] = Field(
        {},
        description="Features that the prediction may only rise (1) or fall (-1) with; a name may "
        "end with `*`.",
    )
    interactions: tuple[SomeColumns, ...] = Field(
        (),
        description="Groups of features that may stand together in a branch of a tree; a name may "
        "end with `*`. Those of no group stand with each other. Left out: all with all.",
    )
    reproducible: Flag = Field(
        False,
        description="The same model to the bit on any number of workers, which takes longer "
        "(docs/benchmarks.md).",
    )
    init: Annotated[Location, AfterValidator(has_version)] | None = Field(
        None,
        description="Model that training goes on from, on new data: `models/x@latest` or "
        "`models/x@3`. Its features are taken as they were fitted, its trees stay, "
        "`n_estimators` are added.",
    )
    refit: Annotated[Number, Field(ge=0, lt=1)] | None = Field(
        None,
        description="With `init`: no trees are added, the leaves of the old ones are fitted again "
        "to the new rows, and this share of their values stays; LightGBM takes 0.9.",
    )
    max_time: Span | None = Field(
        None, description="Boosting ends after the round in which it took so long: `90s`, `2h`."
    )
    keep_bins: Flag = Field(
        False,
        description="Leave the binned rows on the workers' disks: the next training on the same "
        "rows and features starts at once.",
    )
    restarts: Integer = Field(
        3,
        ge=0,
        description="How often training goes on from its last checkpoint after a worker was lost.",
    )

    @property
    def boosts(self) -> bool:
        """Whether LightGBM learns."""
        return self.estimator == LIGHTGBM

    @property
    def learner(self) -> Estimator:
        """The estimator as the catalogue knows it."""
        return CATALOGUE[self.estimator]

    @property
    def rounds(self) -> int:
        """Number of boosting rounds."""
        given = [self.params[name] for name in _ROUNDS if name in self.params]
        return given[0] if given and isinstance(given[0], int) else DEFAULT_ROUNDS

    @property
    def lightgbm_params(self) -> dict[str, Any]:
        """The parameters without the number of rounds."""
        return {name: value for name, value in self.params.items() if name not in _ROUNDS}

    @property
    def rates(self) -> Schedule | None:
        """Learning rate of each round; None when it does not change."""
        given = [self.params[name] for name in _RATE if name in self.params]
        start = given[0] if given else LEARNING_RATE
        if self.schedule is None or isinstance(start, str | tuple):
            return None
        return self.schedule.rates(start, self.rounds)

    @property
    def max_seconds(self) -> float | None:
        """Seconds that boosting may take."""
        return None if self.max_time is None else seconds(self.max_time)

    def estimator_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the choice of the estimator."""
        if self.estimator not in CATALOGUE:
            what = f"there is no {self.estimator!r}{nearest(self.estimator, CATALOGUE)}"
            yield Problem(("estimator",), what)
            return
        tasks = self.learner.tasks
        if self.task not in tasks:
            what = f"{self.estimator} is for {', '.join(tasks)}, and the task is {self.task}"
            yield Problem(("estimator",), what)
        elif not self.boosts:
            fields = type(self).model_fields
            # Not `model_fields_set`: a run that is read again has all of them.
            for name in sorted(_BOOSTING & fields.keys()):
                if getattr(self, name) != fields[name].get_default(call_default_factory=True):
                    yield Problem((name,), f'goes with estimator = "{LIGHTGBM}"')
            for name in ("weight", "class_weight"):
                if self.learner.way == "passes" and getattr(self, name) is not None:
                    yield Problem((name,), "estimators of dask-ml know no weights of rows")

    def boosting_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with keys that say something of boosting."""
        yield from self._init()
        yield from self._params()

    def _init(self) -> Iterator[Problem]:
        if self.init is not None and self.init_score is not None:
            yield Problem(("init_score",), "does not go with `init`: a model says where to start")
        if self.refit is not None:
            yield from self._refit()

    def _refit(self) -> Iterator[Problem]:
        if self.init is None:
            yield Problem(("refit",), "needs `init`: the model whose leaves are fitted again")
        if self.loss not in LOSSES:
            known = ", ".join(LOSSES)
            yield Problem(("refit",), f"does not go with objective {self.loss!r}; known: {known}")
        for name in ("early_stopping", "schedule", "max_time"):
            if getattr(self, name) is not None:
                yield Problem((name,), "does not go with `refit`, which adds no rounds")
        for name in _OTHER_LOSS:
            if name in self.params:
                yield Problem(("params", name), "does not go with `refit`")

    def _params(self) -> Iterator[Problem]:
        rounds = [name for name in self.params if name in _ROUNDS]
        for name in rounds:
            value = self.params[name]
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                yield Problem(("params", name), f"should be a whole number from 1, got {value!r}")
        for name in rounds[1:]:
            yield Problem(("params", name), f"means the same as {rounds[0]}: keep one of them")
        own = {name: value for name, value in self.params.items() if name not in rounds}
        for name, what in refusals(own):
            yield Problem(("params", name), what)
        yield from self._rates()

    def boosting_clashes(self) -> Iterator[Problem]:
        """Yield what does not go together in boosting, whatever the number of workers."""
        base = None if self.init is None else ""
        learning = Learning(
            cast(Boosted, self.task),
            objective=self.objective,
            schedule=self.rates,
            monotone=tuple(self.monotone.values()),
            base=base,
        )
        vectors = frozenset({"init"} if self.init_score else {})
        weighs = self.class_weight is not None
        asked = Asked(checked(self.lightgbm_params), learning, 1, vectors, weighs)
        for where, what, hint in clashes(asked):
            yield Problem(tuple(where.split(".")[1:]), f"{what}; {hint}")

    def _rates(self) -> Iterator[Problem]:
        try:
            _ = self.rates
        except SpecError as error:
            yield Problem(("schedule",), f"{error.what}; {error.hint}")
