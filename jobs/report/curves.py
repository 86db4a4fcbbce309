"""Figures of probabilities: how well they rank, what they are worth, where to cut them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from engine.metrics import CalibrationBin
from jobs.report.canvas import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    Drawn,
    canvas,
    colored,
    hover,
    label,
    legend,
    waiting,
)
from jobs.report.metric_names import title
from jobs.report.quality import Curve, Quality, Thresholds

SQUARE = 340
"""Height of a figure over the unit square, pixels."""


def curves(quality: Quality) -> list[Drawn]:
    """Draw how well the scores rank: ROC, precision and recall, gain, lift."""
    found = []
    if quality.roc:
        found.append(_roc(quality))
    if quality.pr:
        found.append(_pr(quality))
    if quality.gain:
        found += [_gain(quality.gain), _lift(quality.gain)]
    return found


def calibrated(quality: Quality) -> list[Drawn]:
    """Draw whether probabilities are those that come true, and how many rows have which."""
    if not quality.calibration:
        return []
    drawn = [_reliability(quality)]
    part = next((name for name in ("test", "valid") if name in quality.calibration), None)
    bins = quality.calibration.get(part or "", ())
    if part and sum(one.rows for one in bins):
        drawn.append(_probabilities(part, bins))
    return drawn


def thresholds(part: str, found: Thresholds, chosen: float | None) -> Drawn:
    """Draw what a threshold does; the chosen one is a dashed line.

    Args:
        part: Part of the data.
        found: Metrics at each threshold.
        chosen: The threshold of the model, if it has one.
    """
    plot = canvas(320, x_range=(0, 1), y_range=(-0.01, 1.01))
    plot.xaxis.axis_label = "threshold"
    names = [name for name in found.by_metric if max(found.by_metric[name], default=0) <= 1]
    for name, color in zip(names, (BLUE, ORANGE, GREEN, PURPLE, RED), strict=False):
        x, y = list(found.threshold), list(found.by_metric[name])
        drawn = plot.line(x, y, line_color=color, line_width=2, legend_label=title(name))
        hover(plot, drawn, [("threshold", "@x{0.000}"), (title(name), "@y{0.000}")])
    if chosen is not None:
        plot.add_layout(Span(location=chosen, dimension="height", line_color=INK, line_dash="4 4"))
    legend(plot, "bottom_left")
    said = "" if chosen is None else f"; the dashed line is the threshold {chosen:.3g}"
    alt = f"{', '.join(title(name) for name in names)} against the threshold, {part} rows{said}"
    return Drawn(waiting(plot), "Choice of the threshold", f"{part} rows{said}", alt)


def _square(across: str, up: str, diagonal: bool = True) -> figure:
    """Return a canvas over [0, 1] x [0, 1], with the diagonal drawn in if it means anything."""
    plot = canvas(SQUARE, x_range=(-0.01, 1.01), y_range=(-0.01, 1.01))
    plot.xaxis.axis_label, plot.yaxis.axis_label = across, up
    if diagonal:
        plot.line([0, 1], [0, 1], line_color=INK, line_dash="4 4", line_width=1)
    return plot


def _lines(
    plot: figure, found: Mapping[str, Curve], said: Mapping[str, str], tips: tuple[str, str]
) -> None:
    for part, color in colored(found):
        across, up = (list(map(float, line)) for line in (found[part].across, found[part].up))
        name = f"{label(part)}  {said[part]}" if said.get(part) else label(part)
        line = plot.line(across, up, line_color=color, line_width=2, legend_label=name)
        hover(plot, line, [(tips[0], "@x{0.000}"), (tips[1], "@y{0.000}")])


def _areas(quality: Quality, metric: str, parts: Mapping[str, Curve]) -> dict[str, str]:
    values = {part: quality.results.get(part, {}).get(metric) for part in parts}
    return {part: f"{value:.4f}" for part, value in values.items() if value is not None}


def _told(areas: Mapping[str, str], name: str) -> str:
    return "; ".join(f"{name} of {part} {value}" for part, value in areas.items())


def _roc(quality: Quality) -> Drawn:
    plot = _square("false positive rate", "true positive rate")
    areas = _areas(quality, "auc", quality.roc)
    _lines(plot, quality.roc, areas, ("false", "true"))
    legend(plot, "bottom_right")
    alt = f"ROC curve. {_told(areas, 'Area')}"
    return Drawn(waiting(plot), "ROC curve", "the diagonal is chance", alt)


def _pr(quality: Quality) -> Drawn:
    plot = _square("recall", "precision", diagonal=False)
    areas = _areas(quality, "average_precision", quality.pr)
    _lines(plot, quality.pr, areas, ("recall", "precision"))
    note = ""
    results = quality.results.get(quality.furthest or "", {})
    if results.get("rows") and "positives" in results:
        share = results["positives"] / results["rows"]
        plot.add_layout(
            Span(location=share, dimension="width", line_color=INK, line_dash="4 4", line_width=1)
        )
        note = f"chance is the share of positives, {share:.3f}"
    legend(plot, "bottom_left")
    alt = f"Precision against recall. {_told(areas, 'Area')}"
    return Drawn(waiting(plot), "Precision and recall", note, alt)


def _gain(found: Mapping[str, Curve]) -> Drawn:
    plot = _square("share of the rows, the highest scores first", "share of the positives found")
    plot.xaxis.formatter = plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    _lines(plot, found, {}, ("rows", "positives"))
    legend(plot, "bottom_right")
    told = "; ".join(
        f"the first tenth of the {part} rows holds {_at(curve, 0.1):.0%} of the positives"
        for part, curve in found.items()
    )
    return Drawn(waiting(plot), "Gain", "the diagonal is chance", f"Cumulative gain: {told}")


def _lift(found: Mapping[str, Curve]) -> Drawn:
    lifts = {part: _lifted(curve) for part, curve in found.items()}
    plot = canvas(SQUARE, x_range=(-0.01, 1.01))
    plot.xaxis.axis_label = "share of the rows, the highest scores first"
    plot.yaxis.axis_label = "times as many positives as by chance"
    plot.xaxis.formatter = NumeralTickFormatter(format="0 %")
    plot.add_layout(Span(location=1, dimension="width", line_color=INK, line_dash="4 4"))
    _lines(plot, lifts, {}, ("rows", "lift"))
    legend(plot, "top_right")
    told = "; ".join(
        f"{_at(curve, 0.1) / 0.1:.2f} in the first tenth of the {part} rows"
        for part, curve in found.items()
    )
    return Drawn(waiting(plot), "Lift", "1 is chance", f"Lift: {told}")


def _lifted(curve: Curve) -> Curve:
    # The first hundredth of the rows is noise, and would set the scale of the axis.
    pairs = [(x, y / x) for x, y in zip(curve.across, curve.up, strict=True) if x >= 0.01]
    return Curve([x for x, _ in pairs], [y for _, y in pairs])


def _at(curve: Curve, where: float) -> float:
    """Return the value of a rising curve at a place, on the line between its points."""
    before = (0.0, 0.0)
    for x, y in zip(curve.across, curve.up, strict=True):
        if x >= where:
            width = x - before[0]
            return before[1] + (y - before[1]) * ((where - before[0]) / width if width else 1.0)
        before = (x, y)
    return before[1]


def _reliability(quality: Quality) -> Drawn:
    plot = _square("mean predicted probability", "observed share of positives")
    for part, color in colored(quality.calibration):
        bins = quality.calibration[part]
        source = ColumnDataSource(
            {
                "x": [one.predicted for one in bins],
                "y": [one.observed for one in bins],
                "rows": [one.rows for one in bins],
            }
        )
        named: dict[str, Any] = {"source": source, "legend_label": label(part)}
        plot.line("x", "y", line_color=color, line_width=2, **named)
        dots = plot.scatter("x", "y", size=7, color=color, **named)
        tips = [("predicted", "@x{0.000}"), ("observed", "@y{0.000}"), ("rows", "@rows{0,0}")]
        hover(plot, dots, tips)
    legend(plot, "top_left")
    note = "on the diagonal probabilities hold"
    told = "; ".join(
        f"{part}: {_distance(bins):.3f} off on average"
        for part, bins in quality.calibration.items()
        if sum(one.rows for one in bins)
    )
    alt = f"Observed share of positives against predicted probability. {told}"
    return Drawn(waiting(plot), "Calibration", note, alt)


def _distance(bins: Sequence[CalibrationBin]) -> float:
    """Return the expected calibration error: mean distance from the diagonal over the rows."""
    rows = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.predicted - one.observed) for one in bins) / rows


def _probabilities(part: str, bins: Sequence[CalibrationBin]) -> Drawn:
    most = max(range(len(bins)), key=lambda at: bins[at].rows)
    plot = canvas(SQUARE, x_range=(-0.01, 1.01), y_range=(0, 1.05 * bins[most].rows))
    plot.xaxis.axis_label, plot.yaxis.axis_label = "predicted probability", "rows"
    plot.yaxis.formatter = NumeralTickFormatter(format="0 a")
    lows = [min(int(one.predicted * BARS), BARS - 1) / BARS for one in bins]
    rows, positives = [one.rows for one in bins], [round(one.rows * one.observed) for one in bins]
    source = ColumnDataSource(
        {
            "left": [low + 0.004 for low in lows],
            "right": [low + 1 / BARS - 0.004 for low in lows],
            "positives": positives,
            "rows": rows,
        }
    )
    quads: dict[str, Any] = {"left": "left", "right": "right", "source": source, "line_color": None}
    upper = plot.quad(
        top="rows", bottom="positives", fill_color=BLUE, legend_label="negatives", **quads
    )
    lower = plot.quad(
        top="positives", bottom=0, fill_color=ORANGE, legend_label="positives", **quads
    )
    for bars in (upper, lower):
        hover(plot, bars, [("rows", "@rows{0,0}"), ("positives", "@positives{0,0}")])
    legend(plot, "top_right")
    alt = f"Rows by predicted probability, {part} rows: most are near {bins[most].predicted:.2f}"
    return Drawn(waiting(plot), "Predicted probabilities", f"{part} rows", alt)


BARS = 20
"""Bars over [0, 1]: the bins of `engine.metrics.binary`."""
