"""The section ``train.schedule``: a learning rate that falls from round to round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from engine.boosting.learning import Schedule
from engine.boosting.schedule import Cosine, Exponential, Step
from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Integer, Number, Section

_NEEDS = {"exponential": ("factor",), "step": ("factor", "every"), "cosine": ("end",)}
_TAKES = {**_NEEDS, "cosine": ("end", "rounds")}


class ScheduleSpec(Section):
    """A learning rate that falls from round to round; it begins as `params.learning_rate`."""

    kind: Literal["exponential", "step", "cosine"] = Field(
        description="`exponential`: each round's rate is `factor` times the one before; `step`: "
        "the rate is multiplied with `factor` once in `every` rounds; `cosine`: it falls to `end` "
        "along half a cosine."
    )
    factor: Number | None = Field(
        None, gt=0, le=1, description="Of `exponential` and `step`, such as 0.99."
    )
    every: Integer | None = Field(None, ge=1, description="Rounds of one rate, of `step`.")
    end: Number | None = Field(None, gt=0, description="Last rate, of `cosine`.")
    rounds: Integer | None = Field(
        None,
        ge=2,
        description="Round from which on the rate is `end`, of `cosine`. Left out: the last one.",
    )

    def rates(self, start: float, rounds: int) -> Schedule:
        """Return the rate of each round.

        Args:
            start: Rate of the first round.
            rounds: Rounds of the training.

        Raises:
            SpecError: The first rate is not above 0, or not above the last one.
        """
        if self.kind == "exponential":
            assert self.factor is not None
            return Exponential(start, self.factor)
        if self.kind == "step":
            assert self.factor is not None and self.every is not None
            return Step(start, self.factor, self.every)
        assert self.end is not None
        return Cosine(start, self.end, self.rounds or max(2, rounds))

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse(self._fields())
        return self

    def _fields(self) -> Iterator[Problem]:
        for name in ("factor", "every", "end", "rounds"):
            given = getattr(self, name) is not None
            if given and name not in _TAKES[self.kind]:
                yield Problem((name,), f'does not go with kind = "{self.kind}"')
            if not given and name in _NEEDS[self.kind]:
                yield Problem((name,), f'is required with kind = "{self.kind}"')
