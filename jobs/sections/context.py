"""What all sections of a run share."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.session import Session
from engine.bad_rows import BadRows
from engine.errors import Cancelled
from engine.execute import Done
from jobs.planning.plan import Planned
from jobs.runs.events import Reporter
from jobs.runs.stopping import Stop
from jobs.runs.whole import write_whole


@dataclass
class Context:
    """What all sections of a run share.

    Attributes:
        planned: The job with its plan.
        session: Opens the cluster at the first call, and returns the same one afterwards.
        reporter: Hears what happens.
        folder: The run folder.
        committing: Marks the run as committing while a ``with`` body runs.
        stop: The wish to end the run.
        measured: Highest bytes of a worker by step, its child processes included.
    """

    planned: Planned
    session: Callable[[], Session]
    reporter: Reporter
    folder: Path
    committing: Callable[[], AbstractContextManager[None]]
    stop: Stop
    measured: dict[str, int] = field(default_factory=dict)

    def start(self, step: str, rows: int) -> None:
        """Say that a step begins, with its projected memory."""
        bound = next((s.peak for s in self.planned.plan.steps if s.name == step), None)
        self.reporter.step_started(step, rows, bound=bound)

    def writes(self, step: str, run: str) -> None:
        """Keep which result in its output a step writes, for who wants to look at it."""
        folder = self.folder / "written"
        folder.mkdir(exist_ok=True)
        write_whole(folder / f"{step}.json", json.dumps({"run": run}).encode())

    def fails(self, name: str, asked: str | None) -> bool:
        """Tell whether a bad row of some data ends a section, which may say so itself."""
        return (asked or self.planned.job.data[name].on_bad_rows) == "fail"

    def bad_rows(self, step: str, name: str) -> BadRows:
        """Return what a step does with rows of some data that break the contract."""
        spec = self.planned.job.data[name]
        folder = (self.folder / "quarantine" / step).absolute()
        return BadRows(folder, spec.on_bad_rows == "fail", spec.max_bad)

    def notice(self, text: str) -> None:
        """Pass on what a pass has to say while it goes on.

        Raises:
            Cancelled: The user wants the run to end: an outage may keep it waiting for minutes.
        """
        self.reporter.warning(text)
        if self.stop():
            raise Cancelled(
                "the run was cancelled while parts were waited for",
                hint="run the job again to go on",
            )

    def watch(self, step: str) -> Callable[[Done[Any]], None]:
        """Return what a pass calls for every finished partition."""

        def progress(done: Done[Any]) -> None:
            self.measured[step] = max(self.measured.get(step, 0), done.peak)
            self.reporter.progress(done.partition.rows, {done.worker: done.peak})

        return progress
