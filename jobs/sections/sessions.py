"""The cluster of a run: opened when something needs it, and again when it was lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from cluster.preflight.verdict import Status
from cluster.session import Session, connect
from jobs.planning.needs import needs_of
from jobs.spec.job import JobSpec


class Sessions:
    """At most one open session.

    Args:
        job: Says which cluster, and what is needed of it.
        notice: Hears what is worth knowing of the cluster.
    """

    def __init__(self, job: JobSpec, notice: Callable[[str], None]) -> None:
        """Open nothing yet."""
        self._job, self._notice = job, notice
        self._stack = ExitStack()
        self._open: Session | None = None
        self._scheduler = ""
        self._before = False

    def __enter__(self) -> Sessions:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session, if one is open."""
        self._stack.close()

    def __call__(self) -> Session:
        """Return the session; the first call opens it.

        Raises:
            ClusterError: It cannot be had.
        """
        if self._open is None:
            job = self._job
            opening = connect(job.cluster, remote=job.remote, needs=needs_of(job))
            self._open = self._stack.enter_context(opening)
            for verdict in self._open.verdicts:
                if verdict.status is Status.NOTE:
                    self._notice(f"{verdict.name}: {verdict.what}")
            self._scheduler = _scheduler(self._open)
        return self._open

    @property
    def lost(self) -> bool:
        """Whether there was a session, and its scheduler does not answer any more.

        Another one may have come in its place, and have been connected to: it knows of nothing.
        """
        if self._open is None:
            return self._before
        gone = self._open.client.status != "running"
        return bool(gone or _scheduler(self._open) != self._scheduler)

    def drop(self) -> None:
        """Close the session; the next call opens another one."""
        self._open, self._before = None, True
        stack, self._stack = self._stack, ExitStack()
        # A client that looks for its scheduler is told to stop, and logs that with a traceback.
        log = logging.getLogger("distributed.client")
        before, log.disabled = log.disabled, True
        try:
            stack.close()
        finally:
            log.disabled = before


def _scheduler(session: Session) -> str:
    """Return the id of the scheduler that the client is connected to, without asking it."""
    return str(session.client._scheduler_identity.get("id"))
