"""The part of ``[train]`` that says from which probability on a row is of the second class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Number, Section

Cost = Annotated[Number, Field(ge=0)]


class ThresholdSpec(Section):
    """How the threshold of a binary model is chosen, on its validation rows."""

    by: Literal["f_beta", "cost"] = Field(
        description="`f_beta`: the highest F-beta; `cost`: wrong decisions cost least."
    )
    beta: Annotated[Number, Field(gt=0)] | None = Field(
        None,
        description="How many times as much recall counts as precision. Left out: 1.",
    )
    false_positive: Cost | None = Field(
        None,
        description="With `cost`: what it costs to take a row of the first class for one of "
        "the second.",
    )
    false_negative: Cost | None = Field(
        None, description="With `cost`: what it costs to miss a row of the second class."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse(self._together())
        return self

    def _together(self) -> Iterator[Problem]:
        costs = {"false_positive": self.false_positive, "false_negative": self.false_negative}
        for name, value in costs.items():
            if (value is None) == (self.by == "cost"):
                what = 'is required with by = "cost"' if value is None else 'goes with by = "cost"'
                yield Problem((name,), what)
        if self.by == "cost" and self.beta is not None:
            yield Problem(("beta",), 'goes with by = "f_beta"')
        if self.by == "cost" and not any(costs.values()):
            yield Problem((), "both costs are 0: nothing is to be chosen")
