"""The features of a model: derived columns, then steps, then one float32 frame.

`Pipeline` is what the job file asks for; fitting it level by level gives a `FittedPipeline`, which
is plain data, travels in the model bundle and prepares rows in training and in scoring alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from engine.errors import ModelError, SpecError
from engine.expression import columns_of, result_type, sql
from engine.features.encode import FittedEncode
from engine.features.impute import FittedImpute
from engine.features.scale import FittedScale
from engine.features.step import Fitted, Step
from engine.schema import require, type_name
from engine.statistics.summary import Request, Summary

WHERE = "features.steps"


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
        found: dict[str, None] = {}
        for name in names:
            if name in self.derive:
                earlier = columns_of(self.derive[name], f"features.derive.{name}")
                found |= dict.fromkeys(self.origins(c for c in earlier if c != name))
            else:
                found[name] = None
        return list(found)

    def resolve(self, schema: Mapping[str, pl.DataType], excluded: Iterable[str]) -> Resolved:
        """Check the pipeline against the columns of a data set.

        Args:
            schema: Column types of the data.
            excluded: Columns that are never features: target, key, time, split.

        Raises:
            SpecError: An expression, step or column does not fit; a feature is not numeric.
        """
        types = dict(schema)
        for name, text in self.derive.items():
            types[name] = result_type(text, types, f"features.derive.{name}")
        chosen = self._chosen(types, set(excluded))
        for number, step in enumerate(self.steps):
            where = f"{WHERE}[{number}]"
            require(list(step.columns), types, where)
            unused = [name for name in step.columns if name not in chosen]
            if unused:
                raise SpecError(
                    f"column {unused[0]!r} is not a feature, this step would change nothing",
                    where=where,
                    hint="take it out of the step, or add it to features.columns",
                )
            types |= step.check(types, where)
            chosen += step.adds()
        _assert_numbers(chosen, types)
        inputs = self.origins(name for name in chosen if name in schema or name in self.derive)
        return Resolved(tuple(chosen), tuple(inputs), self._levels())

    def _chosen(self, types: Mapping[str, pl.DataType], excluded: set[str]) -> list[str]:
        require(self.drop, types, "features.drop")
        if self.columns is None:
            return [name for name in types if name not in excluded and name not in self.drop]
        require(self.columns, types, "features.columns")
        if leaks := [name for name in self.columns if name in excluded]:
            raise SpecError(
                f"column {leaks[0]!r} is the target or made of what the target is made of",
                where="features.columns",
                hint="take it out of features.columns",
            )
        chosen = dict.fromkeys((*self.columns, *(n for n in self.derive if n not in excluded)))
        return [name for name in chosen if name not in self.drop]

    def _levels(self) -> tuple[int, ...]:
        """Return the pass after which each step can be fitted, from 0."""
        written: dict[str, int] = {}
        levels: list[int] = []
        for step in self.steps:
            before = max((written.get(name, -1) for name in step.columns), default=-1)
            levels.append(max(0, before + 1 if step.needs() else before))
            written |= dict.fromkeys([*step.columns, *step.adds()], levels[-1])
        return tuple(levels)


@dataclass(frozen=True)
class Resolved:
    """A pipeline that fits its data.

    Attributes:
        features: Names of the features, in the order of the matrix.
        inputs: Columns of the data that are read to make them.
        levels: Pass after which each step is fitted; steps of one level share a pass.
    """

    features: tuple[str, ...]
    inputs: tuple[str, ...]
    levels: tuple[int, ...]

    @property
    def passes(self) -> int:
        """Passes over the data that fitting needs; one even without steps, to count rows."""
        return max(self.levels, default=0) + 1


def _assert_numbers(chosen: Sequence[str], types: Mapping[str, pl.DataType]) -> None:
    wrong = [n for n in chosen if not (types[n].is_numeric() or types[n] == pl.Boolean)]
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


@dataclass(frozen=True)
class FittedPipeline:
    """Feature preparation with its learned numbers; plain data.

    Attributes:
        derive: SQL expression of each derived column that a feature needs, in order.
        steps: Fitted steps in the order in which they run.
        features: Names of the features.
        inputs: Columns of the data that are read.
    """

    derive: Mapping[str, str]
    steps: tuple[Fitted, ...]
    features: tuple[str, ...]
    inputs: tuple[str, ...]

    @classmethod
    def start(cls, pipeline: Pipeline, resolved: Resolved) -> FittedPipeline:
        """Return a pipeline of which no step is fitted yet."""
        used = _derived(pipeline.derive, resolved.features)
        return cls(used, (), resolved.features, resolved.inputs)

    def request(self, pipeline: Pipeline, resolved: Resolved, level: int) -> Request:
        """Return the statistics that the steps of a level need."""
        due = (s for s, at in zip(pipeline.steps, resolved.levels, strict=True) if at == level)
        return frozenset(pair for step in due for pair in step.needs())

    def fit(
        self, pipeline: Pipeline, resolved: Resolved, level: int, summary: Summary
    ) -> FittedPipeline:
        """Return the pipeline with the steps of a level fitted."""
        fitted = tuple(
            step.fit(summary, f"{WHERE}[{number}]")
            for number, step in enumerate(pipeline.steps)
            if resolved.levels[number] == level
        )
        return FittedPipeline(self.derive, self.steps + fitted, self.features, self.inputs)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with derived columns and all fitted steps applied."""
        lazy = frame.lazy()
        for name, text in self.derive.items():
            lazy = lazy.with_columns(sql(text, f"features.derive.{name}").alias(name))
        for step in self.steps:
            lazy = lazy.with_columns(step.expressions())
        return lazy.collect()

    def transform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the features of rows.

        Args:
            frame: Rows with the columns of ``inputs``.

        Returns:
            ``features`` as float32 columns; null or NaN where missing, codes for categories.
        """
        return self.apply(frame).select(pl.col(name).cast(pl.Float32) for name in self.features)

    @property
    def categorical(self) -> dict[int, int]:
        """Return the number of codes of each categorical feature, by its position."""
        sizes = {name: n for step in self.steps for name, n in step.levels().items()}
        return {i: sizes[name] for i, name in enumerate(self.features) if name in sizes}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "derive": dict(self.derive),
            "steps": [step.to_dict() for step in self.steps],
            "features": list(self.features),
            "inputs": list(self.inputs),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FittedPipeline:
        """Return the pipeline that `to_dict` described; raises `ModelError` on unknown steps."""
        steps = tuple(map(_fitted, data["steps"]))
        return cls(data["derive"], steps, tuple(data["features"]), tuple(data["inputs"]))


def _fitted(data: Mapping[str, Any]) -> Fitted:
    match data["verb"]:
        case "impute":
            return FittedImpute(data["values"], data["indicator"])
        case "scale":
            return FittedScale({name: (a, b) for name, (a, b) in data["numbers"].items()})
        case "encode":
            return FittedEncode(data["names"], tuple(data["rare"]))
    raise ModelError(
        f"this model holds a feature step that is not known: {data['verb']!r}",
        hint="score it with the millrace version that trained it, or a newer one",
    )


def _derived(derive: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the derived columns that these names need, in their order of definition."""
    wanted = set(names)
    for name in reversed(list(derive)):
        if name in wanted:
            wanted |= set(columns_of(derive[name], f"features.derive.{name}"))
    return {name: text for name, text in derive.items() if name in wanted}
