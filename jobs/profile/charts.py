"""The figures of a profile's page: columns and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from bokeh.models import (
    BasicTicker,
    BasicTickFormatter,
    ColumnDataSource,
    DatetimeTicker,
    DatetimeTickFormatter,
    NumeralTickFormatter,
    Quad,
    Segment,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from engine.profile.features import DECIDES_AUC, DECIDES_SHARE
from jobs.profile.figures import BARS_SHOWN, MEASURES, Column, cell, common, strength
from jobs.report.canvas import BLUE, INK, ORANGE, RED, Chart, canvas, hover, named_rows, waiting
from jobs.report.wording import count

FEATURES_SHOWN = 30
HISTOGRAM_HEIGHT = 172


def column_chart(column: Column) -> Chart | None:
    """Draw the distribution of a column; ``None`` where there is nothing to see.

    Args:
        column: A column of the profile.
    """
    if column["constant"]:
        return None
    if column["histogram"] and sum(column["histogram"]["counts"]):
        return waiting(_histogram(column))
    frequent = column["top"]
    if not frequent or frequent[0]["count"] <= 1:
        return None
    return waiting(_bars(frequent[:BARS_SHOWN]))


def balance_chart(target: Mapping[str, Any]) -> Chart | None:
    """Draw how the values of the target share the rows.

    Args:
        target: The target of the profile.
    """
    balance = common(target)
    return waiting(_bars(balance)) if balance else None


def feature_chart(features: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Draw the strength of the features, the strongest at the top; a red line marks suspects.

    Args:
        features: Features that have a value, of one scale: all AUC, or none.
    """
    top = list(features[:FEATURES_SHOWN])[::-1]
    if not top:
        return None
    start, line = (0.5, DECIDES_AUC) if top[0]["measure"] == "auc" else (0.0, DECIDES_SHARE)
    plot = canvas(46 + 24 * len(top), y_range=(-0.6, len(top) - 0.4), x_range=(start, 1.004))
    data: dict[str, Any] = {
        "y": list(range(len(top))),
        "strength": [strength(one) for one in top],
        "name": [one["name"] for one in top],
        "value": [one["value"] for one in top],
        "error": [one["error"] or 0.0 for one in top],
        "measure": [MEASURES[one["measure"]] for one in top],
        "color": [RED if one["suspect"] else BLUE for one in top],
    }
    bars = plot.hbar(
        "y", 0.62, "strength", left=start, source=ColumnDataSource(data), color="color"
    )
    plot.add_layout(Span(location=line, dimension="height", line_color=RED, line_width=1.5))
    named_rows(plot, data["name"])
    tips = [("feature", "@name"), ("measure", "@measure"), ("value", "@value{0.0000}")]
    hover(plot, bars, [*tips, ("± at most", "@error{0.0000}")])
    return waiting(plot)


def _histogram(column: Column) -> figure:
    """Draw the histogram, and under it the quantiles on the same axis."""
    timed = column["role"] == "time"
    scale = 1000.0 if timed else 1.0  # Bokeh counts milliseconds, the profile seconds
    edges = [edge * scale for edge in column["histogram"]["edges"]]
    counts = column["histogram"]["counts"]
    top = max(counts)
    pad = (edges[-1] - edges[0]) * 0.01 or 0.5
    plot = canvas(
        HISTOGRAM_HEIGHT,
        x_range=(edges[0] - pad, edges[-1] + pad),
        y_range=(-0.24 * top, 1.04 * top),
        x_axis_type="datetime" if timed else "linear",
    )
    told = [cell(column, _written(edge / scale, timed)) for edge in edges]
    data: dict[str, Any] = {
        "left": edges[:-1],
        "right": edges[1:],
        "top": counts,
        "bin": [f"{low} to {high}" for low, high in pairwise(told)],
    }
    shape = Quad(left="left", right="right", top="top", bottom=0, fill_color=BLUE, line_color=None)
    bars = plot.add_glyph(ColumnDataSource(data), shape)
    hover(plot, bars, [("values", "@bin"), ("rows", "@top{0,0}")])
    _dress(plot, top, timed=timed)
    _quantile_strip(plot, column, -0.14 * top, 0.1 * top)
    return plot


def _dress(plot: figure, top: int, *, timed: bool) -> None:
    """Leave two labels on the count axis, and few on the other."""
    plot.yaxis.ticker = [0, top]
    plot.yaxis.major_label_overrides = {0: "0", top: count(top)}
    plot.xgrid.grid_line_color = None
    plot.min_border_left = 50  # the histograms of the page stand in line
    if timed:
        plot.xaxis.ticker = DatetimeTicker(desired_num_ticks=4)
        plot.xaxis.formatter = DatetimeTickFormatter(
            hourmin="%H:%M", hours="%H:%M", days="%d %b %Y", months="%b %Y", years="%Y"
        )
    else:
        plot.xaxis.ticker = BasicTicker(desired_num_ticks=5)
        plot.xaxis.formatter = BasicTickFormatter(power_limit_high=7)


def _written(edge: float, timed: bool) -> object:
    return datetime.fromtimestamp(edge, UTC).isoformat() if timed else edge


def _quantile_strip(plot: figure, column: Column, middle: float, height: float) -> None:
    """Draw 1 to 99 % as a line, the middle half as a box, the median as a stroke."""
    found = column["quantiles"] or {}
    at = {p: place for p, value in found.items() if (place := _place(value)) is not None}
    if not {"0.25", "0.5", "0.75"} <= set(at):
        return
    low, high = at.get("0.01", at["0.25"]), at.get("0.99", at["0.75"])
    data: dict[str, Any] = {"left": [at["0.25"]], "right": [at["0.75"]]}
    data |= {f"q{i}": [cell(column, value)] for i, value in enumerate(found.values())}
    shape = Quad(
        left="left",
        right="right",
        top=middle + height / 2,
        bottom=middle - height / 2,
        fill_color=ORANGE,
        fill_alpha=0.45,
        line_color=ORANGE,
    )
    box = plot.add_glyph(ColumnDataSource(data), shape)
    strokes: dict[str, Any] = {
        "x0": [low, at["0.5"]],
        "y0": [middle, middle - height],
        "x1": [high, at["0.5"]],
        "y1": [middle, middle + height],
        "color": [INK, ORANGE],
        "width": [1, 3],
    }
    plot.add_glyph(ColumnDataSource(strokes), Segment(line_color="color", line_width="width"))
    hover(plot, box, [(f"{100 * float(p):g} %", f"@q{i}") for i, p in enumerate(found)])


def _place(value: object) -> float | None:
    """Return where a quantile lies on the axis; a time of day has no place on it."""
    if not isinstance(value, str):
        return None if value is None else float(value)  # type: ignore[arg-type]
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return 1000 * (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _bars(frequent: Sequence[Mapping[str, Any]]) -> figure:
    """Draw a bar for each value and its count, the first at the top."""
    bars = frequent[::-1]
    shares = [one["share"] for one in bars]
    widest = max(shares) or 1.0
    plot = canvas(40 + 22 * len(bars), y_range=(-0.6, len(bars) - 0.4), x_range=(0, widest * 1.03))
    names = ["(empty)" if one["value"] == "" else str(one["value"]) for one in bars]
    data: dict[str, Any] = {
        "y": list(range(len(bars))),
        "share": shares,
        "rows": [one["count"] for one in bars],
        "value": names,
    }
    drawn = plot.hbar("y", 0.66, "share", source=ColumnDataSource(data), color=BLUE)
    named_rows(plot, names, 22)
    plot.xaxis.ticker = BasicTicker(desired_num_ticks=4)
    plot.xaxis.formatter = NumeralTickFormatter(format="0 %" if widest > 0.05 else "0.[00] %")
    hover(plot, drawn, [("value", "@value"), ("rows", "@rows{0,0}"), ("share", "@share{0.00 %}")])
    return plot
