"""The section ``[features]``: which columns a model sees, and what is done to them before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Columns, Section, SomeColumns, Text
from jobs.spec.steps import AnyStep


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
    steps: tuple[AnyStep, ...] = Field(
        (), description="Steps, applied in order; see [features](features.md)."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse(self._dropped())
        return self

    def _dropped(self) -> Iterator[Problem]:
        used = set(self.columns or ())
        yield from (
            Problem(("drop", i), f"{name!r} is also in features.columns")
            for i, name in enumerate(self.drop)
            if name in used
        )
