"""Waiting from outside until a run has ended, and what its end means."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from engine.errors import Outage
from jobs.runs.folder import Run
from jobs.runs.state import Entry, State

LOOK_SECONDS = 0.5

TAKEN_UP_SECONDS = 60.0
"""So long a LOST run is waited for whose driver is a task of a cluster: the scheduler gives it to
another worker, and the driver there goes on. On this machine nobody does so."""


@dataclass
class Waiting:
    """One wait for the end of a run. Giving up does nothing to the run.

    Attributes:
        run: The run.
        timeout: Seconds to wait at most; None: as long as it takes.
        epoch: `Run.epoch` of the driver before the one that is waited for; None: any end counts.
    """

    run: Run
    timeout: float | None = None
    epoch: int | None = None
    _began: float = field(default_factory=time.monotonic, init=False)
    _lost: float | None = field(default=None, init=False)

    def over(self) -> bool:
        """Look whether the run has ended.

        Raises:
            TimeoutError: It has not, and the time is up.
        """
        state = self.run.state()
        if self._ended(state):
            return True
        waited = time.monotonic() - self._began
        if self.timeout is not None and waited >= self.timeout:
            raise TimeoutError(f"the run {self.run.id} is {state} after {waited:.0f} s; it goes on")
        return False

    def pause(self) -> None:
        """Sleep until it is worth looking again."""
        time.sleep(LOOK_SECONDS)

    def _ended(self, state: State) -> bool:
        if state.active or state == State.PENDING:
            self._lost = None
            return False
        if state == State.LOST and _hosted(self.run):
            self._lost = self._lost or time.monotonic()
            return time.monotonic() - self._lost >= TAKEN_UP_SECONDS
        if self.epoch is None or state == State.SUCCEEDED:
            return True
        return self.run.epoch() > self.epoch


def _hosted(run: Run) -> bool:
    """Tell whether the driver may be a task of a cluster that runs without us."""
    return bool(run.job().get("cluster", {}).get("kind") == "address")


def exit_code(last: Entry, state: State) -> int:
    """Return the exit code of a run that has ended, as its command would have had it.

    Args:
        last: The newest entry of its log.
        state: How it stands; a LOST run has no code of its own: it is to be taken up again.
    """
    return Outage.exit_code if state == State.LOST else last.code or 0
