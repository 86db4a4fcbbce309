"""The figures of a training: each followed metric by round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bokeh.models.annotations import Span
from bokeh.plotting import figure

from engine.metrics import HIGHER_IS_BETTER, base_name, higher_is_better
from jobs.report.canvas import INK, Drawn, canvas, colored, hover, label, legend, waiting
from jobs.report.metric_names import in_order, title

POINTS_SHOWN = 500

Line = tuple[list[float], list[float]]
"""Rounds and values."""


def learning_curves(history: Sequence[Mapping[str, float]], best: int | None) -> list[Drawn]:
    """Draw a figure for each metric in a history, in the order of the page.

    Args:
        history: One entry per boosting round; keys end in a metric's name.
        best: Round that is marked.
    """
    found = lines(history)
    return [_drawn(metric, found[metric], best) for metric in in_order(found)]


def lines(history: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Line]]:
    """Return for each metric its lines by name.

    A key belongs to the metric it ends in: "valid_log_loss" is the line "valid" of log_loss.
    Long histories are thinned to ``POINTS_SHOWN`` rounds, the last one kept.
    """
    stride = -(-len(history) // POINTS_SHOWN) or 1
    chosen = sorted({*range(0, len(history), stride), len(history) - 1} - {-1})
    found: dict[str, dict[str, Line]] = {}
    for place in chosen:
        for key, value in history[place].items():
            if metric := _metric(key):
                line = key.removesuffix(metric).strip(" _-./:") or metric
                rounds, values = found.setdefault(metric, {}).setdefault(line, ([], []))
                rounds.append(history[place].get("round", place + 1))
                values.append(value)
    return found


def _metric(key: str) -> str | None:
    """Return the metric that a key ends in, the longest that there is."""
    base = base_name(key)
    names = [name for name in HIGHER_IS_BETTER if base.endswith(name)]
    return max(names, key=len) + key.removeprefix(base) if names else None


def _drawn(metric: str, found: Mapping[str, Line], best: int | None) -> Drawn:
    ends = "; ".join(f"{name} ends at {values[-1]:.5g}" for name, (_, values) in found.items())
    alt = f"{title(metric)} by round: {ends}"
    note = f"round {best:,} is kept" if best is not None else ""
    return Drawn(waiting(_draw(metric, found, best)), f"{title(metric)} by round", note, alt)


def _draw(metric: str, found: Mapping[str, Line], best: int | None) -> figure:
    plot = canvas(280)
    plot.xaxis.axis_label = "round"
    for name, color in colored(found):
        rounds, values = found[name]
        line = plot.line(rounds, values, line_color=color, line_width=2, legend_label=label(name))
        hover(plot, line, [("round", "@x"), (label(name), "@y{0.00000}")])
    if best is not None:
        plot.add_layout(Span(location=best, dimension="height", line_color=INK, line_dash="4 4"))
    legend(plot, "bottom_right" if higher_is_better(metric) else "top_right")
    return plot
