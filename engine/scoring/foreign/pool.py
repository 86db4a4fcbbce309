"""The children of this worker: as many as threads ask at once, kept from partition to partition."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.scoring.foreign.child import Child

IDLE = 60.0
"""Seconds after which a child that nobody asks is ended: its memory is for the next step."""


@dataclass(frozen=True)
class _Idle:
    key: str
    company: str
    child: Child
    since: float = field(default_factory=time.monotonic)


class Pool:
    """Children that wait, by the model that they hold; safe for threads."""

    def __init__(self) -> None:
        """Begin without any."""
        self._idle: list[_Idle] = []
        self._lock = threading.Lock()
        self._cleaning = False

    @contextmanager
    def lent(self, key: str, start: Callable[[], Child], company: str) -> Iterator[Child]:
        """Lend a child; one in whose time anything is raised is ended, the others wait for more.

        Args:
            key: The model.
            start: Starts a child when none of the model waits.
            company: The models that are asked in turn. Children of others are ended.
        """
        child = self._taken(key, company) or start()
        try:
            yield child
        except BaseException:
            child.close()
            raise
        self._returned(_Idle(key, company, child))

    def close(self) -> None:
        """End all that wait."""
        self._end(lambda one: True)

    def _taken(self, key: str, company: str) -> Child | None:
        self._end(lambda one: one.company != company or not one.child.alive)
        with self._lock:
            found = next((one for one in reversed(self._idle) if one.key == key), None)
            if found is None:
                return None
            self._idle.remove(found)
            return found.child

    def _returned(self, idle: _Idle) -> None:
        with self._lock:
            self._idle.append(idle)
            if not self._cleaning:
                self._cleaning = True
                threading.Thread(target=self._clean, name="idle children", daemon=True).start()

    def _clean(self) -> None:
        """End children that have waited too long, until there are none."""
        while True:
            time.sleep(IDLE / 4)
            self._end(lambda one: time.monotonic() - one.since > IDLE)
            with self._lock:
                if not self._idle:
                    self._cleaning = False
                    return

    def _end(self, wanted: Callable[[_Idle], bool]) -> None:
        with self._lock:
            ended = [one for one in self._idle if wanted(one)]
            self._idle = [one for one in self._idle if not wanted(one)]
        for one in ended:
            one.child.close()


POOL = Pool()
"""Those of this process."""

atexit.register(POOL.close)
