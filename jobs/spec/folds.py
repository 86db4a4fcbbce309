"""Folds of cross-validation, as several sections may ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from engine.folds import MOST
from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Columns, Integer, Number, Section, Text, seconds


def _gap(value: str | float) -> str | float:
    """Return a span or a number of at least 0; raises `ValueError` on others."""
    if isinstance(value, str):
        seconds(value)
    elif value < 0:
        raise ValueError("should be 0 or more")
    return value


class FoldsSpec(Section):
    """How the training rows are held out by turns, row by row from the data alone."""

    by: Literal["random", "stratified", "group", "time"] = Field(
        "random",
        description="`random`: by the row's position; `stratified`: the same, with an equal share "
        "of every value of `column`, or of the label; `group`: by the values of `column` or "
        "`columns`, so that equal values stay together; `time`: each fold holds out a window of "
        "time and is trained on what was before it.",
    )
    count: Integer = Field(5, ge=2, le=MOST, description="Number of folds.")
    repeats: Integer = Field(
        1, ge=1, le=MOST, description="How often all rows are dealt to folds anew."
    )
    column: Text | None = Field(
        None,
        description="Column of `stratified`, `group` and `time`. Left out with `time`: the time "
        "column of the data; with `stratified`: the label.",
    )
    columns: Columns = Field((), description="Columns of `group`, where there are several.")
    gap: Annotated[str | Integer | Number, AfterValidator(_gap)] | None = Field(
        None,
        description="With `time`: rows so shortly before a window are left out, such as `7d`; of "
        "a column of numbers a number.",
    )
    window: Literal["expanding", "rolling"] = Field(
        "expanding",
        description="With `time`: all that was before the held-out window is trained on, or only "
        "the window before it.",
    )
    seed: Integer = Field(42, ge=0, description="Another seed deals the rows otherwise.")

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that decide, as far as the section names them."""
        return (self.column,) if self.column else self.columns

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse([*self._columns(), *self._time()])
        return self

    def _columns(self) -> Iterator[Problem]:
        if self.column and self.by == "random":
            yield Problem(("column",), 'does not go with by = "random"')
        if self.columns and self.by != "group":
            yield Problem(("columns",), f'does not go with by = "{self.by}": it is for "group"')
        elif self.column and self.columns:
            yield Problem(("columns",), "does not go with `column`: name all of them here")
        if self.by == "group" and not self.keys:
            yield Problem(("column",), 'is required with by = "group"')

    def _time(self) -> Iterator[Problem]:
        if self.by == "time":
            if self.repeats > 1:
                what = 'does not go with by = "time": windows are the same every time'
                yield Problem(("repeats",), what)
            return
        for name, given in (("gap", self.gap is not None), ("window", self.window != "expanding")):
            if given:
                yield Problem((name,), f'is for by = "time", and this is "{self.by}"')
