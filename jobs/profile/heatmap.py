"""The figures of a profile's page: how columns go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from jobs.report.canvas import BLUE, INK, ORANGE, Chart, canvas, hover, label, named_rows, waiting

CELLS_SHOWN = 40
"""Columns of a heatmap; a cell stays wide enough to point at."""
FAINT = 0.05
"""An association under this is grey on a heatmap."""


@dataclass(frozen=True)
class Heatmap:
    """A matrix of associations.

    Attributes:
        title: What the numbers are.
        rows: Rows that were looked at; ``None``: all of them.
        shown: Columns in the figure.
        columns: Columns in the matrix.
        pairs: The strongest pairs and their value.
        chart: The figure.
    """

    title: str
    rows: int | None
    shown: int
    columns: int
    pairs: Sequence[tuple[str, str, float]]
    chart: Chart


def heatmap(
    title: str, names: Sequence[str], matrix: Sequence[Sequence[float | None]], rows: int | None
) -> Heatmap | None:
    """Draw a matrix of associations; of a wide one the columns with the strongest pairs.

    Args:
        title: What the numbers are.
        names: Name of each row and column, n of them.
        matrix: n rows of n values between -1 and 1; ``None`` where there is no value.
        rows: Rows of the sample; ``None``: all rows were counted.
    """
    if len(names) < 2:
        return None
    pairs = _pairs(matrix)
    kept = _strongest(pairs, len(names))
    told = [(names[i], names[j], value) for i, j, value in pairs[:10]]
    figure_of = _matrix([names[i] for i in kept], [[matrix[i][j] for j in kept] for i in kept])
    return Heatmap(title, rows, len(kept), len(names), told, waiting(figure_of))


def _pairs(matrix: Sequence[Sequence[float | None]]) -> list[tuple[int, int, float]]:
    """Return the pairs that have a value, the strongest first."""
    found = [
        (i, j, value)
        for i, row in enumerate(matrix)
        for j, value in enumerate(row[:i])
        if value is not None
    ]
    return sorted(found, key=lambda pair: -abs(pair[2]))


def _strongest(pairs: Sequence[tuple[int, int, float]], n: int) -> list[int]:
    """Return the columns to draw, in the order of the data."""
    if n <= CELLS_SHOWN:
        return list(range(n))
    kept: set[int] = set()
    for i, j, _ in pairs:
        if len(kept | {i, j}) <= CELLS_SHOWN:
            kept |= {i, j}
    return sorted(kept)


def _tint(value: float) -> str:
    if abs(value) < FAINT:
        return INK
    return BLUE if value > 0 else ORANGE


def _matrix(names: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> figure:
    n = len(names)
    cells = [(i, j, value) for i, row in enumerate(matrix) for j, value in enumerate(row)]
    known = [(i, j, value) for i, j, value in cells if value is not None]
    data: dict[str, Any] = {
        "x": [j for _, j, _ in known],
        "y": [n - 1 - i for i, _, _ in known],
        "row": [names[i] for i, _, _ in known],
        "column": [names[j] for _, j, _ in known],
        "value": [value for _, _, value in known],
        "color": [_tint(value) for _, _, value in known],
        "alpha": [max(0.08, min(1.0, abs(value))) for _, _, value in known],
    }
    plot = canvas(130 + max(22, 34 - n // 2) * n, x_range=(-0.5, n - 0.5), y_range=(-0.5, n - 0.5))
    drawn = plot.rect(
        "x",
        "y",
        0.94,
        0.94,
        source=ColumnDataSource(data),
        fill_color="color",
        fill_alpha="alpha",
        line_color=None,
    )
    named_rows(plot, names[::-1], 18)
    plot.xaxis.ticker = list(range(n))
    plot.xaxis.major_label_overrides = {at: label(name, 18) for at, name in enumerate(names)}
    plot.xaxis.major_label_orientation = 0.9
    plot.grid.grid_line_color = None
    hover(plot, drawn, [("row", "@row"), ("column", "@column"), ("value", "@value{0.0000}")])
    return plot
