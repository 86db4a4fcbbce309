"""What all sections of a run share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import Cancelled
from engine.place.local import LocalPlace
from engine.rejected.bad_rows import BadRows
from engine.tasks.execute import Done
from jobs.planning.plan import Planned
from jobs.runs.events import Reporter
from jobs.runs.folder import Run
from jobs.runs.stopping import Stop
from jobs.runs.store import Store
from jobs.sections.sessions import Sessions


@dataclass
class Context:
    """What all sections of a run share.

    Attributes:
        planned: The job with its plan.
        session: Opens the cluster at the first call, and returns the same one afterwards.
        reporter: Hears what happens.
        store: Where the run folders are.
        run: The run folder.
        committing: Marks the run as committing while a ``with`` body runs.
        stop: The wish to end the run.
        force: Do sections again though nothing has changed.
        measured: Highest bytes of a worker by step, its child processes included.
    """

    planned: Planned
    session: Sessions
    reporter: Reporter
    store: Store
    run: Run
    committing: Callable[[], AbstractContextManager[None]]
    stop: Stop
    force: bool = False
    measured: dict[str, int] = field(default_factory=dict)

    def start(self, step: str, rows: int) -> None:
        """Say that a step begins, with its projected memory."""
        bound = next((s.peak for s in self.planned.plan.steps if s.name == step), None)
        self.reporter.step_started(step, rows, bound=bound)

    def measure(self, step: str, peak: int) -> None:
        """Take note of the peak bytes of a worker in a step."""
        self.measured[step] = max(self.measured.get(step, 0), peak)

    @property
    def began(self) -> float:
        """When the run was created, seconds since the epoch."""
        return self.run.log.first().time.timestamp()

    @property
    def folder(self) -> Path:
        """A folder for what must be files: the run's own, if that is on a disk."""
        place = self.run.place
        here = place.folder if isinstance(place, LocalPlace) else Path(".millrace/files").absolute()
        return here / self.run.id

    def depending(self, depends: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a result depends on: on this run too, when it is to be made again.

        A run that goes on finds its own parts; what an earlier run has written is another result,
        and stays unless the section says ``if_exists = "overwrite"``.
        """
        return {**depends, "forced": self.run.id} if self.force else dict(depends)

    def fails(self, name: str, asked: str | None) -> bool:
        """Tell whether a bad row of some data ends a section, which may say so itself."""
        return (asked or self.planned.job.data[name].on_bad_rows) == "fail"

    def bad_rows(self, step: str, name: str) -> BadRows:
        """Return what a step does with rows of some data that break the contract."""
        spec = self.planned.job.data[name]
        folder = self.run.file(f"quarantine/{step}")
        return BadRows(folder, spec.on_bad_rows == "fail", spec.max_bad)

    def notice(self, text: str) -> None:
        """Pass on what a pass has to say while it goes on.

        Raises:
            Cancelled: The user wants the run to end: an outage may keep it waiting for minutes.
        """
        self.reporter.warning(text)
        self.look()

    def look(self) -> None:
        """Look for the wish to end while something is waited for.

        Raises:
            Cancelled: The user wants the run to end.
        """
        if self.stop():
            raise Cancelled(
                "the run was cancelled while it waited", hint="`millrace resume` goes on with it"
            )

    def watch(
        self, step: str, refused: Callable[[Any], int] = lambda _: 0
    ) -> Callable[[Done[Any]], None]:
        """Return what a pass calls for every finished partition.

        Args:
            step: Its step.
            refused: Tells how many rows of a result went into quarantine.
        """

        def progress(done: Done[Any]) -> None:
            self.measure(step, done.peak)
            rows, peak = done.partition.rows, {done.worker: done.peak}
            self.reporter.progress(rows, peak, refused(done.result), parts=1)

        return progress
