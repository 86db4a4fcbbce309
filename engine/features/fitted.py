"""Fitted features: plain data that prepare rows in training and in scoring alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from engine.errors import ModelError
from engine.expression import computed, sql
from engine.features.pipeline import origins, with_derived
from engine.features.step import Fitted
from engine.features.stored import arrow, plain, restored, table

FILE = "pipeline.json"
_TABLE = "pipeline-{}.arrow"


@dataclass(frozen=True)
class FittedPipeline:
    """Feature preparation with what it learned.

    Attributes:
        derive: SQL expression of each derived column that is needed, in order.
        steps: Fitted steps in the order in which they run.
        features: Names of the features, in order.
        inputs: Columns of the data that are read.
        beside: Pipelines of other models by name, whose features stand after its own as
            ``<name>.<feature>``: `FittedPipeline.joined` makes such.
    """

    derive: Mapping[str, str]
    steps: tuple[Fitted, ...]
    features: tuple[str, ...]
    inputs: tuple[str, ...]
    beside: Mapping[str, FittedPipeline] = field(default_factory=dict)
    _made: dict[bool, list[list[pl.Expr]]] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )

    def __getstate__(self) -> dict[str, Any]:
        """Leave expressions behind: they are quickly made, and large."""
        return {**self.__dict__, "_made": {}}

    def joined(self, beside: Mapping[str, FittedPipeline]) -> FittedPipeline:
        """Return the same with pipelines of other models beside it, by name."""
        inputs = (*self.inputs, *(name for one in beside.values() for name in one.inputs))
        return replace(
            self,
            features=(*self.features, *_beside(beside)),
            inputs=tuple(dict.fromkeys(inputs)),
            beside=dict(beside),
        )

    @property
    def own(self) -> tuple[str, ...]:
        """The features that its own steps make: the first ones."""
        return self.features[: len(self.features) - len(_beside(self.beside))]

    def place(self, name: str) -> int:
        """Return where the features of a pipeline beside it begin."""
        before = list(self.beside)[: list(self.beside).index(name)]
        return len(self.own) + sum(len(self.beside[one].features) for one in before)

    def _expressions(self, training: bool) -> list[list[pl.Expr]]:
        """Return the expressions of each step, made once: a list of levels is dear to set up."""
        if training not in self._made:
            made = (step.training() if training else step.expressions() for step in self.steps)
            self._made[training] = list(made)
        return self._made[training]

    def apply(
        self, frame: pl.DataFrame, wanted: Sequence[str | pl.Expr], training: bool = False
    ) -> pl.DataFrame:
        """Add derived columns, apply all steps and return what is wanted of the result.

        Args:
            frame: Rows with the columns of ``inputs``; columns of steps that look at earlier rows
                are taken as they are where the frame has them.
            wanted: Columns, or expressions of columns.
            training: Whether these are the rows that the pipeline was fitted on; they have the
                columns ``TARGET`` and ``DRAW`` of `engine.reserved` then. An encoding by the
                target leaves out what a row's own label tells.
        """
        here = set(frame.columns)

        def made(lazy: pl.LazyFrame) -> pl.LazyFrame:
            lazy = with_derived(lazy, self.derive)
            for step, expressions in zip(self.steps, self._expressions(training), strict=True):
                if not (step.lookback and set(step.sources()) <= here):
                    lazy = lazy.with_columns(expressions)
            return lazy.select(wanted)

        return computed(made, frame)

    def transform(self, frame: pl.DataFrame, training: bool = False) -> pl.DataFrame:
        """Return the features of rows; see `apply`.

        Returns:
            ``features`` as float32 columns; null or NaN where missing, codes for categories.
        """
        own = self.apply(frame, _as_float(self.own), training)
        if not self.beside:
            return own
        others = [
            one.transform(frame).rename({feature: f"{name}.{feature}" for feature in one.features})
            for name, one in self.beside.items()
        ]
        return pl.concat([*([own] if own.width else []), *others], how="horizontal")

    def expressions(self) -> list[list[pl.Expr]]:
        """Return what `transform` does as lists of Polars expressions.

        All but the last list are for ``with_columns``, one after the other; the last is for
        ``select``.

        Raises:
            ModelError: There are pipelines beside it, each of which makes columns of its own.
        """
        if self.beside:
            what = "features of several models side by side are not one list of expressions"
            raise ModelError(what, hint=f"take those of one: {', '.join(self.beside)}")
        derived = [[sql(text, name).alias(name)] for name, text in self.derive.items()]
        return [*derived, *(step.expressions() for step in self.steps), _as_float(self.own)]

    @property
    def supervised(self) -> bool:
        """Whether training rows are prepared in another way than those that are scored."""
        return any(type(step).training is not Fitted.training for step in self.steps)

    @property
    def lookback(self) -> int:
        """Return how many rows before a row its features depend on."""
        return max((step.lookback for step in self.steps), default=0)

    @property
    def categorical(self) -> dict[int, int]:
        """Return the number of codes of each categorical feature, by its position."""
        sizes: dict[str, int] = {}
        for step in self.steps:
            # A column that a later step has changed holds codes no longer.
            sizes = {n: s for n, s in sizes.items() if n not in step.sources()} | {**step.codes()}
        found = {i: sizes[name] for i, name in enumerate(self.own) if name in sizes}
        for name, one in self.beside.items():
            found |= {self.place(name) + i: size for i, size in one.categorical.items()}
        return found

    def get_feature_names_out(self) -> list[str]:
        """Return the names of the features, as scikit-learn's transformers do."""
        return list(self.features)

    def lineage(self) -> dict[str, list[str]]:
        """Return the columns of the data that each feature is made from."""
        made: dict[str, dict[str, None]] = {}
        for step in self.steps:
            before = dict(made)
            for name, used in step.sources().items():
                made[name] = {c: None for one in used for c in before.get(one, {one: None})}
        found = {name: origins(self.derive, made.get(name, {name: None})) for name in self.own}
        for name, one in self.beside.items():
            found |= {f"{name}.{feature}": used for feature, used in one.lineage().items()}
        return found

    def __str__(self) -> str:
        """Return what the pipeline does, a line for each column made, in plain words."""
        lines = [f"{name} = {text}" for name, text in self.derive.items()]
        for step in self.steps:
            lines.append(f"{step.kind}: {step.told()}")
            lines += [f"  ({note})" for note in step.notes()]
        for name, one in self.beside.items():
            lines += [f"{name}: {line}" for line in str(one).splitlines()]
        shown = ", ".join(self.features[:20]) + (", …" if len(self.features) > 20 else "")
        return "\n".join([*lines, f"{len(self.features):,} features: {shown}"])

    def files(self) -> dict[str, bytes]:
        """Return the pipeline as files: JSON, and Arrow for tables. The same bytes every time."""
        tables: list[pl.DataFrame] = []
        data = self._plain(tables)
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        arrows = {_TABLE.format(i): arrow(one) for i, one in enumerate(tables)}
        return {FILE: text.encode(), **arrows}

    def _plain(self, tables: list[pl.DataFrame]) -> dict[str, Any]:
        """Return the pipeline as JSON values, what is a table among ``tables``."""
        data = {
            "derive": plain(self.derive, tables),
            "steps": [plain(step, tables) for step in self.steps],
            "features": list(self.features),
            "inputs": list(self.inputs),
        }
        if self.beside:
            data["beside"] = {name: one._plain(tables) for name, one in self.beside.items()}
        return data

    @property
    def digest(self) -> str:
        """Return the SHA-256 of `files`."""
        found = hashlib.sha256()
        for data in self.files().values():
            found.update(hashlib.sha256(data).digest())
        return found.hexdigest()

    @classmethod
    def of_files(cls, files: Mapping[str, bytes]) -> FittedPipeline:
        """Return the pipeline of `files`; raises `ModelError` on a step that is not known."""
        data: dict[str, Any] = json.loads(files[FILE])
        count = sum(_TABLE.format(i) in files for i in range(len(files)))
        tables = [table(files[_TABLE.format(i)]) for i in range(count)]
        return cls._restored(data, tables)

    @classmethod
    def _restored(cls, data: Mapping[str, Any], tables: list[pl.DataFrame]) -> FittedPipeline:
        steps = tuple(restored(step, tables) for step in data["steps"])
        derive = restored(data["derive"], tables)
        beside = {n: cls._restored(one, tables) for n, one in data.get("beside", {}).items()}
        return cls(derive, steps, tuple(data["features"]), tuple(data["inputs"]), beside)


def _beside(pipelines: Mapping[str, FittedPipeline]) -> list[str]:
    """Return the names that features of pipelines have beside another one."""
    return [f"{name}.{feature}" for name, one in pipelines.items() for feature in one.features]


def _as_float(features: Sequence[str]) -> list[pl.Expr]:
    return [pl.col(name).cast(pl.Float32) for name in features]
