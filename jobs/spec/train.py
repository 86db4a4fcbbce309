"""The section ``[train]``: what is learned, from which rows, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cluster.spec import Bytes
from engine.boosting.exact.losses import LOSSES
from engine.boosting.learning import Learning, Schedule
from engine.boosting.params.given import checked, refusals
from engine.boosting.params.names import ALIASES
from engine.boosting.params.together import Asked, clashes
from engine.bundle import ALPHA
from engine.calibration import CONFORMAL
from engine.errors import SpecError
from engine.metrics.measure import Measure
from jobs.spec.label import LabelSpec
from jobs.spec.problems import Problem, refuse
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
from jobs.spec.split import SplitSpec

DEFAULT_ROUNDS = 100

OBJECTIVE = "train.objective"

QUANTILE = "quantile"
"""The objective of models that predict a quantile of the label, that of ``alpha``."""

LEARNING_RATE = 0.1
"""LightGBM's own when none is given."""

_ROUNDS = ("n_estimators", "num_iterations", *ALIASES["num_iterations"])
_RATE = ("learning_rate", *ALIASES["learning_rate"])

_OTHER_LOSS = ("is_unbalance", "scale_pos_weight", "sigmoid", "reg_sqrt")
"""Parameters of LightGBM that change a loss in ways that are not known to `refit`."""

Scalar = Flag | Integer | Number | str


class TrainSpec(LabelSpec):
    """What is learned, from which rows, and how."""

    estimator: Literal["lightgbm"] = Field("lightgbm", description="What learns.")
    split: SplitSpec | None = Field(
        None, description="How rows are held out. Left out: all rows train, nothing is measured."
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
        description="Parameters of LightGBM under its own names; `n_estimators` (or a synonym) is "
        f"the number of rounds, {DEFAULT_ROUNDS} when left out.",
    )
    calibrate: Literal["isotonic", "sigmoid", "conformal"] | None = Field(
        None,
        description="What the model says is calibrated on the validation rows. `probability` of a "
        "binary model: by the rising line that fits them best (`isotonic`, from some thousand rows "
        'on) or by Platt scaling (`sigmoid`). `prediction` with `objective = "quantile"`: by a '
        "constant, so that the label lies beyond it as often as `alpha` says (`conformal`). Left "
        "out: it is what the model says.",
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
    max_memory: Bytes | None = Field(
        None,
        description="Memory that training may take on a worker, such as `1 GiB`; when the binned "
        "rows need more, they are trained on in turns. Left out: the worker's memory.",
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
    seed: Integer = Field(42, ge=0, description="Seed of everything that draws at random.")
    model: Location = Field(
        description="Folder of the model's versions. A relative path starts at the folder of the "
        "job file."
    )
    sample_rows: Integer = Field(
        200_000, ge=1, description="Rows of the sample from which the bins are made."
    )

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
    def quantile(self) -> float | None:
        """Which quantile of the label is learned; None: the objective is another."""
        if self.objective != QUANTILE:
            return None
        alpha = self.params.get("alpha", ALPHA)
        return float(alpha) if isinstance(alpha, int | float | str) else None

    @property
    def measure(self) -> Measure:
        """What rounds are measured by, but for the number of classes."""
        return Measure(
            self.task,
            objective=self.loss,
            params=self.lightgbm_params,
            metric=self.metric,
        )

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

    @model_validator(mode="after")
    def _check(self) -> Self:
        checks = (
            *(self.label_problems, self._init, self._query, self._metrics, self._params),
            self._calibrate,
        )
        found = [problem for check in checks for problem in check()]
        refuse(found or self._clashes())
        return self

    def _init(self) -> Iterator[Problem]:
        if self.init is not None and self.init_score is not None:
            yield Problem(("init_score",), "does not go with `init`: a model says where to start")
        if self.refit is not None:
            yield from self._refit()

    def _calibrate(self) -> Iterator[Problem]:
        if self.calibrate is None:
            return
        if self.calibrate == CONFORMAL:
            if self.objective != QUANTILE:
                what = f'"{CONFORMAL}" is for objective = "{QUANTILE}", and this is another'
                yield Problem(("calibrate",), what)
        elif self.task != "binary":
            what = f"{self.calibrate!r} is for binary models, and this one is {self.task}"
            yield Problem(("calibrate",), what)
        if not (self.split and self.split.has_valid):
            yield Problem(("calibrate",), "needs validation rows: give train.split.valid")

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

    def _query(self) -> Iterator[Problem]:
        split = self.split
        if self.task == "ranking" and split and split.by in ("random", "stratified"):
            column = self.query or "the query column"
            what = "cuts queries apart; keep them whole with "
            yield Problem(("split", "by"), what + f'by = "group", column = "{column}"')

    def _metrics(self) -> Iterator[Problem]:
        try:
            _ = self.measure
        except SpecError as error:
            if error.where != OBJECTIVE:  # told already
                yield Problem(("metric",), f"{error.what}; {error.hint}")
        if self.early_stopping and not (self.split and self.split.has_valid):
            yield Problem(("early_stopping",), "needs validation rows: give train.split.valid")

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

    def _clashes(self) -> Iterator[Problem]:
        """Look for what does not go together, whatever the number of workers."""
        base = None if self.init is None else ""
        learning = Learning(
            self.task,
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
