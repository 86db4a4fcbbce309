"""A small line chart as SVG coordinates: no library, no script, no style attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.metrics import HIGHER_IS_BETTER, base_name
from jobs.report.metric_names import METRIC_NAMES, title

WIDTH, HEIGHT = 600, 150
POINTS_SHOWN = 300
_TOP, _BOTTOM = 12, HEIGHT - 12


@dataclass(frozen=True)
class Chart:
    """A metric by boosting round.

    Attributes:
        name: The metric, as a person reads it.
        points: Coordinates of the line, as SVG has them.
        end: Where the last value is.
        best: Where the best value is.
        best_value: The best value.
        best_round: Its round.
        low: Value at the bottom.
        high: Value at the top.
        last: The last value.
        rounds: First round, and the last there may be.
    """

    name: str
    points: str
    end: tuple[float, float]
    best: tuple[float, float]
    best_value: float
    best_round: int
    low: float
    high: float
    last: float
    rounds: tuple[int, int]


def chart(metric: str, curve: Sequence[tuple[int, float]], rounds: int | None) -> Chart:
    """Draw the values of a metric.

    Args:
        metric: Its name, such as ``valid_auc``.
        curve: Rounds and values, at least one.
        rounds: Rounds at most; the line ends where training is.
    """
    part, _, name = metric.partition("_")
    if base_name(name) not in METRIC_NAMES:
        part, name = "", metric
    stride = -(-len(curve) // POINTS_SHOWN)
    shown = [*curve[:-1:stride], curve[-1]]
    values = [value for _, value in curve]
    low, high = min(values), max(values)
    first, last = curve[0][0], max(rounds or 0, curve[-1][0])

    def at(point: tuple[int, float]) -> tuple[float, float]:
        across = (point[0] - first) / (last - first) if last > first else 1.0
        up = (point[1] - low) / (high - low) if high > low else 0.5
        return round(4 + across * (WIDTH - 8), 1), round(_BOTTOM - up * (_BOTTOM - _TOP), 1)

    pick = max if HIGHER_IS_BETTER.get(base_name(name)) else min
    best = pick(curve, key=lambda point: point[1])
    return Chart(
        name=f"{title(name)}, {part}" if part else title(name),
        points=" ".join(f"{x},{y}" for x, y in map(at, shown)),
        end=at(curve[-1]),
        best=at(best),
        best_value=best[1],
        best_round=best[0],
        low=low,
        high=high,
        last=values[-1],
        rounds=(first, last),
    )
