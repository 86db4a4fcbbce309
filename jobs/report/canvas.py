"""Empty figures and their parts in the style of millrace's pages: drawn by Bokeh, for any theme."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal

from bokeh.document import Document
from bokeh.models import HoverTool
from bokeh.plotting import figure
from bokeh.resources import Resources
from markupsafe import Markup

# Told apart by the colour-blind, readable on white and on near-black.
BLUE, ORANGE, GREEN, PURPLE, RED = "#3d7ab8", "#d0802f", "#3f9b76", "#8b6fb3", "#b5566b"
INK = "#7f8891"  # axes and labels: enough contrast on both backgrounds
FONT = "system-ui, sans-serif"
LABEL_LENGTH = 34
PARTS = {"valid": BLUE, "test": ORANGE, "train": GREEN}
"""One colour per part of the data on the whole page."""


@dataclass(frozen=True)
class Chart:
    """A figure that waits to be drawn.

    Attributes:
        item: JSON of Bokeh's ``embed_item``, with no character that could end a script element.
        height: Pixels; the place is kept free until the figure is there.
    """

    item: Markup
    height: int


@dataclass(frozen=True)
class Drawn:
    """A figure with what is said of it.

    Attributes:
        chart: The figure.
        title: What it shows.
        note: What else must be known to read it; empty: nothing.
        alt: What it says, for those who do not see it.
    """

    chart: Chart
    title: str
    note: str
    alt: str


def label(text: str, length: int = LABEL_LENGTH) -> str:
    """Return a name for an axis: short, and with no delimiter that Bokeh takes for TeX.

    Args:
        text: Any text.
        length: Characters that are kept.
    """
    plain = text.replace("$$", "$\u200b$").replace("\\(", "\\\u200b(").replace("\\[", "\\\u200b[")
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def canvas(height: int, **options: Any) -> figure:
    """Return an empty figure in the page's style: no frame, no tools, faint lines.

    Args:
        height: Pixels; the width is that of the page.
        **options: Further arguments of Bokeh's ``figure``.
    """
    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        min_border_right=16,
        **options,
    )
    plot.grid.grid_line_color = INK
    plot.grid.grid_line_alpha = 0.22
    for name in ("axis_line_color", "major_tick_line_color", "minor_tick_line_color"):
        setattr(plot.axis, name, None)
    for name in ("major_label_text", "axis_label_text"):
        setattr(plot.axis, f"{name}_color", INK)
        setattr(plot.axis, f"{name}_font", FONT)
        setattr(plot.axis, f"{name}_font_size", "12px")
    plot.axis.axis_label_text_font_style = "normal"
    return plot


def hover(plot: figure, renderer: Any, tips: Sequence[tuple[str, str]]) -> None:
    """Show values of the mark under the pointer; Bokeh escapes them.

    Args:
        plot: The figure.
        renderer: The marks.
        tips: Pairs of a heading and a Bokeh field such as ``@rows{0,0}``.
    """
    plot.add_tools(HoverTool(renderers=[renderer], tooltips=list(tips), mode="mouse"))


def named_rows(plot: figure, names: Sequence[str], length: int = LABEL_LENGTH) -> None:
    """Put names beside whole numbers: two names may look alike once they are cut short.

    Args:
        plot: The figure; row 0 is at the bottom.
        names: Name of each row.
        length: Characters of a name that are kept.
    """
    plot.yaxis.ticker = list(range(len(names)))
    plot.yaxis.major_label_overrides = {at: label(name, length) for at, name in enumerate(names)}
    plot.ygrid.grid_line_color = None


def colored(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return each name with its colour; strangers take turns with the colours that are left."""
    spare = cycle((PURPLE, RED))
    return [(name, PARTS.get(name) or next(spare)) for name in names]


def legend(
    plot: figure, place: Literal["top_left", "top_right", "bottom_left", "bottom_right"]
) -> None:
    """Put the legend of a figure in a corner, without a frame."""
    plot.legend.location = place
    plot.legend.background_fill_alpha = 0
    plot.legend.margin, plot.legend.spacing = 4, 0
    plot.legend.border_line_alpha = 0
    plot.legend.label_text_color = INK
    plot.legend.label_text_font = FONT
    plot.legend.label_text_font_size = "12px"


def waiting(plot: figure) -> Chart:
    """Return a figure as JSON that the page draws when it scrolls into view.

    Args:
        plot: The figure, of a fixed height.
    """
    document = Document()  # what ``json_item`` does, without its copies: twice as fast
    document.add_root(plot)
    item = {"root_id": plot.id, "doc": document.to_json(deferred=False)}
    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Chart(Markup(safe), int(plot.height or 0))


def library() -> Markup:
    """Return Bokeh itself as script elements."""
    return Markup(Resources(mode="inline", components=["bokeh"]).render_js())
