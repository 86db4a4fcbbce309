"""Jobs, plans and runs as HTML for notebooks: small, self-contained, without JavaScript.

Templates escape whatever they show. Colours come from the page around them, so that it is readable
in the light and in the dark.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.place.local import LocalPlace
from jobs.report.template import templates
from jobs.runs.folder import REPORT, Run
from jobs.runs.story import Step, Story
from jobs.show.text import brief_of
from jobs.show.units import count, duration, size
from jobs.spec.job import JobSpec

_TOLD = ("data", "target", "task", "model", "output")
"""What is said of a section, where it has that."""


def job_html(spec: JobSpec, sections: Sequence[str]) -> str:
    """Return a job: its data, and what each section does.

    Args:
        spec: The job.
        sections: Those that do something.
    """
    told = spec.to_dict()
    facts = {name: _facts(told[name]) for name in sections}
    cluster = spec.cluster.model_dump(mode="json", exclude_unset=True)
    cluster = {"kind": spec.cluster.kind, **cluster}
    return _rendered("job.html.j2", name=spec.name, data=told["data"], sections=facts, on=cluster)


def plan_html(plan: Mapping[str, Any], *, fits: bool) -> str:
    """Return a plan: data, steps, and what makes up the memory of each.

    Args:
        plan: What `Planned.to_dict` returns.
        fits: Whether every step fits the memory of a worker.
    """
    return _rendered("plan.html.j2", plan=plan, fits=fits)


def run_html(run: Run) -> str:
    """Return a run: how it stands, its steps, where its report is.

    Args:
        run: The run folder.
    """
    last, story = run.log.last(), Story()
    for event in run.told():
        story.hear(event)
    local = isinstance(run.place, LocalPlace)
    written = run.file(REPORT).place.size(f"{run.id}/{REPORT}") is not None
    report = str(run.file(REPORT)) if written else None
    brief = brief_of(run)
    return _rendered(
        "run.html.j2",
        run=brief,
        took=duration(brief["seconds"]),
        message=last.message,
        steps=_steps(story, active=run.stands(last).active),
        warnings=_warnings(story),
        report=report,
        link=_link(Path(report)) if report and local else None,
    )


def steps_html(story: Story) -> str:
    """Return the steps of a run that is under way.

    Args:
        story: What its events have told.
    """
    steps, warnings = _steps(story, active=True), _warnings(story)
    return _rendered("steps.html.j2", steps=steps, warnings=warnings)


def _rendered(template: str, /, **values: Any) -> str:
    pages = templates("jobs.api")
    pages.filters.update(count=count, size=size, duration=duration)
    return pages.get_template(template).render(**values)


def _facts(section: Mapping[str, Any]) -> dict[str, str]:
    """Return what is worth saying of a section; several models are named in a row."""
    found = {name: section.get(name) for name in _TOLD}
    return {
        name: ", ".join(map(str, value.values())) if isinstance(value, Mapping) else str(value)
        for name, value in found.items()
        if value not in (None, {}, "")
    }


def _steps(story: Story, *, active: bool) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [_step(step, step.told or now if not active else now) for step in story.steps.values()]


def _step(step: Step, now: datetime) -> dict[str, Any]:
    """Return the cells of a step's row; the time of one that nobody works on has stopped."""
    curves = {name: curve[-1][1] for name, curve in step.curves.items() if curve}
    boosted = [f"round {step.round} of {step.rounds}"] if step.round else []
    metrics = [f"{name} {value:.5f}" for name, value in curves.items()]
    summary = str(step.result.get("summary", ""))
    refused = [f"{count(step.quarantined)} quarantined"] if step.quarantined else []
    return {
        "name": step.name,
        "stage": str(step.stage),
        "share": step.share,
        "done": step.done,
        "rows": step.rows,
        "rate": step.rate(now),
        "left": step.left(now),
        "peak": step.peak,
        "bound": step.bound,
        "seconds": step.seconds(now),
        "note": "  ".join([*refused, *boosted, *metrics, summary or step.note]),
    }


def _warnings(story: Story) -> list[str]:
    return list(dict.fromkeys(str(event.fields.get("text", "")) for event in story.warnings))


def _link(file: Path) -> str:
    """Return a link that a notebook can follow: below its own folder, Jupyter serves the file."""
    here = Path.cwd()
    return quote(os.path.relpath(file, here)) if file.is_relative_to(here) else file.as_uri()
