"""The features of a model as they are asked for: derived columns, then steps.

`Pipeline` is what the job file says; `Pipeline.resolve` holds it against the columns of a data set
and says how many passes fitting takes, and why. Fitting is in `engine.features.fit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from engine.errors import SpecError
from engine.expression import columns_of, result_type, sees_other_rows, sql
from engine.features.course import Course
from engine.features.numeric import is_number
from engine.features.step import Step, Types
from engine.schema import require, type_name

_STATE_CELL = 64
"""Bytes of a statistic for each cell that it saw, where every value is a new one: text, counts and
sums of a level."""


@dataclass(frozen=True)
class Pipeline:
    """Feature preparation as the job file states it.

    Attributes:
        derive: SQL expression of each derived column; later ones may use earlier ones.
        steps: Steps in order.
        columns: Columns of the data that are features, beside the derived ones; ``None``: all
            that are not dropped.
        drop: Columns that are not features.
    """

    derive: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()

    def origins(self, names: Iterable[str]) -> list[str]:
        """Return the columns of the data that these columns are made from."""
        return origins(self.derive, names)

    def types(self, schema: Types) -> dict[str, pl.DataType]:
        """Return the types of the columns of a data set and of the derived ones.

        Raises:
            SpecError: An expression does not fit.
        """
        types = dict(schema)
        for name, text in self.derive.items():
            types[name] = _derived_type(name, text, types)
        return types

    def resolve(
        self,
        schema: Types,
        excluded: Iterable[str] = (),
        forbidden: Iterable[str] = (),
        labelled: bool = True,
    ) -> Resolved:
        """Check the pipeline against the columns of a data set.

        Args:
            schema: Column types of the data.
            excluded: Columns that are no features by themselves, though steps may read them: key,
                time, split.
            forbidden: Columns that no feature may be made from: the target and what it is made of.
            labelled: Whether the training rows have labels for steps that learn from them.

        Raises:
            SpecError: An expression, step or column does not fit; a feature is not numeric.
        """
        types = self.types(schema)
        forbidden = frozenset(forbidden)
        start = self._chosen(types, {*excluded, *forbidden}, forbidden)
        course = Course(types, list(start), forbidden, labelled)
        for number, step in enumerate(self.steps):
            course.take(number, step)
        _assert_numbers(course.chosen, types)
        read = [*course.read, *(name for name in course.chosen if name not in course.written)]
        known = {*schema, *self.derive}
        inputs = origins(self.derive, (name for name in read if name in known))
        return Resolved(
            tuple(start),
            tuple(course.chosen),
            tuple(inputs),
            tuple(course.levels),
            tuple(course.whys),
            tuple(map(tuple, course.states)),
            sum(course.most.get(name, 1) for name in course.chosen),
            max((step.lookback for step in self.steps), default=0),
        )

    def _chosen(self, types: Types, excluded: set[str], forbidden: frozenset[str]) -> list[str]:
        require(self.drop, types, "features.drop")
        if self.columns is None:
            return [name for name in types if name not in excluded and name not in self.drop]
        require(self.columns, types, "features.columns")
        if leaks := [name for name in self.columns if name in forbidden]:
            raise SpecError(
                f"column {leaks[0]!r} is the target or made of what the target is made of",
                where="features.columns",
                hint="take it out of features.columns",
            )
        chosen = dict.fromkeys((*self.columns, *(n for n in self.derive if n not in forbidden)))
        return [name for name in chosen if name not in self.drop]


@dataclass(frozen=True)
class Resolved:
    """A pipeline that fits its data.

    Attributes:
        start: Columns that are features before the first step.
        features: Features after the last one. A name that ends in ``*`` stands for columns that
            only the fit can name.
        inputs: Columns of the data that are read to make them.
        levels: Pass, from 0, that each step is fitted in; -1: it is known without data.
        whys: Of each pass after the first: why it is needed.
        states: Of each pass: the most bytes that each statistic holds, and its number of columns.
        width: Number of features, at most.
        lookback: Rows before a row that some step looks at.
    """

    start: tuple[str, ...]
    features: tuple[str, ...]
    inputs: tuple[str, ...]
    levels: tuple[int, ...]
    whys: tuple[str, ...]
    states: tuple[tuple[tuple[int, int], ...], ...]
    width: int
    lookback: int

    @property
    def passes(self) -> int:
        """Passes over the data that fitting needs; one even without steps, to count rows."""
        return len(self.states)

    def state_bytes(self, rows: int) -> int:
        """Return the most bytes that the statistics of so many rows hold, in any pass."""
        return max(
            sum(min(most, rows * columns * _STATE_CELL) for most, columns in needs)
            for needs in self.states
        )

    @classmethod
    def taken(cls, features: tuple[str, ...], inputs: tuple[str, ...], lookback: int) -> Resolved:
        """Return what a pipeline needs that was fitted before: one pass, to count rows.

        Args:
            features: Its features.
            inputs: Columns of the data that they are made from.
            lookback: Rows before a row that some step looks at.
        """
        width = len(features)
        return cls(features, features, inputs, (), (), ((),), width, lookback)


def origins(derive: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return the columns of the data that these columns, some of them derived, are made from."""
    found: dict[str, None] = {}
    for name in names:
        if name in derive:
            earlier = columns_of(derive[name], f"features.derive.{name}")
            found |= dict.fromkeys(origins(derive, (c for c in earlier if c != name)))
            # A derived column may have the name of the column that it is made from.
            found |= dict.fromkeys(c for c in earlier if c == name)
        else:
            found[name] = None
    return list(found)


def derived_for(derive: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the derived columns that these names need, in their order of definition."""
    wanted = set(names)
    for name in reversed(list(derive)):
        if name in wanted:
            wanted |= set(columns_of(derive[name], f"features.derive.{name}"))
    return {name: text for name, text in derive.items() if name in wanted}


def with_derived(lazy: pl.LazyFrame, derive: Mapping[str, str]) -> pl.LazyFrame:
    """Add derived columns, each of which may use earlier ones."""
    for name, text in derive.items():
        lazy = lazy.with_columns(sql(text, f"features.derive.{name}").alias(name))
    return lazy


def _derived_type(name: str, text: str, types: Types) -> pl.DataType:
    where = f"features.derive.{name}"
    kind = result_type(text, types, where)
    if sees_other_rows(sql(text, where)):
        raise SpecError(
            "a derived column looks at the columns of one row and at no other row",
            where=f"{where} = {text!r}",
            hint='for sums and means by key use { combine = [...], with = "group" }, for earlier '
            'rows with = "lag" or "rolling"',
        )
    return kind


def _assert_numbers(chosen: Sequence[str], types: Types) -> None:
    wrong = [n for n in chosen if not is_number(types[n])]
    if wrong:
        listed = ", ".join(f"{name} ({type_name(types[name])})" for name in wrong)
        text = ", ".join(f'"{name}"' for name in wrong if types[name] == pl.String)
        encode = (
            f'add {{ encode = [{text}], with = "category" }} to features.steps, or ' if text else ""
        )
        raise SpecError(
            f"these columns are not numbers and no step makes them so: {listed}",
            where="features",
            hint=f"{encode}list them in features.drop, or derive numbers from them",
        )
