"""How a run goes, shown to who calls it: in the cell of a notebook, or as on the command line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from jobs.runs.events import Event, EventLog, Reporter, decoded
from jobs.runs.story import Story
from jobs.runs.waiting import Waiting
from jobs.show.following import events, watched
from jobs.show.progress import watching

DRAWN_SECONDS = 0.5
"""The cell is drawn anew at most this often: each drawing is a message to the browser."""

URGENT = ("step_started", "step_done", "skipped", "warning")


@dataclass
class Cell:
    """An output of a notebook cell that shows the steps of a run.

    It is a `jobs.runs.journal.Journal` that nobody reads, so an `EventLog` may write to it.
    """

    _story: Story = field(default_factory=Story, init=False)
    _drawn: float = field(default=float("-inf"), init=False)
    _output: Any = field(default=None, init=False)

    def hear(self, event: Event) -> None:
        """Go on by one event, and draw it unless the last drawing is hardly old."""
        self._story.hear(event)
        now = time.monotonic()
        if event.name in URGENT or now - self._drawn >= DRAWN_SECONDS:
            self._drawn = now
            self.flush()

    def write(self, line: bytes) -> None:
        """Go on by the event of a line."""
        for event in decoded(line):
            self.hear(event)

    def flush(self) -> None:
        """Draw it."""
        if self._output is None:
            display = import_module("IPython.display").display
            self._output = display(self, display_id=True)
        else:
            self._output.update(self)

    def read(self, after: str = "") -> tuple[bytes, str]:
        """Return nothing: it is for the eye."""
        return b"", after

    def __repr__(self) -> str:
        """Return the steps by name and stage, for front ends without HTML."""
        return ", ".join(f"{step.name} {step.stage}" for step in self._story.steps.values())

    def _repr_html_(self) -> str:
        from jobs.api.markup import steps_html

        return steps_html(self._story)


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook, and not a shell or a script."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


@contextmanager
def shown() -> Iterator[Reporter]:
    """Show a run while the body does it.

    Yields:
        The reporter to tell what happens.
    """
    if not in_notebook():
        with watching() as reporter:
            yield reporter
        return
    cell = Cell()
    try:
        yield EventLog(cell)
    finally:
        cell.flush()


def followed(waiting: Waiting) -> None:
    """Show a run of another process until it has ended.

    Args:
        waiting: The wait for its end.

    Raises:
        TimeoutError: It has taken too long.
    """
    if not in_notebook():
        watched(waiting)
        return
    cell = Cell()
    try:
        for event in events(waiting.run, waiting):
            cell.hear(event)
    finally:
        cell.flush()
