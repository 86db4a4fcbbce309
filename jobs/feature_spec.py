"""The section ``[features]``: which columns a model sees, and what is done to them before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from jobs.problems import Problem, nearest, refuse
from jobs.section import Columns, Flag, Integer, Number, Section, SomeColumns, Text


class ImputeStep(Section):
    """Fill missing values of numeric columns."""

    impute: SomeColumns = Field(description="Numeric columns.")
    method: Literal["mean", "median", "constant"] = Field(
        alias="with", description="What to fill with; the statistic of the training rows."
    )
    value: Number | None = Field(None, description='The constant of `with = "constant"`.')
    indicator: Flag = Field(
        False, description="Also add `<column>_missing`: 1 where a value was missing, else 0."
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the step works on."""
        return self.impute

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.method == "constant") != (self.value is not None):
            refuse([Problem(("value",), 'goes with `with = "constant"`, and only with that')])
        return self


class ScaleStep(Section):
    """Shift and scale numeric columns."""

    scale: SomeColumns = Field(description="Numeric columns.")
    method: Literal["standard", "minmax", "robust"] = Field(
        alias="with",
        description="`standard`: mean 0, standard deviation 1; `minmax`: 0 to 1; `robust`: median "
        "0, interquartile range 1.",
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the step works on."""
        return self.scale


class EncodeStep(Section):
    """Turn the levels of columns into numbers."""

    encode: SomeColumns = Field(description="Columns of any type; values are compared as text.")
    method: Literal["category"] = Field(
        alias="with",
        description="`category`: codes for LightGBM's own handling of categories; missing and "
        "unseen levels become missing.",
    )
    min_count: Integer = Field(
        1, ge=1, description="Rows that a level needs; rarer levels share one code."
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the step works on."""
        return self.encode


VERBS: dict[str, type[Section]] = {
    "impute": ImputeStep,
    "scale": ScaleStep,
    "encode": EncodeStep,
}


def _kind(step: Any) -> str | None:
    """Tell which step is meant, by its verb."""
    if isinstance(step, Section):
        return type(step).__name__
    return next((VERBS[key].__name__ for key in step if key in VERBS), None)


def _one_verb(step: Any) -> Any:
    """Refuse a step without a verb, with several, or with an unknown one."""
    if isinstance(step, Section):
        return step
    keys = list(step) if isinstance(step, dict) else []
    verbs = [key for key in keys if key in VERBS]
    if len(verbs) > 1:
        refuse([Problem((), f"has several verbs: {', '.join(verbs)}; write one step for each")])
    if verbs:
        return step
    for key in keys:
        if isinstance(step[key], list):
            refuse([Problem((key,), "unknown step" + nearest(key, VERBS))])
    refuse([Problem((), f"a step names its columns under one of: {', '.join(VERBS)}")])
    return step


Step = Annotated[
    Annotated[ImputeStep, Tag("ImputeStep")]
    | Annotated[ScaleStep, Tag("ScaleStep")]
    | Annotated[EncodeStep, Tag("EncodeStep")],
    Discriminator(_kind),
    BeforeValidator(_one_verb),
]


class FeaturesSpec(Section):
    """Which columns a model sees, and what is done to them; learned on the training rows only."""

    columns: SomeColumns | None = Field(
        None,
        description="Columns to use. Left out: every column but the target, those that the target "
        "is computed from, the key, the time and the columns of the split.",
    )
    drop: Columns = Field((), description="Columns not to use.")
    derive: dict[str, Text] = Field(
        {}, description="New columns, each a Polars SQL expression over the columns of its row."
    )
    steps: tuple[Step, ...] = Field((), description="Steps, applied in order.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse([*self._dropped(), *self._absent(), *self._repeated()])
        return self

    def _dropped(self) -> Iterator[Problem]:
        used = set(self.columns or ())
        yield from (
            Problem(("drop", i), f"{name!r} is also in features.columns")
            for i, name in enumerate(self.drop)
            if name in used
        )

    def _absent(self) -> Iterator[Problem]:
        if self.columns is None:
            known: set[str] | None = None
        else:
            known = {*self.columns, *self.derive}
        for place, step in enumerate(self.steps):
            for name in step.columns:
                if name in self.drop:
                    yield Problem(("steps", place), f"{name!r} is in features.drop")
                elif known is not None and name not in known:
                    what = f"{name!r} is not in features.columns{nearest(name, known)}"
                    yield Problem(("steps", place), what)

    def _repeated(self) -> Iterator[Problem]:
        seen: set[tuple[type[Section], str]] = set()
        for place, step in enumerate(self.steps):
            for name in step.columns:
                if (type(step), name) in seen:
                    yield Problem(("steps", place), f"{name!r} already has a step of this kind")
                seen.add((type(step), name))
