"""How long somebody has been silent, counted only while we ourselves were awake."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_STEP = 5.0
"""Seconds that one look may add at most. A process that was stopped (SIGSTOP, a paused machine)
finds itself behind when it goes on; its peers must not pay for that."""


class Silence:
    """A clock that signs of life set back to zero.

    Args:
        clock: Seconds; only tests need another.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start at zero."""
        self._clock = clock
        self._seconds, self._looked = 0.0, clock()

    def broken(self) -> None:
        """Somebody was heard."""
        self._seconds, self._looked = 0.0, self._clock()

    def seconds(self) -> float:
        """Return the seconds since the last sign of life; look often, at least every second."""
        now = self._clock()
        self._seconds += min(now - self._looked, LONGEST_STEP)
        self._looked = now
        return self._seconds
