"""The driver: a loop that any process can take up, and that holds nothing which is not in files.

Resuming is the same code as running: what is finished is found in the outputs, the models and the
checkpoints, so a driver that starts anew does what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from cluster.processes import ProcessName
from engine.errors import Cancelled, CommitUnknown, MillraceError, SpecError
from jobs.driving.order import sections
from jobs.driving.selection import Selection
from jobs.failure import failure
from jobs.fingerprint import versions
from jobs.planning.plan import Planned, plan_job
from jobs.runs.events import EventLog, Reporter, Together
from jobs.runs.folder import Run
from jobs.runs.heart import Heart
from jobs.runs.result import Result
from jobs.runs.state import Entry, State, StateConflict
from jobs.runs.stopping import Stop, Stopping
from jobs.runs.store import Store
from jobs.sections.context import Context
from jobs.sections.sessions import Sessions
from jobs.spec.job import JobSpec


def drive(
    store: Store,
    run: Run,
    reporter: Reporter,
    stop: Stop,
    *,
    after: int | None = None,
    planned: Planned | None = None,
) -> Result:
    """Do what is left of a run.

    Args:
        store: Where the run folders are.
        run: The run; no other driver is at work on it.
        reporter: Hears what happens, beside the run folder.
        stop: The wish to end, looked at where work can be ended without a loss.
        after: Number of the newest entry of the state log when this driver was ordered; None: it
            was ordered just now.
        planned: The plan, if it was made already.

    Raises:
        Cancelled: The wish was uttered.
        PlanRefused: A step does not fit the memory of a worker; nothing was started.
        StateConflict: Another driver was first, or has taken the run over.
        MillraceError: A section failed; what was finished is kept and a resumed run goes on there.
    """
    entry = run.log.advance(adopted(run, after), State.STARTING)
    log = EventLog(run.events)
    log.tell("driver_started", epoch=entry.number, **_here())
    heart = Heart(run, entry.number, stop, log.journal)
    with heart.beating(), _recorded(run, entry, log) as recorder:
        job, selection = asked(run)
        planned = planned or plan_job(selection.applied(job))
        run.write_plan(planned.to_dict())
        planned.plan.check()
        told = Together([reporter, log, Stopping(stop)])
        notes = [note for step in planned.plan.steps for note in step.notes]
        for note in dict.fromkeys([*planned.resources.notes, *notes]):
            told.warning(note)
        with Sessions(planned.job, told.warning) as session:
            recorder.move(State.RUNNING)
            context = Context(
                planned, session, told, store, run, recorder.commit, stop, selection.force
            )
            return sections(context)


def asked(run: Run) -> tuple[JobSpec, Selection]:
    """Return the job of a run, and what of it is wanted."""
    return JobSpec.model_validate(run.job()), Selection.from_dict(run.selection())


def adopted(run: Run, after: int | None = None) -> Entry:
    """Return the entry from which a new driver starts; a dead one's run is LOST first.

    Args:
        run: The run.
        after: See `drive`. What was ordered before a cancel must not undo it.

    Raises:
        SpecError: The run has ended well, or its driver lives.
        StateConflict: Another driver was first, or the run was ended before this one began.
    """
    last = run.log.last()
    if after is not None and last.number != after:
        raise StateConflict(
            f"the run has moved on before this driver began: it is {run.stands(last)}",
            where=run.id,
            hint="`millrace resume` goes on with it",
        )
    state = run.stands(last)
    if state.active:
        raise SpecError(
            f"the run is {state}: its driver is process {last.driver.pid} on {last.driver.host}",
            where=run.id,
            hint="`millrace status` shows how it goes on; `millrace cancel` ends it",
        )
    if state == State.SUCCEEDED:
        raise SpecError(
            "the run has succeeded: there is nothing to go on with",
            where=run.id,
            hint="`millrace run JOB --force` does it again",
        )
    if state == State.LOST and last.state != State.LOST:
        return run.log.advance(last, State.LOST, f"the driver on {last.driver.host} is dead")
    return last


def _here() -> dict[str, Any]:
    here = ProcessName.here()
    return {"host": here.host, "pid": here.pid, "versions": versions()}


@dataclass
class _Recorder:
    """Moves the run's state on."""

    run: Run
    entry: Entry
    log: EventLog

    def move(self, state: State, message: str = "", code: int | None = None) -> None:
        if code is not None:
            self._tell_end(state, message, code)
        self.entry = self.run.log.advance(self.entry, state, message, code)

    def _tell_end(self, state: State, message: str, code: int) -> None:
        """Write it down before the state, at which those who follow the events stop reading."""
        with suppress(MillraceError, OSError):
            if self.run.log.last().number == self.entry.number:
                self.log.tell("ended", state=str(state), message=message, code=code)
                self.log.journal.flush()

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Be COMMITTING while the body runs."""
        self.move(State.COMMITTING)
        yield
        self.move(State.RUNNING)


@contextmanager
def _recorded(run: Run, entry: Entry, log: EventLog) -> Iterator[_Recorder]:
    """Write the state of the run, however it ends, on the way out."""
    recorder = _Recorder(run, entry, log)
    try:
        yield recorder
    except BaseException as error:
        message, code = failure(error)
        recorder.move(_ending(error), message.removeprefix("error: "), code)
        raise
    recorder.move(State.SUCCEEDED, code=0)


def _ending(error: BaseException) -> State:
    if isinstance(error, KeyboardInterrupt | Cancelled):
        return State.CANCELLED
    return State.COMMIT_UNKNOWN if isinstance(error, CommitUnknown) else State.FAILED
