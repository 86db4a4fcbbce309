"""Figures of what features do to predictions: contributions of rows, partial dependence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bokeh.models import BasicTicker, ColumnDataSource
from bokeh.plotting import figure

from jobs.report.canvas import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    Drawn,
    canvas,
    hover,
    label,
    named_rows,
    waiting,
)
from jobs.report.modelling import Contribution, Dependence

FEATURES_SHOWN = 20
POINTS_SHOWN = 250
"""Rows of a feature that are drawn."""
_OUTPUTS = (BLUE, GREEN, PURPLE, RED, INK)
"""Colours of the outputs of a model that has several; so many are drawn."""
LINES_SHOWN = 40
"""Single rows in a figure of partial dependence."""

_SCALE = ("#3d7ab8", "#6a79a8", "#977897", "#c47786", "#d0802f")
"""From low to high values of a feature: blue to orange, told apart by the colour-blind."""


def contribution_figures(found: Sequence[Contribution]) -> list[Drawn]:
    """Draw contributions row by row, a line of dots for each feature, the strongest at the top.

    Args:
        found: Contributions by feature, the strongest first.
    """
    shown = [one for one in found[:FEATURES_SHOWN] if one.sample][::-1]
    if not shown:
        return []
    plot = canvas(70 + 26 * len(shown), y_range=(-0.7, len(shown) - 0.3))
    plot.xaxis.axis_label = "contribution to the raw score"
    data: dict[str, Any] = {name: [] for name in ("x", "y", "color", "feature", "value")}
    for row, one in enumerate(shown):
        _add(data, row, one)
    dots = plot.scatter(
        "x", "y", size=5, color="color", fill_alpha=0.7, line_alpha=0, source=ColumnDataSource(data)
    )
    hover(plot, dots, [("feature", "@feature"), ("value", "@value"), ("adds", "@x{0.0000}")])
    plot.line([0, 0], [-0.7, len(shown) - 0.3], line_color=INK, line_width=1)
    named_rows(plot, [one.feature for one in shown], 24)
    strongest = ", ".join(one.feature for one in found[:3])
    note = "a dot is one row of some: blue where the feature is low, orange where it is high"
    alt = f"Contributions to predictions by feature. The strongest: {strongest}"
    return [Drawn(waiting(plot), "Contributions (SHAP)", note, alt)]


def _add(data: dict[str, Any], row: int, one: Contribution) -> None:
    """Add the dots of a feature: those that would hide each other lie above and below."""
    stride = -(-len(one.sample) // POINTS_SHOWN)
    sample = list(one.sample)[::stride]
    numbers = [value for value, _ in sample if value is not None and math.isfinite(value)]
    low, high = _bounds(numbers)
    span = max((abs(adds) for _, adds in sample), default=0.0) or 1.0
    heaps: dict[int, int] = {}
    for value, adds in sample:
        heap = round(adds / span * 60)
        at = heaps[heap] = heaps.get(heap, -1) + 1
        offset = min((at + 1) // 2 * 0.05, 0.4) * (1 if at % 2 else -1)
        known = value is not None and math.isfinite(value)
        data["x"].append(adds)
        data["y"].append(row + offset)
        data["feature"].append(one.feature)
        data["value"].append(f"{value:.6g}" if known else "missing")
        data["color"].append(_color(value, low, high) if known and value is not None else INK)


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return the values that the ends of the colour scale stand for: a few large ones do not."""
    if not values:
        return 0.0, 1.0
    order = sorted(values)
    last = len(order) - 1
    return order[round(0.05 * last)], order[round(0.95 * last)]


def _color(value: float, low: float, high: float) -> str:
    place = 0.5 if high <= low else min(max((value - low) / (high - low), 0.0), 1.0)
    return _SCALE[min(int(place * len(_SCALE)), len(_SCALE) - 1)]


def dependence_figures(found: Sequence[Dependence], classes: Sequence[str]) -> list[Drawn]:
    """Draw partial dependence, a figure for each feature, with lines of single rows behind it.

    Args:
        found: By feature, the most important first.
        classes: Names of the outputs of a model that has several.
    """
    return [_dependence(one, classes) for one in found[:FEATURES_SHOWN] if one.mean]


def _dependence(one: Dependence, classes: Sequence[str]) -> Drawn:
    named = any(isinstance(value, str) for value in one.grid)
    plot = canvas(230)
    x: list[Any] = list(range(len(one.grid))) if named else list(one.grid)
    plot.xaxis.ticker = BasicTicker(desired_num_ticks=5)
    _single_rows(plot, x, one.lines)
    for place, (mean, color) in enumerate(zip(one.mean, _OUTPUTS, strict=False)):
        said = [("class", label(classes[place]))] if place < len(classes) > 2 else []
        line = plot.line(x, list(mean), line_color=color, line_width=3)
        dots = plot.scatter(x, list(mean), size=6 if named else 4, color=color)
        tips = [*said, (label(one.feature), "@x"), ("mean prediction", "@y{0.0000}")]
        for drawn in (line, dots):
            hover(plot, drawn, tips)
    if named:
        plot.xaxis.ticker = x
        plot.xaxis.major_label_overrides = {at: label(str(v), 14) for at, v in enumerate(one.grid)}
        plot.xaxis.major_label_orientation = 0.7
    low, high = min(map(min, one.mean)), max(map(max, one.mean))
    alt = f"Mean prediction by {one.feature}: between {low:.4g} and {high:.4g}"
    return Drawn(waiting(plot), one.feature, f"{low:.4g} to {high:.4g}", alt)


def _single_rows(plot: figure, x: list[Any], lines: Sequence[Sequence[float]]) -> None:
    shown = [list(line) for line in lines[:LINES_SHOWN]]
    if shown:
        style: dict[str, Any] = {"line_color": ORANGE, "line_alpha": 0.22, "line_width": 1}
        plot.multi_line([x] * len(shown), shown, **style)
