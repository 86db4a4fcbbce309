"""Ending a run from outside: whoever has the run folder can."""

from __future__ import annotations

from engine.errors import SpecError
from jobs.runs.folder import DRAIN, NOW, Run
from jobs.runs.state import State


def cancel(run: Run, *, now: bool = False) -> str:
    """Ask a run to end; one without a living driver is CANCELLED at once.

    Args:
        run: The run.
        now: Do not wait for what is under way. The second wish is always so.

    Returns:
        ``drain``, ``now``, or ``CANCELLED``.

    Raises:
        SpecError: The run has ended.
        StateConflict: A driver has taken it up at this moment.
    """
    last = run.log.last()
    state = run.stands(last)
    if state.active:
        epoch = run.epoch()
        first = run.ask_to_end(epoch, DRAIN)
        if first and not now:
            return DRAIN
        run.ask_to_end(epoch, NOW)
        return NOW
    if state in (State.PENDING, State.LOST):
        if last.state.active:
            last = run.log.advance(last, State.LOST, "the driver is dead")
        run.log.advance(last, State.CANCELLED, "cancelled before a driver had begun", 130)
        return str(State.CANCELLED)
    raise SpecError(f"the run has ended: it is {state}", where=run.id)


def remove(run: Run) -> None:
    """Delete the folder of a run that has ended.

    Raises:
        SpecError: Its driver lives.
    """
    if run.state().active:
        hint = "`millrace cancel` ends it; then remove it"
        raise SpecError("the run has a driver that lives", where=run.id, hint=hint)
    run.remove()
