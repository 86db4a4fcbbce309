"""A run in Python: the folder is the only truth, so a run of any process can be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import MillraceError, SpecError
from engine.storage import Access
from jobs.runs import folder as folders
from jobs.runs.events import Event
from jobs.runs.result import Result
from jobs.runs.state import Entry, State
from jobs.runs.store import LAST, STORE, Store
from jobs.runs.waiting import Waiting, exit_code


class RunFailed(MillraceError):
    """A run has ended without a result.

    Args:
        what: The error of the run, as its command would have printed it.
        where: The run.
        hint: What to do.
        state: How it ended: FAILED, CANCELLED, LOST or COMMIT_UNKNOWN.
        code: The exit code that its command would have had; 75 means: resume it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        state: State = State.FAILED,
        code: int = 1,
    ) -> None:
        """Keep state and code beside the text."""
        super().__init__(what, where=where, hint=hint)
        self.state, self.exit_code = state, code

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all of it: schedulers send errors from process to process."""
        return _failed, (self.what, self.where, self.hint, self.state, self.exit_code)


def _failed(what: str, where: str | None, hint: str | None, state: State, code: int) -> RunFailed:
    return RunFailed(what, where=where, hint=hint, state=state, code=code)


@dataclass(repr=False)
class Run:
    """A handle of one run; it holds nothing that is not in the run folder.

    Attributes:
        store: Where the run folders are.
        folder: The run folder.
    """

    store: Store
    folder: folders.Run
    _epoch: int | None = field(default=None, init=False, compare=False)

    @property
    def id(self) -> str:
        """Name of the run; its last part is enough for `open_run` and the command line."""
        return self.folder.id

    @property
    def state(self) -> State:
        """How it stands now; LOST when its driver is dead."""
        return self.folder.state()

    @property
    def report(self) -> str:
        """Path of the report; one from an object store is copied to this machine.

        Raises:
            SpecError: The run has none yet.
        """
        from jobs.show.reports import report_of

        return report_of(self.folder)

    def wait(self, timeout: float | None = None, *, progress: bool = False) -> Result:
        """Wait for the end. Ctrl-C, or a timeout, ends the waiting and not the run.

        Args:
            timeout: Seconds at most; None: as long as it takes. A run whose driver has not begun
                is waited for too.
            progress: Show how it goes, in the notebook's cell or on stderr.

        Raises:
            RunFailed: It has failed, was cancelled, or is lost.
            TimeoutError: It has not ended in time.
        """
        waiting = Waiting(self.folder, timeout, self._epoch)
        if progress:
            from jobs.api.cell import followed

            followed(waiting)
        while not waiting.over():
            waiting.pause()
        return self.result()

    def result(self) -> Result:
        """Return what the run came to.

        Raises:
            RunFailed: It has ended without a result.
            SpecError: It has not ended.
        """
        last = self.folder.log.last()
        state = self.folder.stands(last)
        found = self.folder.result()
        if state == State.SUCCEEDED and found is not None:
            return Result.from_dict(found)
        if state.active or state == State.PENDING:
            hint = "wait() waits for its end; status() says how far it is"
            raise SpecError(f"the run has no result: it is {state}", where=self.id, hint=hint)
        raise _failure(self.id, last, state)

    def status(self) -> dict[str, Any]:
        """Return how it stands, as `millrace status --json` does."""
        from jobs.show.text import status_of

        return status_of(self.folder)

    def events(self, follow: bool = False) -> Iterator[Event]:
        """Yield what has happened, from the beginning.

        Args:
            follow: Go on until the run has ended.
        """
        from jobs.show.following import events

        yield from events(self.folder, self._waiting() if follow else None)

    def cancel(self, now: bool = False) -> str:
        """Ask it to end after what is under way; at once when asked a second time.

        Args:
            now: At once.

        Returns:
            ``drain``, ``now``, or ``CANCELLED`` when no driver was at work.

        Raises:
            SpecError: It has ended.
        """
        from jobs.driving.ending import cancel

        return cancel(self.folder, now=now)

    def resume(self, *, here: bool = False) -> Run:
        """Hand it to a new driver, which goes on with what is not finished.

        Args:
            here: Drive it from this machine in any case.

        Returns:
            This run.

        Raises:
            SpecError: It has succeeded, or its driver lives.
            ClusterError: The cluster cannot be reached.
        """
        from jobs.driving.submitting import submit

        before = self.folder.epoch()
        submit(self.store, self.folder, here=here)
        self._epoch = before
        return self

    def _waiting(self) -> Waiting:
        return Waiting(self.folder, epoch=self._epoch)

    def __repr__(self) -> str:
        """Return a line: id, job, state."""
        return f"<Run {self.id} {self.folder.job().get('name')} {self.state}>"

    def __str__(self) -> str:
        """Return what `millrace status` prints."""
        from jobs.show.text import status_text

        return status_text(self.status())

    def _repr_html_(self) -> str:
        from jobs.api.markup import run_html

        return run_html(self.folder)


def _failure(run: str, last: Entry, state: State) -> RunFailed:
    """Return the run's own error; a driver that died could not say anything."""
    what, hint = last.message, None
    if state == State.LOST:
        what = f"its driver, process {last.driver.pid} on {last.driver.host}, is dead"
        hint = "resume() goes on with what is finished"
    code = exit_code(last, state)
    return RunFailed(f"the run {run} is {state}: {what}", hint=hint, state=state, code=code)


def list_runs(store: str | Path = STORE, *, storage: Mapping[str, str] | None = None) -> list[Run]:
    """Return the runs of a store, the oldest first.

    Args:
        store: Where the run folders are: a folder or the URL of an object store.
        storage: Options of the object store; a secret as ``${secret:NAME}``.
    """
    home = store_at(store, storage)
    return [Run(home, folder) for folder in home.runs()]


def open_run(
    name: str = LAST, store: str | Path = STORE, *, storage: Mapping[str, str] | None = None
) -> Run:
    """Return a run, whoever started it.

    Args:
        name: An id, the beginning of one or of its last part, or ``@last``.
        store: Where the run folders are: a folder or the URL of an object store.
        storage: Options of the object store; a secret as ``${secret:NAME}``.

    Raises:
        SpecError: There is none, or more than one.
    """
    home = store_at(store, storage)
    return Run(home, home.find(name))


def store_at(location: str | Path, storage: Mapping[str, str] | None) -> Store:
    """Return a store; what is no URL is a folder, from the current directory.

    Args:
        location: A folder or the URL of an object store.
        storage: Options of the object store; a secret as ``${secret:NAME}``.

    Raises:
        SpecError: There can be no such store, or a secret is written in clear.
    """
    return Store.at(location, Access(tuple((storage or {}).items())))
