"""The section ``[tune]``: which parameters are tried before the model is trained, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from engine.tuning.space import Choice, Range, Space, grid_size
from jobs.spec.folds import FoldsSpec
from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Flag, Integer, Number, Section, Span, Text, seconds

HALVING = ("halving", "hyperband")

FACTOR = 3
"""Of so many trials one goes on, unless the job says otherwise: as in Li et al. (2018)."""


class RangeSpec(Section):
    """Numbers that a parameter may have: whole ones when both bounds are."""

    low: Integer | Number = Field(description="The smallest.")
    high: Integer | Number = Field(description="The largest.")
    log: Flag = Field(False, description="Drawn evenly in the logarithm.")
    step: Integer | Number | None = Field(
        None, gt=0, description="Distance of the numbers that may be, from `low` on."
    )
    points: Integer | None = Field(
        None, ge=2, description="How many numbers a `grid` takes, `low` and `high` among them."
    )

    @property
    def range(self) -> Range:
        """The same for the search."""
        return Range(self.low, self.high, self.log, self.step, self.points)

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse(self._bounds())
        return self

    def _bounds(self) -> Iterator[Problem]:
        if self.low >= self.high:
            yield Problem(("high",), f"should be more than low = {self.low:g}, got {self.high:g}")
        elif self.step is not None and self.step > self.high - self.low:
            yield Problem(("step",), f"is wider than the range, {self.high - self.low:g}")
        if self.log and self.low <= 0:
            yield Problem(("low",), f"should be more than 0 with log = true, got {self.low:g}")
        for name in ("log", "points"):
            if self.step is not None and getattr(self, name):
                yield Problem(("step",), f"does not go with `{name}`")


Scalar = Flag | Integer | Number | str


def _range_or_list(value: object) -> object:
    """Return a table or a list that is not empty; raises `ValueError` on others."""
    if isinstance(value, RangeSpec | dict) or (isinstance(value, list | tuple) and value):
        return value
    raise ValueError("should be a range such as { low = 1, high = 9 }, or a list of values")


Tried = Annotated[RangeSpec | tuple[Scalar, ...], BeforeValidator(_range_or_list)]
"""What is tried of a parameter."""


class TuneSpec(Section):
    """Try parameters before the model is trained, and train it with the best of them."""

    method: Literal["tpe", "random", "grid", "halving", "hyperband"] = Field(
        "tpe",
        description="`tpe`: what earlier trials suggest (Optuna, `pip install "
        "'millrace[tune]'`); `random`: drawn; `grid`: every point; `halving`: drawn, and of those "
        "that reach a rung (`least_rounds`, `factor` times that, and so on) only the best go on; "
        "`hyperband`: the same with several first rungs side by side. These two are for "
        "`lightgbm`.",
    )
    space: dict[Text, Tried] = Field(
        min_length=1,
        description="What is tried, by parameter of the estimator: "
        "`num_leaves = { low = 15, high = 255, log = true }`, or a list of values.",
    )
    trials: Integer = Field(30, ge=1, le=100_000, description="Trials at most.")
    folds: FoldsSpec | None = Field(
        None,
        description="Folds of the training rows; a trial is worth the mean over them. Left out: "
        "the validation rows of `train.split` are measured.",
    )
    metric: Text | None = Field(
        None, description="Metric that decides. Left out: that of `[train]`."
    )
    early_stopping: Integer | None = Field(
        None,
        ge=1,
        description="Of `lightgbm`: a trial stops after so many rounds without a better mean. Left "
        "out: as `train.early_stopping`.",
    )
    prune: Flag = Field(
        True,
        description="Of `tpe`, `random` and `grid`: a trial stops when, after a quarter of all "
        "rounds or more, it is worse than the median of at least five that are done; one that "
        "takes the whole cluster for fold after fold, after a quarter of the folds.",
    )
    least_rounds: Integer | None = Field(
        None,
        ge=1,
        description="Of `halving` and `hyperband`: boosting rounds that each trial has. Left out: "
        "all rounds divided three times by `factor`.",
    )
    factor: Integer | None = Field(
        None,
        ge=2,
        description="Of `halving` and `hyperband`: of so many trials one goes on. Left out: 3.",
    )
    max_time: Span | None = Field(
        None,
        description="No trial begins later than so, and those under way stop: `30m`, `2h`. At "
        "least one has its end.",
    )
    parallel: Integer | None = Field(
        None,
        ge=1,
        description="Trials at once at most; with 1, `tpe` finds the same every time. Left out: "
        "as many as memory and cores allow. Trials that take the whole cluster come one by one.",
    )
    seed: Integer = Field(42, ge=0, description="Seed of the draws.")

    @property
    def parameters(self) -> Space:
        """What is tried of each parameter, for the search."""
        return {
            name: one.range if isinstance(one, RangeSpec) else Choice(one)
            for name, one in self.space.items()
        }

    @property
    def ends(self) -> dict[str, tuple[Any, ...]]:
        """The ends of each range, and all values of each choice, by parameter."""
        return {
            name: (one.low, one.high) if isinstance(one, RangeSpec) else one
            for name, one in self.space.items()
        }

    @property
    def spreads(self) -> bool:
        """Whether a trial may take the whole cluster, fold after fold.

        Halving compares trials after rounds, on the mean over all folds: these must go on together.
        """
        return self.method not in HALVING or self.folds is None

    @property
    def one_in(self) -> int:
        """Of so many trials that halving compares one goes on."""
        return self.factor or FACTOR

    @property
    def max_seconds(self) -> float | None:
        """Seconds that the search may take."""
        return None if self.max_time is None else seconds(self.max_time)

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse([*self._choices(), *self._method(), *self._grid()])
        return self

    def _choices(self) -> Iterator[Problem]:
        for name, one in self.space.items():
            if isinstance(one, RangeSpec):
                continue
            seen = [(type(value), value) for value in one]
            for value in dict.fromkeys(v for k, v in seen if seen.count((k, v)) > 1):
                yield Problem(("space", name), f"{value!r} stands there twice")

    def _method(self) -> Iterator[Problem]:
        for name in ("least_rounds", "factor"):
            if self.method not in HALVING and getattr(self, name) is not None:
                yield Problem((name,), f'does not go with method = "{self.method}"')
        if self.method != "grid":
            for name, one in self.space.items():
                if isinstance(one, RangeSpec) and one.points is not None:
                    yield Problem(("space", name, "points"), 'is for method = "grid"')

    def _grid(self) -> Iterator[Problem]:
        if self.method != "grid":
            return
        for name, one in self.parameters.items():
            if not one.size:
                yield Problem(("space", name), "a grid needs its `step`, or how many `points`")
        size = grid_size(self.parameters)
        if size > self.trials:
            what = f"the grid has {size:,} points and trials = {self.trials:,}: raise trials, "
            yield Problem(("space",), what + 'or take method = "random"')
