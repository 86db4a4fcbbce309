"""The pages as HTML: what stands on them, and how figures are written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from jobs.report.template import templates
from jobs.runs.state import State
from jobs.runs.story import Stage
from jobs.show.units import count, duration, size
from jobs.ui.chart import chart
from jobs.ui.view import UNREADABLE, Detail, Looked, said

if TYPE_CHECKING:
    from jinja2 import Environment

RUNS_SHOWN = 50
"""Runs on a page of the list."""

WORKERS_SHOWN = 16
"""Workers of a step whose memory is drawn, those that held most."""

ACTIVE_MS, IDLE_MS = 1500, 10_000
"""How often a page looks for news: while a run is at work, and when it may only be resumed."""

_TONES: Mapping[str, str] = {
    State.SUCCEEDED: "good",
    UNREADABLE: "bad",
    State.FAILED: "bad",
    State.LOST: "bad",
    State.COMMIT_UNKNOWN: "bad",
    State.CANCELLED: "quiet",
    State.PENDING: "quiet",
}


def runs_page(runs: Sequence[Looked], *, words: str, state: str, number: int, store: str) -> str:
    """Return the list of runs.

    Args:
        runs: All runs, the newest first.
        words: Only those whose id, job, or host hold all of these words.
        state: Only those in this state; empty for all.
        number: Which page of the list, from 1.
        store: Where the runs are.
    """
    matching = [run for run in runs if _matches(run, words)]
    found = [run for run in matching if state in ("", run.state)]
    pages = max(1, -(-len(found) // RUNS_SHOWN))
    number = min(max(number, 1), pages)
    return _render(
        "runs.html.j2",
        runs=found[(number - 1) * RUNS_SHOWN : number * RUNS_SHOWN],
        found=len(found),
        total=len(runs),
        states=Counter(run.state for run in matching),
        matching=len(matching),
        words=words,
        state=state,
        number=number,
        pages=pages,
        store=store,
        every=ACTIVE_MS,
    )


def run_page(detail: Detail, *, store: str) -> str:
    """Return the page of one run.

    Args:
        detail: All that is known of it.
        store: Where the runs are.
    """
    look = detail.look
    curves = [
        chart(metric, curve, step.rounds)
        for step in look.steps
        for metric, curve in step.curves.items()
    ]
    return _render(
        "run.html.j2",
        detail=detail,
        look=look,
        charts=curves,
        spec=json.dumps(detail.spec, indent=2, ensure_ascii=False),
        workers_shown=WORKERS_SHOWN,
        store=store,
        every=ACTIVE_MS if look.active or look.state == State.PENDING else IDLE_MS,
    )


def error_page(code: int, what: str, hint: str) -> str:
    """Return the page for an address that cannot be answered.

    Args:
        code: Status of HTTP.
        what: What is wrong.
        hint: What to do.
    """
    return _render("error.html.j2", code=code, what=what, hint=hint, store="", every=0)


def _matches(run: Looked, words: str) -> bool:
    text = f"{run.run} {run.job} {run.host}".lower()
    return all(word in text for word in words.lower().split())


def _render(name: str, **values: Any) -> str:
    return _pages().get_template(name).render(**values)


@cache
def _pages() -> Environment:
    pages = templates("jobs.ui")
    pages.filters.update(
        count=count, size=size, duration=duration, tone=_tone, clock=_clock, share=_share, said=said
    )
    pages.globals.update(Stage=Stage, min=min, max=max)
    return pages


def _tone(state: str) -> str:
    return _TONES.get(state, "busy")


def _clock(when: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return when.astimezone().strftime(form)


def _share(share: float) -> str:
    """Return a share in percent; 100 % only when it is all."""
    return f"{min(int(share * 100), 100)} %"
