"""The figure of a model's mistakes: which class it says for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from jobs.report.canvas import BLUE, INK, ORANGE, Drawn, canvas, hover, label, named_rows, waiting

COUNTED = 12
"""Classes up to which the share stands in each cell."""
_DARK = 0.55  # from this opacity on, white is read better than grey


def confusion_figure(names: Sequence[str], counts: Sequence[Sequence[int]], part: str) -> Drawn:
    """Draw a confusion matrix, with what is said of it.

    Args:
        names: The classes, k of them.
        counts: k rows of k counts: by true class and predicted class.
        part: Part of the data.
    """
    right = sum(counts[at][at] for at in range(len(names)))
    total = sum(map(sum, counts)) or 1
    note = "share of each true class that was predicted as which"
    alt = f"Confusion matrix of {len(names)} classes, {part} rows: {right / total:.1%} are right"
    return Drawn(waiting(confusion_matrix(names, counts)), "Confusion matrix", note, alt)


def confusion_matrix(names: Sequence[str], counts: Sequence[Sequence[int]]) -> figure:
    """Draw a confusion matrix: shares of each true class, right ones blue and wrong ones orange.

    Args:
        names: The classes, k of them.
        counts: k rows of k counts: by true class and predicted class.
    """
    k = len(names)
    source = ColumnDataSource(_cells(names, counts))
    plot = canvas(150 + max(20, 44 - k) * k, x_range=(-0.5, k - 0.5), y_range=(-0.5, k - 0.5))
    options: dict[str, Any] = {"source": source, "line_color": None}
    drawn = plot.rect("x", "y", 0.96, 0.94, fill_color="color", fill_alpha="alpha", **options)
    if k <= COUNTED:
        place: dict[str, Any] = {
            "text_align": "center",
            "text_baseline": "middle",
            "text_font_size": "12px",
        }
        plot.text("x", "y", "text", source=source, text_color="ink", **place)
    _name_axes(plot, names)
    tips = [("true", "@true"), ("predicted", "@said"), ("rows", "@rows{0,0}")]
    hover(plot, drawn, [*tips, ("of the true class", "@share{0.00 %}")])
    return plot


def _name_axes(plot: figure, names: Sequence[str]) -> None:
    named_rows(plot, names[::-1], 18)
    plot.xaxis.ticker = list(range(len(names)))
    plot.xaxis.major_label_overrides = {at: label(name, 18) for at, name in enumerate(names)}
    plot.xaxis.major_label_orientation = 0.9
    plot.xaxis.axis_label, plot.yaxis.axis_label = "predicted", "true"
    plot.grid.grid_line_color = None


def _cells(names: Sequence[str], counts: Sequence[Sequence[int]]) -> dict[str, Any]:
    k = len(names)
    cells = [(i, j, counts[i][j]) for i in range(k) for j in range(k)]
    shares = [rows / (sum(counts[i]) or 1) for i, _, rows in cells]
    alphas = [0.08 + 0.82 * share if share else 0.0 for share in shares]
    return {
        "x": [j for _, j, _ in cells],
        "y": [k - 1 - i for i, _, _ in cells],
        "true": [names[i] for i, _, _ in cells],
        "said": [names[j] for _, j, _ in cells],
        "rows": [rows for _, _, rows in cells],
        "share": shares,
        "text": [f"{100 * share:.0f} %" if share else "" for share in shares],
        "color": [BLUE if i == j else ORANGE for i, j, _ in cells],
        "alpha": alphas,
        "ink": ["white" if alpha > _DARK else INK for alpha in alphas],
    }
