"""All runs of a store, looked at again only when they may have changed.

A run that has succeeded never changes, and one that ended otherwise only when it is resumed, which
its state log says. So a look at a thousand finished runs costs a look at their logs, and what is
told to several browsers and to Prometheus within a moment is read once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar

from engine.errors import MillraceError
from jobs.runs.events import decoded
from jobs.runs.folder import Run
from jobs.runs.state import State
from jobs.runs.store import Store
from jobs.runs.story import Story
from jobs.ui.view import UNREADABLE, Detail, Looked, detail, look, page, recent

FRESH_SECONDS = 1.0
"""What was read is told again for so long."""

COST = 10
"""... and for so many times as long as it took: at most a tenth of the time is spent on reading."""

AT_ONCE = 16
"""Runs that are read at the same time: in an object store each read waits for its answer."""

DAMAGED = (OSError, ValueError, KeyError, MillraceError)
"""What a run folder raises that is damaged, or that is removed while it is read."""


T = TypeVar("T")


@dataclass
class _Kept(Generic[T]):
    """Something that was read, and until when it counts as fresh."""

    value: T
    until: float


@dataclass
class _Following:
    """The events of a run as far as they were read; what comes later is read alone."""

    story: Story = field(default_factory=Story)
    mark: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Runs:
    """The runs of a store.

    Args:
        store: Where the run folders are.
    """

    store: Store
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _runs: dict[str, Run] = field(default_factory=dict, init=False, repr=False)
    _ended: dict[str, tuple[int, Looked]] = field(default_factory=dict, init=False, repr=False)
    _all: _Kept[list[Looked]] | None = field(default=None, init=False, repr=False)
    _followed: dict[str, _Following] = field(default_factory=dict, init=False, repr=False)
    _details: dict[str, _Kept[Detail]] = field(default_factory=dict, init=False, repr=False)

    def all(self) -> Sequence[Looked]:
        """Return how all runs stand, the newest first.

        Raises:
            MillraceError: The store cannot be read.
        """
        with self._lock:
            if self._all is None or time.monotonic() > self._all.until:
                began = time.monotonic()
                self._all = _Kept(self._read(), _fresh(began))
            return self._all.value

    def detail(self, run: str) -> Detail | None:
        """Return all that is known of a run; None when there is none of this id.

        Args:
            run: The whole id.
        """
        kept = self._details.get(run)
        if kept is not None and time.monotonic() <= kept.until:
            return kept.value
        found = self._find(run)
        if found is None:
            return None
        began = time.monotonic()
        value = self._follow(found, lambda story: detail(found, story))
        # Old ones are dropped: each holds the events of a run.
        fresh = {k: v for k, v in self._details.items() if v.until > began}
        self._details = fresh | {run: _Kept(value, _fresh(began))}
        return value

    def page(self, run: str, name: str) -> bytes | None:
        """Return a page that a run has left; None when there is no such run, or no page.

        Args:
            run: The whole id.
            name: One of `jobs.ui.view.REPORTS`.
        """
        found = self._find(run)
        return page(found, name) if found else None

    def _find(self, run: str) -> Run | None:
        if run not in self._runs:
            self.all()
        return self._runs.get(run)

    def _read(self) -> list[Looked]:
        runs = self.store.runs()[::-1]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            looks = list(pool.map(self._look, runs))
        self._runs = {run.id: run for run in runs}
        for kept in (self._ended, self._followed):
            for gone in kept.keys() - self._runs.keys():
                kept.pop(gone, None)
        return looks

    def _look(self, run: Run) -> Looked:
        number, before = self._ended.get(run.id, (-1, None))
        if before is not None and before.state == State.SUCCEEDED:
            return before
        try:
            last = run.log.last()
            if before is not None and last.number == number:
                return before
            # Of what has succeeded long ago the list shows nothing that only the events know.
            if last.state is State.SUCCEEDED and not recent(last.time):
                found = look(run, Story())
            else:
                found = self._follow(run, lambda story: look(run, story))
        except DAMAGED as error:
            return unreadable(run.id, error)
        if not (last.state.active or last.state is State.PENDING):
            self._ended[run.id] = last.number, found
        return found

    def _follow(self, run: Run, tell: Callable[[Story], T]) -> T:
        """Return what is made of all events of a run, which do not change meanwhile."""
        following = self._followed.setdefault(run.id, _Following())
        with following.lock:
            lines, following.mark = run.events.read(following.mark)
            for event in decoded(lines):
                following.story.hear(event)
            return tell(following.story)


def unreadable(run: str, error: Exception) -> Looked:
    """Return what stands for a run that cannot be read.

    Args:
        run: Its id.
        error: Why.
    """
    now = datetime.now(UTC)
    why = f"the run folder cannot be read: {type(error).__name__}: {error}"
    return Looked(run, "", UNREADABLE, why, now, None, 0.0, "", None)


def _fresh(began: float) -> float:
    """Return until when something counts as fresh that was begun to be read at a time."""
    now = time.monotonic()
    return now + max(FRESH_SECONDS, COST * (now - began))
