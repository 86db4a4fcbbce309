"""Statistics of what a scoring read and said: gathered, found again, and as rows of the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.commit import Manifest, PartRecord, Run, Summary
from engine.commit.versions import key_of
from engine.scoring import Model
from engine.scoring.statistics import Gathering, merged
from engine.scoring.statistics.gathering import FEATURES, PREDICTIONS
from engine.scoring.statistics.sampling import step_of
from jobs.report.outcome import Watched
from jobs.sections.context import Context
from jobs.spec.score import ScoreSpec
from jobs.work.scoring import Scoring

_LEVELS = 3  # of a column, on the page


def gathering_of(work: Scoring, model: Model) -> Gathering | None:
    """Return how statistics of the inputs and columns of a model are gathered, if they are."""
    if not work.spec.statistics:
        return None
    return Gathering(step_of(work.dataset.rows, len(model.inputs) + len(model.columns)))


def summing(context: Context, gathering: Gathering) -> Summary:
    """Return what makes one file of the states of all parts, and warns where it cannot."""

    def summary(run: Run, parts: Sequence[PartRecord]) -> bytes | None:
        content = merged(run, parts, gathering.step)
        if content is None and any(part.scored for part in parts):
            context.reporter.warning(
                "no statistics: some parts were scored before, with statistics = false"
            )
        return content

    return summary


def statistics_of(spec: ScoreSpec, manifest: Manifest) -> str | None:
    """Return the path or URL of the statistics of a committed run, if it has any."""
    if manifest.statistics is None:
        return None
    layout = spec.output_of(key_of(manifest.run)).layout
    return layout.place.told(layout.run(manifest.run).statistics)


def watched_of(spec: ScoreSpec, manifest: Manifest) -> list[Watched]:
    """Return the columns that were watched, for the report: those that were read first.

    Raises:
        MillraceError: The store fails.
    """
    if manifest.statistics is None:
        return []
    layout = spec.output_of(key_of(manifest.run)).layout
    with layout.refusals():
        content = layout.place.read(layout.run(manifest.run).statistics)
    if content is None:  # deleted since: the rows are none the worse for it
        return []
    told = json.loads(content)
    groups = ((group, told[group]) for group in (FEATURES, PREDICTIONS))
    return [
        _watched(name, column, group == PREDICTIONS)
        for group, columns in groups
        for name, column in columns.items()
    ]


def _watched(name: str, column: Mapping[str, Any], predicted: bool) -> Watched:
    sample = column.get("sample", {})
    values = sample.get("values", 0)
    levels = [(str(level), rows / values) for level, rows in sample.get("levels", ())[:_LEVELS]]
    return Watched(
        name,
        column["type"],
        predicted,
        column["rows"],
        column["nulls"] + column["nan"],
        _text(column.get("min")),
        _text(column.get("max")),
        _text(sample.get("mean")),
        _text(sample.get("quantiles", {}).get("0.5")),
        levels,
    )


def _text(value: float | str | None) -> str:
    """Return a figure as the page has it; times are text already."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.5g}"
