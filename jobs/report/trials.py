"""Figures of a search: what its trials came to, and where in the space they were."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from bokeh.models import BasicTicker, ColumnDataSource
from bokeh.plotting import figure

from jobs.report.canvas import BLUE, INK, ORANGE, Drawn, canvas, hover, label, legend, waiting
from jobs.report.metric_names import title
from jobs.report.modelling import Trial, Tuning

PARAMETERS_SHOWN = 12
_DECADES = 30.0
"""Ratio of largest to least value from which on a parameter has a logarithmic axis."""


def trial_figures(tuning: Tuning) -> list[Drawn]:
    """Draw the value of each trial with the best so far, and each parameter against the value.

    Args:
        tuning: The search.
    """
    known = [trial for trial in tuning.trials if trial.value is not None]
    if not known:
        return []
    names = list(dict.fromkeys(name for trial in known for name in trial.params))
    varied = [n for n in names if len({repr(t.params.get(n)) for t in known}) > 1]
    drawn = [_parameter(tuning, name, known) for name in varied[:PARAMETERS_SHOWN]]
    return [_by_number(tuning, known), *drawn]


def _by_number(tuning: Tuning, known: Sequence[Trial]) -> Drawn:
    plot = canvas(300)
    plot.xaxis.axis_label, plot.yaxis.axis_label = "trial", label(title(tuning.metric))
    finished = [trial for trial in known if trial.state == "done"]
    _dots(plot, "number", [t for t in known if t.state != "done"], INK, "ended early")
    _dots(plot, "number", finished, BLUE, "trial")
    best = list(accumulate((t.value or 0.0 for t in finished), max if tuning.higher else min))
    x = [trial.number for trial in finished]
    if finished:
        plot.step(
            x, best, mode="after", line_color=ORANGE, line_width=2, legend_label="best so far"
        )
    legend(plot, "bottom_right" if tuning.higher else "top_right")
    said = f"{len(tuning.trials):,} trials, {len(finished):,} of them to the end"
    told = f"; the best {title(tuning.metric)} is {best[-1]:.5g}" if best else ""
    return Drawn(waiting(plot), f"{title(tuning.metric)} by trial", said, said + told)


def _dots(
    plot: figure, across: str, trials: Sequence[Trial], color: str, name: str | None = None
) -> None:
    if not trials:
        return
    values = [t.number if across == "number" else t.params.get(across) for t in trials]
    data: dict[str, Any] = {
        "x": values,
        "y": [t.value for t in trials],
        "number": [t.number for t in trials],
        "tried": [", ".join(f"{k} {_short(v)}" for k, v in t.params.items()) for t in trials],
    }
    named: dict[str, Any] = {"legend_label": name} if name else {}
    dots = plot.scatter("x", "y", size=7, color=color, source=ColumnDataSource(data), **named)
    hover(plot, dots, [("trial", "@number"), ("value", "@y{0.00000}"), ("tried", "@tried")])


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parameter(tuning: Tuning, name: str, known: Sequence[Trial]) -> Drawn:
    tried = [trial for trial in known if trial.params.get(name) is not None]
    values = [trial.params[name] for trial in tried]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    options: dict[str, Any] = {}
    if len(numbers) < len(values):
        options["x_range"] = sorted({label(str(value), 16) for value in values})
        tried = [
            Trial(t.number, t.value, t.state, {**t.params, name: label(str(t.params[name]), 16)})
            for t in tried
        ]
    elif min(numbers) > 0 and max(numbers) / min(numbers) >= _DECADES:
        options["x_axis_type"] = "log"
    plot = canvas(230, **options)
    if not options:
        plot.xaxis.ticker = BasicTicker(desired_num_ticks=5)
    plot.yaxis.axis_label = label(title(tuning.metric))
    _dots(plot, name, tried, BLUE)
    _dots(plot, name, [trial for trial in tried if trial.number == tuning.best], ORANGE)
    alt = f"{title(tuning.metric)} of each trial by {name}"
    return Drawn(waiting(plot), name, "orange: the trial that was taken", alt)
