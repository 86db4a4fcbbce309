"""The figures of the report, drawn by Bokeh so that the page needs no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bokeh.embed import components
from bokeh.models import ColumnDataSource, Model, NumeralTickFormatter
from bokeh.models.annotations import Span
from bokeh.plotting import figure
from markupsafe import Markup

from jobs.report.canvas import (
    BLUE,
    INK,
    RED,
    canvas,
    colored,
    hover,
    label,
    legend,
    library,
    named_rows,
)
from jobs.report.confusion import confusion_matrix
from jobs.report.learning_curves import learning_curves
from jobs.report.outcome import Report, StepMemory

FEATURES_SHOWN = 30
GIB = float(1 << 30)
NOTHING = Markup()


@dataclass(frozen=True)
class Charts:
    """What the template places: the library with the data (once) and a box per figure.

    Args:
        script: ``<script>`` elements; empty when there is no figure.
        roc, calibration, confusion, importance, memory: One box each; empty without data.
        history: Box by metric that was followed.
    """

    script: Markup = NOTHING
    roc: Markup = NOTHING
    calibration: Markup = NOTHING
    confusion: Markup = NOTHING
    importance: Markup = NOTHING
    memory: Markup = NOTHING
    history: dict[str, Markup] = field(default_factory=dict)


def draw(report: Report) -> Charts:
    """Draw the figures that the report has data for.

    Bokeh escapes the data that it embeds; ``label`` keeps names from being read as mathematics.
    """
    figures: dict[str, Model] = {}
    if report.roc:
        figures["roc"] = _roc(report)
    if report.calibration:
        figures["calibration"] = _calibration(report)
    if report.confusion:
        names = [one.name for one in report.by_class]
        figures["confusion"] = confusion_matrix(names, report.confusion)
    if any(report.importance.values()):
        figures["importance"] = _importance(report.importance)
    if report.memory:
        figures["memory"] = _memory(report.memory[::-1])
    curves = learning_curves(report.history, report.best_round)
    if not (figures or curves):
        return Charts()
    script, boxes = components({**figures, **{f"{name} by round": c for name, c in curves.items()}})
    history = {name: Markup(boxes.pop(f"{name} by round")) for name in curves}
    single = {name: Markup(box) for name, box in boxes.items()}
    return Charts(library() + Markup(script), history=history, **single)


def _unit_square(across: str, up: str) -> figure:
    """Return a canvas over [0, 1] x [0, 1] with the diagonal drawn in."""
    plot = canvas(380, x_range=(-0.01, 1.01), y_range=(-0.01, 1.01))
    plot.xaxis.axis_label, plot.yaxis.axis_label = across, up
    plot.line([0, 1], [0, 1], line_color=INK, line_dash="4 4", line_width=1)
    return plot


def _roc(report: Report) -> figure:
    plot = _unit_square("false positive rate", "true positive rate")
    for part, color in colored(report.roc):
        curve = report.roc[part]
        auc = report.metrics.get(part, {}).get("auc")
        name = label(part) + (f"  {auc:.4f}" if auc is not None else "")
        across, up = list(map(float, curve.false_rate)), list(map(float, curve.true_rate))
        line = plot.line(across, up, line_color=color, line_width=2, legend_label=name)
        hover(plot, line, [("false", "@x{0.000}"), ("true", "@y{0.000}")])
    legend(plot, "bottom_right")
    return plot


def _calibration(report: Report) -> figure:
    plot = _unit_square("mean predicted probability", "observed share of positives")
    for part, color in colored(report.calibration):
        bins = report.calibration[part]
        data: dict[str, Any] = {
            "x": [one.predicted for one in bins],
            "y": [one.observed for one in bins],
            "rows": [one.rows for one in bins],
        }
        plot.line(
            "x",
            "y",
            source=ColumnDataSource(data),
            line_color=color,
            line_width=2,
            legend_label=label(part),
        )
        dots = plot.scatter(
            "x", "y", source=ColumnDataSource(data), size=7, color=color, legend_label=label(part)
        )
        tips = [("predicted", "@x{0.000}"), ("observed", "@y{0.000}"), ("rows", "@rows{0,0}")]
        hover(plot, dots, tips)
    legend(plot, "top_left")
    return plot


def _importance(gains: Mapping[str, float]) -> figure:
    top = sorted(gains.items(), key=lambda item: -item[1])[:FEATURES_SHOWN][::-1]
    total = sum(gains.values())
    shares = [gain / total for _, gain in top]
    names = [name for name, _ in top]
    plot = canvas(
        60 + 22 * len(top), y_range=(-0.6, len(top) - 0.4), x_range=(0, shares[-1] * 1.05)
    )
    data: dict[str, Any] = {"y": list(range(len(top))), "share": shares, "name": names}
    bars = plot.hbar("y", 0.62, "share", source=ColumnDataSource(data), color=BLUE)
    named_rows(plot, names)
    plot.xaxis.formatter = NumeralTickFormatter(format="0 %")
    hover(plot, bars, [("feature", "@name"), ("share of gain", "@share{0.00 %}")])
    return plot


def _memory(steps: Sequence[StepMemory]) -> figure:
    """Draw the plan as a wide bar and the measurement as a narrow one inside it."""
    data: dict[str, Any] = {
        "y": list(range(len(steps))),
        "step": [one.step for one in steps],
        "planned": [one.projected / GIB for one in steps],
        "measured": [math.nan if one.measured is None else one.measured / GIB for one in steps],
    }
    limits = {one.limit / GIB for one in steps if one.limit}
    widest = max(*data["planned"], *filter(math.isfinite, data["measured"]), *limits, 0.0)
    plot = canvas(
        110 + 44 * len(steps), y_range=(-0.6, len(steps) - 0.4), x_range=(0, widest * 1.04)
    )
    source = ColumnDataSource(data)
    for name, width, alpha in (("planned", 0.62, 0.28), ("measured", 0.26, 1.0)):
        bars = plot.hbar(
            "y",
            width,
            name,
            source=source,
            color=BLUE,
            fill_alpha=alpha,
            line_alpha=0,
            legend_label=name,
        )
        hover(plot, bars, [("step", "@step"), (name, f"@{name}{{0.000}} GiB")])
    for limit in limits:
        plot.add_layout(Span(location=limit, dimension="height", line_color=RED, line_width=2))
    named_rows(plot, data["step"])
    plot.xaxis.axis_label = "GiB per worker"
    legend(plot, "top_left")
    plot.legend.orientation = "horizontal"
    plot.legend.margin, plot.legend.spacing = 0, 18
    plot.add_layout(plot.legend[0], "above")
    return plot
