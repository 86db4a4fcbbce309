"""Learning rates that change from round to round."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.errors import SpecError

_WHERE = "train.schedule"


@dataclass(frozen=True)
class Exponential:
    """Every round's rate is ``factor`` times the one before.

    Attributes:
        start: Rate of the first round, above 0.
        factor: Above 0, at most 1.

    Raises:
        SpecError: A value is out of its range.
    """

    start: float
    factor: float

    def __post_init__(self) -> None:
        """Refuse what is no schedule."""
        _above_zero("start", self.start)
        _share("factor", self.factor)

    def __call__(self, round: int) -> float:
        """Return the learning rate of a round, counted from 1."""
        return _rate(self.start * self.factor ** _passed(round))


@dataclass(frozen=True)
class Step:
    """The rate stays for some rounds, then drops to ``factor`` times of it.

    Attributes:
        start: Rate of the first rounds, above 0.
        factor: Above 0, at most 1.
        every: Rounds between drops, at least 1.

    Raises:
        SpecError: A value is out of its range.
    """

    start: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        """Refuse what is no schedule."""
        _above_zero("start", self.start)
        _share("factor", self.factor)
        _rounds("every", self.every)

    def __call__(self, round: int) -> float:
        """Return the learning rate of a round, counted from 1."""
        return _rate(self.start * self.factor ** (_passed(round) // self.every))


@dataclass(frozen=True)
class Cosine:
    """The rate falls from ``start`` to ``end`` along half a cosine wave, and stays there.

    Source: Loshchilov and Hutter, "SGDR" (2017), equation 5, without restarts.

    Attributes:
        start: Rate of the first round, above 0.
        end: Rate of the last round, above 0, at most ``start``.
        rounds: The round that reaches ``end``, at least 2.

    Raises:
        SpecError: A value is out of its range.
    """

    start: float
    end: float
    rounds: int

    def __post_init__(self) -> None:
        """Refuse what is no schedule."""
        _above_zero("start", self.start)
        _above_zero("end", self.end)
        _rounds("rounds", self.rounds, least=2)
        if self.end > self.start:
            _refuse("end", self.end, f"at most start, {self.start!r}")

    def __call__(self, round: int) -> float:
        """Return the learning rate of a round, counted from 1."""
        passed = min(_passed(round) / (self.rounds - 1), 1.0)
        share = (1 + math.cos(math.pi * passed)) / 2
        return self.end + (self.start - self.end) * share


def _passed(round: int) -> int:
    if round < 1:
        raise ValueError(f"rounds count from 1, not {round}")
    return round - 1


def _rate(rate: float) -> float:
    # LightGBM refuses a rate of 0, where long schedules end up by underflow.
    return max(rate, math.ulp(0.0))


def _above_zero(name: str, value: float) -> None:
    if not (_number(value) and 0 < value < math.inf):
        _refuse(name, value, "a number above 0")


def _share(name: str, value: float) -> None:
    if not (_number(value) and 0 < value <= 1):
        _refuse(name, value, "above 0 and at most 1")


def _rounds(name: str, value: int, least: int = 1) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        _refuse(name, value, f"a whole number of rounds, {least} or more")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(name: str, value: object, wanted: str) -> None:
    what = f"{name} = {value!r} makes no schedule"
    raise SpecError(what, where=f"{_WHERE}.{name}", hint=f"give {wanted}")
