"""Figures of predicted numbers: how far off they are, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from jobs.report.canvas import BLUE, INK, ORANGE, Drawn, canvas, hover, legend, waiting
from jobs.report.quality import Residuals

HEIGHT = 300
GROUPS = 10
"""Groups of rows by prediction: deciles, as far as the ranges allow."""


@dataclass
class Group:
    """Rows whose predictions are near each other, and the sums of what they have."""

    rows: int = 0
    predicted: float = 0.0
    residual: float = 0.0
    absolute: float = 0.0


def residual_figures(part: str, found: Residuals) -> list[Drawn]:
    """Draw residuals by prediction, their distribution, and means and errors by prediction.

    Args:
        part: Part of the data that they are of.
        found: The residuals.
    """
    groups = list(grouped(found))
    return [
        _cells(part, found),
        _distribution(part, found),
        _means(part, groups),
        _errors(part, groups),
    ]


def grouped(found: Residuals) -> Iterator[Group]:
    """Yield the rows in about ten groups of like size, from the lowest predictions on.

    A range of predictions is in one group. Values are the middles of their ranges.

    Args:
        found: The residuals.
    """
    total = sum(rows for _, _, rows in found.cells)
    group, before, last = Group(), 0, None
    for at, to, rows in sorted(found.cells):
        if at != last and group.rows and before >= total * _full(before - group.rows, total):
            yield group
            group = Group()
        predicted = found.predicted[at] + found.width / 2
        residual = found.residual[to] + found.height / 2
        group.rows += rows
        group.predicted += rows * predicted
        group.residual += rows * residual
        group.absolute += rows * abs(residual)
        before, last = before + rows, at
    if group.rows:
        yield group


def _full(started: int, total: int) -> float:
    """Return the share of rows at which a group that began after some rows is full."""
    return (int(started / total * GROUPS) + 1) / GROUPS


def _cells(part: str, found: Residuals) -> Drawn:
    most = max(rows for _, _, rows in found.cells)
    data: dict[str, Any] = {
        "left": [found.predicted[at] for at, _, _ in found.cells],
        "right": [found.predicted[at] + found.width for at, _, _ in found.cells],
        "bottom": [found.residual[to] for _, to, _ in found.cells],
        "top": [found.residual[to] + found.height for _, to, _ in found.cells],
        "rows": [rows for _, _, rows in found.cells],
        # By the root, so that a cell of few rows is seen beside one of very many.
        "alpha": [0.12 + 0.88 * (rows / most) ** 0.5 for _, _, rows in found.cells],
    }
    plot = canvas(HEIGHT)
    plot.xaxis.axis_label, plot.yaxis.axis_label = "prediction", "label \u2212 prediction"
    sides: dict[str, Any] = {name: name for name in ("left", "right", "bottom", "top")}
    cells = plot.quad(
        **sides,
        source=ColumnDataSource(data),
        fill_color=BLUE,
        fill_alpha="alpha",
        line_color=None,
    )
    _zero(plot, "width")
    tips = [("prediction", "@left{0.000 a}"), ("residual", "@bottom{0.000 a}")]
    hover(plot, cells, [*tips, ("rows", "@rows{0,0}")])
    note = f"{part} rows; the darker, the more"
    return Drawn(waiting(plot), "Residuals by prediction", note, f"Residuals by prediction, {note}")


def _distribution(part: str, found: Residuals) -> Drawn:
    counted: Counter[int] = Counter()
    for _, to, rows in found.cells:
        counted[to] += rows
    total, most = sum(counted.values()), max(counted.values())
    plot = canvas(HEIGHT, y_range=(0, 1.05 * most))
    plot.xaxis.axis_label, plot.yaxis.axis_label = "label \u2212 prediction", "rows"
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0] a")
    data: dict[str, Any] = {
        "left": [found.residual[to] for to in counted],
        "right": [found.residual[to] + found.height for to in counted],
        "top": list(counted.values()),
    }
    bars = plot.quad(
        left="left",
        right="right",
        top="top",
        bottom=0,
        source=ColumnDataSource(data),
        fill_color=BLUE,
        line_color=None,
    )
    tips = [("from", "@left{0.000 a}"), ("to", "@right{0.000 a}"), ("rows", "@top{0,0}")]
    hover(plot, bars, tips)
    _zero(plot, "height")
    over = sum(rows for to, rows in counted.items() if found.residual[to] >= 0)
    alt = f"Distribution of residuals, {part} rows: {over / total:.0%} are above zero"
    return Drawn(waiting(plot), "Distribution of residuals", f"{part} rows", alt)


def _zero(plot: figure, dimension: Any) -> None:
    plot.add_layout(Span(location=0, dimension=dimension, line_color=INK, line_dash="4 4"))


def _source(groups: list[Group]) -> ColumnDataSource:
    data: dict[str, Any] = {
        "place": list(range(1, len(groups) + 1)),
        "rows": [one.rows for one in groups],
        "predicted": [one.predicted / one.rows for one in groups],
        "observed": [(one.predicted + one.residual) / one.rows for one in groups],
        "error": [one.absolute / one.rows for one in groups],
    }
    return ColumnDataSource(data)


_TIPS = [
    ("group", "@place"),
    ("rows", "@rows{0,0}"),
    ("mean prediction", "@predicted{0.000 a}"),
    ("mean label", "@observed{0.000 a}"),
    ("mean absolute error", "@error{0.000 a}"),
]


def _means(part: str, groups: list[Group]) -> Drawn:
    plot = canvas(HEIGHT)
    plot.xaxis.axis_label, plot.yaxis.axis_label = "mean prediction", "mean label"
    source = _source(groups)
    means = [one.predicted / one.rows for one in groups]
    line = [min(means), max(means)]
    plot.line(line, line, line_color=INK, line_dash="4 4", legend_label="as predicted")
    named: dict[str, Any] = {"source": source, "legend_label": f"{part} rows"}
    plot.line("predicted", "observed", line_color=ORANGE, line_width=2, **named)
    dots = plot.scatter("predicted", "observed", size=8, color=ORANGE, **named)
    hover(plot, dots, _TIPS)
    legend(plot, "top_left")
    note = f"{part} rows in {len(groups)} groups by prediction"
    said = "Mean label by prediction"
    return Drawn(waiting(plot), said, note, f"{said}, {note}")


def _errors(part: str, groups: list[Group]) -> Drawn:
    errors = [one.absolute / one.rows for one in groups]
    plot = canvas(HEIGHT, y_range=(0, 1.05 * max(errors) or 1))
    plot.xaxis.axis_label = "group, from the lowest predictions to the highest"
    plot.yaxis.axis_label = "mean absolute error"
    plot.xaxis.ticker = list(range(1, len(groups) + 1))
    bars = plot.vbar("place", 0.8, "error", source=_source(groups), color=BLUE)
    hover(plot, bars, _TIPS)
    worst = max(range(len(groups)), key=errors.__getitem__)
    alt = f"Error by prediction, {part} rows: largest in group {worst + 1} of {len(groups)}"
    return Drawn(waiting(plot), "Error by prediction", f"{part} rows", alt)
