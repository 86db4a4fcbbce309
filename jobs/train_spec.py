"""The sections ``[train]`` and ``train.split``: what is learned, from which rows, and how."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from engine.boosting.params.given import refusals
from engine.boosting.params.names import ALIASES
from engine.metrics.measure import Measure
from jobs.problems import Problem, refuse
from jobs.section import Columns, Flag, Integer, Location, Number, Section, Share, Text

DEFAULT_ROUNDS = 100

_ROUNDS = ("n_estimators", "num_iterations", *ALIASES["num_iterations"])

Scalar = Flag | Integer | Number | str


class SplitSpec(Section):
    """Which rows train, which validate, which test; decided row by row from the data alone."""

    by: Literal["random", "stratified", "hash", "group", "time", "column"] = Field(
        description="`random`: by the row's position; `stratified`: the same, with an equal share "
        "of every value of `column`, or of the label; `hash`: by the values of `columns`, so that "
        "equal values stay together; `group`: the same with one `column`; `time`: the "
        "latest rows are held out; `column`: by the values of `column`."
    )
    valid: Share | tuple[str | Integer | Number, ...] | None = Field(
        None,
        description='Share of the rows for validation; with `by = "column"` also a list of the '
        "values that mark them (a share is then one of the rows that no list marks).",
    )
    test: Share | tuple[str | Integer | Number, ...] | None = Field(
        None, description="The same for the test rows."
    )
    column: Text | None = Field(
        None,
        description="Column of `stratified`, `group`, `time` and `column`. Left out with `time`: "
        "the time column of the data; with `stratified`: the label.",
    )
    columns: Columns = Field((), description="Columns of `hash`.")
    seed: Integer = Field(42, ge=0, description="Another seed draws other rows.")
    at: tuple[datetime, ...] = Field(
        (),
        max_length=2,
        description="With `time`, instead of shares: two cuts, from which on rows validate and "
        "test; or one cut, from which on they test.",
    )

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that decide; empty for `random`, and for `time` by the data's time column."""
        return (self.column,) if self.column else self.columns

    @property
    def has_valid(self) -> bool:
        """Whether there are validation rows."""
        return self.valid is not None or len(self.at) == 2

    @property
    def has_test(self) -> bool:
        """Whether there are test rows."""
        return self.test is not None or bool(self.at)

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse([*self._columns(), *self._cuts(), *self._parts()])
        return self

    def _columns(self) -> Iterator[Problem]:
        takes_one = self.by in ("stratified", "group", "time", "column")
        takes_many = self.by == "hash"
        if self.column and not takes_one:
            yield Problem(("column",), f'does not go with by = "{self.by}"')
        if self.columns and not takes_many:
            yield Problem(("columns",), f'does not go with by = "{self.by}"')
        if not self.column and self.by in ("group", "column"):
            yield Problem(("column",), f'is required with by = "{self.by}"')
        if not self.columns and takes_many:
            yield Problem(("columns",), f'is required with by = "{self.by}"')

    def _cuts(self) -> Iterator[Problem]:
        if not self.at:
            return
        if self.by != "time":
            yield Problem(("at",), f'does not go with by = "{self.by}"')
        for name in ("valid", "test"):
            if getattr(self, name) is not None:
                yield Problem((name,), "does not go with `at`: the cuts say it already")
        if len({cut.tzinfo is None for cut in self.at}) == 2:
            yield Problem(("at",), "one cut has a time zone and one has none")
        elif list(self.at) != sorted(set(self.at)):
            yield Problem(("at",), "the second cut must be later than the first")

    def _parts(self) -> Iterator[Problem]:
        lists = {n: v for n in ("valid", "test") if isinstance(v := getattr(self, n), tuple)}
        if self.by != "column":
            yield from (
                Problem((name,), f'should be a share such as 0.1 with by = "{self.by}"')
                for name in lists
            )
        elif not lists:
            what = 'one of valid and test should be a list of values with by = "column"'
            yield Problem((), what)
        both = {str(v) for v in lists.get("valid", ())} & {str(v) for v in lists.get("test", ())}
        if both:
            yield Problem(("test",), f"also in valid: {', '.join(sorted(both))}")
        if not self.has_valid and not self.has_test:
            yield Problem((), "holds no rows out: give `valid`, `test` or both")
        held_out = sum(v for v in (self.valid, self.test) if isinstance(v, float))
        if held_out >= 1:
            what = f"valid + test = {held_out:g} leaves no rows to train on"
            yield Problem(("test",), what)


class TrainSpec(Section):
    """What is learned, from which rows, and how."""

    data: Text = Field(description="Name of the data: the `x` of `[data.x]`.")
    target: Text = Field(description="Column to predict, or a Polars SQL expression for it.")
    task: Literal["binary", "regression"] = Field(
        description="`binary`: the target is 0 or 1 (false or true); `regression`: a number."
    )
    estimator: Literal["lightgbm"] = Field("lightgbm", description="What learns.")
    split: SplitSpec | None = Field(
        None, description="How rows are held out. Left out: all rows train, nothing is measured."
    )
    early_stopping: Integer | None = Field(
        None, ge=1, description="Stop after so many rounds without a better validation metric."
    )
    metric: Literal["log_loss", "auc", "rmse", "mae"] | None = Field(
        None,
        description="Metric of early stopping: `log_loss` or `auc` for `binary`, `rmse` or `mae` "
        "for `regression`. Left out: the first of each.",
    )
    params: dict[str, Scalar | tuple[Scalar, ...]] = Field(
        {},
        description="Parameters of LightGBM under its own names; `n_estimators` (or a synonym) is "
        f"the number of rounds, {DEFAULT_ROUNDS} when left out.",
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

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse([*self._metrics(), *self._params()])
        return self

    def _metrics(self) -> Iterator[Problem]:
        allowed = Measure(self.task).followed
        if self.metric is not None and self.metric not in allowed:
            what = f'{self.metric!r} does not go with task = "{self.task}"; known: '
            yield Problem(("metric",), what + ", ".join(allowed))
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
