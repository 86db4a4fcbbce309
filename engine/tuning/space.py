"""What may be tried: ranges and choices by parameter, drawn from or laid out as a grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

import numpy as np

Value = bool | int | float | str


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones when both bounds are.

    Attributes:
        low: Smallest.
        high: Largest.
        log: Drawn evenly in the logarithm; ``low`` is above 0.
        step: Distance of the numbers that may be, from ``low`` on; None: every number may be.
        points: How many of them a grid takes, where there is no step.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None
    points: int | None = None

    @property
    def whole(self) -> bool:
        """Whether the numbers are whole ones."""
        ends = (self.low, self.high, self.low if self.step is None else self.step)
        return all(isinstance(end, int) for end in ends)

    def at(self, share: float) -> int | float:
        """Return the number below which a share of the range lies.

        Whole numbers all have the same width, of the logarithm that from ``k - 0.5`` to
        ``k + 0.5``, as Optuna has it.

        Args:
            share: From 0 on, below 1.
        """
        if self.step is not None:
            return self._stepped(int(share * self._steps))
        if not self.whole:
            return self._between(float(self.low), float(self.high), share)
        found = round(self._between(self.low - 0.5, self.high + 0.5, share))
        return int(min(max(found, self.low), self.high))

    def grid(self) -> tuple[int | float, ...]:
        """Return the numbers of a grid, rising; each once, so maybe fewer than ``points``."""
        if self.step is not None:
            return tuple(map(self._stepped, range(self._steps)))
        if self.points is None:
            return tuple(range(int(self.low), int(self.high) + 1)) if self.whole else ()
        spread = [self._between(self.low, self.high, one) for one in np.linspace(0, 1, self.points)]
        return tuple(dict.fromkeys(map(round, spread) if self.whole else spread))

    @property
    def size(self) -> int:
        """How many numbers a grid has at most; 0: it needs a step or points."""
        if self.step is not None:
            return self._steps
        if self.points is not None:
            return self.points
        return int(self.high) - int(self.low) + 1 if self.whole else 0

    @property
    def _steps(self) -> int:
        width = Decimal(str(self.high)) - Decimal(str(self.low))
        return int(width // Decimal(str(self.step))) + 1

    @property
    def last(self) -> int | float:
        """The highest number that may be."""
        return self.high if self.step is None else self._stepped(self._steps - 1)

    def _stepped(self, place: int) -> int | float:
        # In decimals: 0.1 + 2 * 0.1 is to be 0.3.
        found = Decimal(str(self.low)) + place * Decimal(str(self.step))
        return int(found) if self.whole else float(found)

    def _between(self, low: float, high: float, share: float) -> float:
        if not self.log:
            found = low + share * (high - low)
        else:
            found = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        return min(max(float(found), low), high)


@dataclass(frozen=True)
class Choice:
    """One of some values, without an order.

    Attributes:
        values: The values, each once.
    """

    values: tuple[Value, ...]

    def at(self, share: float) -> Value:
        """Return the value at a share of them, from 0 on, below 1."""
        return self.values[int(share * len(self.values))]

    def grid(self) -> tuple[Value, ...]:
        """Return all values."""
        return self.values

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)


Space = Mapping[str, Range | Choice]
"""What may be tried of each parameter."""


def drawn(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Return the parameters of a trial, drawn at random.

    They depend on the seed and the number of the trial alone: not on what other trials found, nor
    on the order in which they end.

    Args:
        space: What may be tried.
        seed: Of the study.
        number: Of the trial, from 0 on.
    """
    names = sorted(space)
    shares = np.random.default_rng([seed, number]).random(len(names))
    return {name: space[name].at(float(share)) for name, share in zip(names, shares, strict=True)}


def grid_size(space: Space) -> int:
    """Return how many points the grid has at most; 0: some range needs a step or points."""
    return math.prod(one.size for one in space.values())


def grid(space: Space, seed: int) -> Sequence[dict[str, Any]]:
    """Return all points of the grid, shuffled: a search that is ended early has seen all of it.

    Args:
        space: What may be tried; every range has a grid.
        seed: Of the study.
    """
    names = sorted(space)
    values = product(*(space[name].grid() for name in names))
    points = [dict(zip(names, one, strict=True)) for one in values]
    return [points[place] for place in np.random.default_rng(seed).permutation(len(points))]
