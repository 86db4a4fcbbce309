"""Goals of a benchmark: a figure, its bound, and whether it was met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Goal:
    """One goal.

    Attributes:
        what: The figure, in a few words.
        value: What was measured; ``None`` where it was not.
        bound: What it may be.
        at_most: Whether the bound is the largest value, else the least.
    """

    what: str
    value: float | None
    bound: float
    at_most: bool = True

    @property
    def met(self) -> bool | None:
        """Return whether the goal was met; ``None`` where nothing was measured."""
        if self.value is None:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        """Return the line that is printed."""
        if self.value is None:
            return f"goal: {self.what}: not measured"
        side = "at most" if self.at_most else "at least"
        ending = "met" if self.met else "MISSED"
        return f"goal: {self.what}: {self.value:.4g} ({side} {self.bound:g}): {ending}"

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {**asdict(self), "met": self.met}


def ratio(mine: object, theirs: object) -> float | None:
    """Return ``mine / theirs``; ``None`` unless both are positive numbers."""
    numbers = [float(n) for n in (mine, theirs) if isinstance(n, int | float) and n > 0]
    return numbers[0] / numbers[1] if len(numbers) == 2 else None


def missed(goals: Sequence[Goal]) -> bool:
    """Return whether any goal that was measured was missed."""
    return any(goal.met is False for goal in goals)
