"""The page that a run leaves behind: one HTML file, readable offline, for a person to judge by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from engine.metrics import HIGHER_IS_BETTER, base_name
from jobs.report.importance import ranked
from jobs.report.metric_names import COUNTS, in_order, title
from jobs.report.outcome import Report
from jobs.report.quality import SliceScore
from jobs.report.template import templates
from jobs.report.tiles import directed, findings, leading, tiles
from jobs.report.wording import ROWS_SHOWN, clock, count, number, share, size, whole

if TYPE_CHECKING:
    from jinja2 import Environment

    from jobs.report.charts import Charts

SECTIONS: Mapping[str, tuple[str, Callable[[Report, Charts], object]]] = {
    "quality": ("Quality", lambda report, _: report.quality.results),
    "curves": ("Ranking of scores", lambda _, charts: charts.of("curves")),
    "calibration": ("Calibration", lambda _, charts: charts.of("calibration")),
    "decision": (
        "Decisions",
        lambda report, charts: (
            charts.of("decision") or report.quality.by_class or report.quality.confusion
        ),
    ),
    "residuals": ("Residuals", lambda _, charts: charts.of("residuals")),
    "slices": ("Slices", lambda report, _: report.quality.slices),
    "cross-validation": ("Cross-validation", lambda report, _: report.quality.cross_validation),
    "learning": ("Learning curves", lambda _, charts: charts.of("learning")),
    "tuning": ("Tuning", lambda report, _: report.model.tuning),
    "importance": ("Importance", lambda report, _: ranked(report.model.importance)),
    "contributions": ("Contributions", lambda report, _: report.model.contributions),
    "dependence": ("Partial dependence", lambda _, charts: charts.of("dependence")),
    "features": ("Features", lambda report, _: report.model.features),
    "data": ("Data", lambda report, _: report.data),
    "ledger": ("Scoring ledger", lambda report, _: report.ledger),
    "watched": ("What was read and said", lambda report, _: report.watched),
    "memory": ("Memory", lambda report, _: report.memory),
    "provenance": ("Provenance", lambda report, _: _has_provenance(report)),
    "outputs": ("Where it is", lambda report, _: report.outputs),
}
"""Sections of the page by their anchor, which is also the name of the template: title, and what
must be there for the section to be."""


def render(report: Report) -> str:
    """Return the page as text: self-contained, and no request leaves it.

    Args:
        report: What the run came to. All text in it is treated as untrusted and is escaped.
    """
    from jobs.report.charts import draw

    quality = report.quality
    charts = draw(report)
    part = quality.furthest or ""
    baselines = {name: parts[part] for name, parts in quality.baselines.items() if part in parts}
    contents = {name: said for name, (said, there) in SECTIONS.items() if there(report, charts)}
    lead = leading(quality, report.metric)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            quality=quality,
            model=report.model,
            contents=contents,
            tiles=tiles(report),
            findings=findings(report),
            charts=charts,
            lead=lead,
            baselines=baselines,
            metric_names=_shown([*quality.results.values(), *baselines.values()]),
            slice_names=_beside(lead, (one.results for one in quality.slices)),
            longest=_longest(lead, quality.slices),
            fold_names=_shown(quality.cross_validation.folds if quality.cross_validation else ()),
            importance=ranked(report.model.importance),
            rows_shown=ROWS_SHOWN,
        )
    )


def _environment() -> Environment:
    pages = templates()
    pages.filters.update(
        size=size, count=count, whole=whole, number=number, share=share, clock=clock
    )
    pages.globals.update(title=title, arrow=_arrow, counts=COUNTS)
    return pages


def _has_provenance(report: Report) -> bool:
    found = report.provenance
    return any((found.job, found.params, found.digests, found.facts, found.versions))


def _shown(columns: Iterable[Mapping[str, float]]) -> dict[str, str]:
    """Return the metrics a table has rows for; an error bound that is 0 everywhere needs none."""
    tables = list(columns)
    present = {name for results in tables for name in results}
    bounds = {name for name in present if name.endswith("_error")}
    present -= {name for name in bounds if not any(t.get(name, 0.0) > 0.0 for t in tables)}
    return {name: title(name) for name in in_order(present)}


def _beside(lead: str | None, columns: Iterable[Mapping[str, float]]) -> dict[str, str]:
    """Return the few metrics that stand beside the leading one in a narrow table."""
    names = [name for name in _shown(columns) if directed(name) and name != lead]
    return {name: title(name) for name in names[:4]}


def _longest(lead: str | None, slices: Iterable[SliceScore]) -> float:
    """Return the value of the longest bar of the slices; 0 when there is none."""
    found = (abs(one.results.get(lead or "", 0.0)) for one in slices)
    return max((value for value in found if math.isfinite(value)), default=0.0)


def _arrow(metric: str) -> str:
    """Return where better values of a metric are; nothing for counts and bounds."""
    higher = HIGHER_IS_BETTER.get(base_name(metric))
    return "" if higher is None else "↑" if higher else "↓"
