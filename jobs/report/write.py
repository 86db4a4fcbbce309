"""The page that a run leaves behind: one HTML file, readable offline, for a person to judge by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.metrics import HIGHER_IS_BETTER, base_name
from jobs.report.metric_names import COUNTS, in_order, title
from jobs.report.outcome import (
    ClassCounts,
    Curve,
    DataSummary,
    Ledger,
    Report,
    SliceScore,
    StepMemory,
)
from jobs.report.template import templates

__all__ = [
    "ClassCounts",
    "Curve",
    "DataSummary",
    "Ledger",
    "Report",
    "SliceScore",
    "StepMemory",
    "render",
]

BASELINES: Mapping[str, str] = {
    "multiclass": "The baseline says the share of each class in the training rows.",
    "ranking": "The baseline gives all rows one score: they stay as the data have them.",
}
"""What the baseline of a task is; of others it is the mean."""

DASH = "\u2013"
ROWS_SHOWN = 100
"""Slices and quarantine reasons that are listed; the rest is only counted: the page stays small."""


@dataclass(frozen=True)
class Tile:
    """One headline figure: a label, the figure, and what to compare it with."""

    label: str
    figure: str
    note: str


def render(report: Report) -> str:
    """Return the page as text: self-contained, and no request leaves it."""
    from jobs.report.charts import draw

    pages = templates()
    pages.filters.update(
        size=size, count=count, whole=whole, number=number, share=share, clock=clock
    )
    return pages.get_template("report.html.j2").render(
        report=report,
        tiles=tiles(report),
        charts=draw(report),
        metric_names=_shown(report.metrics.values()),
        slice_names=_shown(part.results for part in report.slices),
        title=title,
        arrow=_arrow,
        counts=COUNTS,
        baseline=BASELINES.get(
            report.task or "", "The baseline says the mean of the training rows for every row."
        ),
        rows_shown=ROWS_SHOWN,
    )


def tiles(report: Report) -> list[Tile]:
    """Return the headline figures there are: quality, rows, scored rows, memory."""
    found = (_quality(report), _rows(report), _scored(report), _peak(report))
    return [tile for tile in found if tile]


def _quality(report: Report) -> Tile | None:
    """Return the chosen metric on the part that was kept out the furthest."""
    part = next((name for name in ("test", "valid") if name in report.metrics), None)
    if part is None:
        return None
    results, baseline = report.metrics[part], report.metrics.get("baseline", {})
    ranked = [name for name in in_order(results) if base_name(name) == "ndcg"]
    wanted = [report.metric or "", "auc", "rmse", "accuracy", *ranked[::-1], *in_order(results)]
    name = next((name for name in wanted if name in results and _arrow(name)), None)
    if name is None:
        return None
    note = f"baseline {number(baseline[name])}" if name in baseline else "no baseline"
    return Tile(f"{title(name)}, {part}", number(results[name]), note)


def _rows(report: Report) -> Tile | None:
    if report.data is None:
        return None
    files = f"in {report.data.files:,} file" + ("s" if report.data.files != 1 else "")
    return Tile("Rows read", count(sum(report.data.rows.values())), files)


def _scored(report: Report) -> Tile | None:
    if report.ledger is None:
        return None
    return Tile(
        "Rows scored", count(report.ledger.scored), f"{whole(report.ledger.refused)} quarantined"
    )


def _peak(report: Report) -> Tile | None:
    measured = [step for step in report.memory if step.measured is not None]
    if not measured:
        return None
    peak = max(measured, key=lambda step: step.measured or 0)
    note = f"of {size(peak.projected)} planned, {peak.step}"
    return Tile("Peak of a worker", size(peak.measured or 0), note)


def _shown(columns: Iterable[Mapping[str, float]]) -> dict[str, str]:
    """Return the metrics a table has rows for; an error bound that is 0 everywhere needs none."""
    tables = list(columns)
    present = {name for results in tables for name in results}
    if not any(results.get("auc_error", 0.0) > 0.0 for results in tables):
        present.discard("auc_error")
    return {name: title(name) for name in in_order(present)}


def _arrow(metric: str) -> str:
    """Return where better values of a metric are; nothing for counts and bounds."""
    higher = HIGHER_IS_BETTER.get(base_name(metric))
    return "" if higher is None else "↑" if higher else "↓"


def size(amount: int) -> str:
    """Return bytes in three digits: "1.23 GiB", "307 MiB"."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        # From nine tenths on, so that no unit needs four digits.
        if amount >= 0.9 * 2**power:
            return f"{_three(amount / 2**power)} {unit}"
    return f"{amount} B"


def count(amount: int) -> str:
    """Return a count in three digits: "12.3 M"; below ten thousand whole."""
    for power, unit in ((9, "G"), (6, "M"), (3, "k")):
        if amount >= max(10**power, 10_000):
            return f"{_three(amount / 10**power)} {unit}"
    return whole(amount)


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def whole(amount: float) -> str:
    """Return a count with thousands apart: "12,345,678"."""
    return f"{round(amount):,}"


def number(value: float) -> str:
    """Return a metric in about five significant digits; a dash when there is none."""
    if not math.isfinite(value):
        return DASH
    amount = abs(value)
    if amount == 0 or amount >= 10_000:
        return whole(value)
    text = f"{amount:.5f}" if 1e-3 <= amount < 10 else f"{amount:#.5g}"
    return "\u2212" * (value < 0) + text


def share(part: float, total: float) -> str:
    """Return a part of a total in percent, never rounded to all or nothing; a dash without rows."""
    if not total:
        return DASH
    percent = 100 * part / total
    if 0 < percent < 0.01:
        return "< 0.01 %"
    return "> 99.99 %" if 99.99 < percent < 100 else f"{percent:.2f} %"


def clock(seconds: float) -> str:
    """Return a duration: "3.2 s", "4 min 10 s", "2 h 5 min"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
