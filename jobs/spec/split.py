"""The section ``train.split``, which ``[prepare]`` and ``[profile]`` may have too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from engine.split import FINEST, counted
from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Columns, Integer, Number, Section, Share, Text


class SplitSpec(Section):
    """Which rows train, which validate, which test; decided row by row from the data alone."""

    by: Literal["random", "systematic", "stratified", "hash", "group", "time", "column"] = Field(
        description="`random`: drawn by the row's position; `systematic`: every so many rows from "
        "the first one on, `test = 0.2` rows 0, 5, 10 and so on, whatever is left out by `where` "
        "or the contract; `stratified`: as `random`, with an equal share of every value of "
        "`column`, or of the label; `hash`: by the values of `columns`, so that equal values stay "
        "together; `group`: the same with one `column`; `time`: the latest rows are held out; "
        "`column`: by the values of `column`."
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
    seed: Integer = Field(
        42,
        ge=0,
        description="Another seed draws other rows; nothing is drawn by `systematic` and `time`.",
    )
    at: tuple[datetime, ...] = Field(
        (),
        max_length=2,
        description="With `time`, instead of shares: two cuts, from which on rows validate and "
        "test; or one cut, from which on they test.",
    )

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that decide; empty for positions, and for `time` by the data's time column."""
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
        if self.by == "systematic":
            yield from self._uncounted()
        held_out = sum(v for v in (self.valid, self.test) if isinstance(v, float))
        if held_out >= 1:
            what = f"valid + test = {held_out:g} leaves no rows to train on"
            yield Problem(("test",), what)

    def _uncounted(self) -> Iterator[Problem]:
        for name in ("valid", "test"):
            share = getattr(self, name)
            if isinstance(share, float) and counted(share) is None:
                what = f"{share!r} is not a whole number of every {FINEST} rows or fewer"
                yield Problem((name,), f'{what}; with by = "systematic" say 0.2 or 0.125')
