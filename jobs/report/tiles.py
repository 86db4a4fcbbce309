"""The headline of a report: a few figures, and what a reader must not miss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from engine.metrics import HIGHER_IS_BETTER, base_name
from jobs.report.metric_names import in_order, title
from jobs.report.outcome import Report
from jobs.report.quality import Quality
from jobs.report.wording import count, number, share, size, whole

LEADING = ("auc", "rmse", "accuracy", "silhouette")
"""Metrics that stand for a model where the job names none."""


@dataclass(frozen=True)
class Tile:
    """One headline figure: a label, the figure, and what to compare it with."""

    label: str
    figure: str
    note: str


def tiles(report: Report) -> list[Tile]:
    """Return the headline figures there are: quality, rows, scored rows, memory."""
    found = (_quality(report), _rows(report), _scored(report), _peak(report))
    return [tile for tile in found if tile]


def leading(quality: Quality, asked: str | None) -> str | None:
    """Return the metric that stands for the model: the one it was chosen by, or its task's own.

    Args:
        quality: What was measured.
        asked: The metric that the job names.
    """
    results = quality.results.get(quality.furthest or "", {})
    ranked = [name for name in in_order(results) if base_name(name) == "ndcg"]
    wanted = [asked or "", *LEADING, *ranked[::-1], *in_order(results)]
    return next((name for name in wanted if name in results and directed(name)), None)


def directed(metric: str) -> bool:
    """Tell whether a metric has a better end: counts and bounds have none."""
    return base_name(metric) in HIGHER_IS_BETTER


def findings(report: Report) -> list[str]:
    """Return what a reader must not miss, the gravest first: lost rows, warnings, memory.

    Args:
        report: The report.
    """
    return [*_lost(report), *report.quality.warnings, *_beaten(report), *_over(report)]


def _lost(report: Report) -> Iterator[str]:
    ledger = report.ledger
    if ledger and ledger.missing:
        yield f"{whole(ledger.missing)} rows that were read are unaccounted for in the scoring."


def _beaten(report: Report) -> Iterator[str]:
    """Tell of baselines that are at least as good as the model, unless the run has told already."""
    quality, part = report.quality, report.quality.furthest
    name = leading(quality, report.metric)
    if part is None or name is None or any("baseline" in text for text in quality.warnings):
        return
    own, higher = quality.results[part][name], HIGHER_IS_BETTER[base_name(name)]
    for baseline, parts in quality.baselines.items():
        other = parts.get(part, {}).get(name, math.nan)
        if other >= own if higher else other <= own:
            yield (
                f"The model is no better than the baseline \u201c{baseline}\u201d on the {part} "
                f"rows: {title(name)} {number(own)} against {number(other)}."
            )


def _over(report: Report) -> Iterator[str]:
    for step in report.memory:
        if step.measured is not None and step.measured > step.projected:
            used, planned = size(step.measured), size(step.projected)
            of = share(step.measured, step.projected)
            yield f"The step {step.step} used {used} a worker: {of} of the {planned} planned."


def _quality(report: Report) -> Tile | None:
    """Return the leading metric on the part that was kept out the furthest."""
    quality, part = report.quality, report.quality.furthest
    name = leading(quality, report.metric)
    if part is None or name is None:
        return None
    bounds = quality.intervals.get(part, {}).get(name)
    others = [parts.get(part, {}) for parts in quality.baselines.values()]
    held = [other[name] for other in others if name in other]
    best = max if HIGHER_IS_BETTER[base_name(name)] else min
    notes = [f"{number(bounds[0])} to {number(bounds[1])}"] if bounds else []
    notes.append(f"baseline {number(best(held))}" if held else "no baseline")
    return Tile(f"{title(name)}, {part}", number(quality.results[part][name]), ", ".join(notes))


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
