"""The user's wish to end: the ranks stop together after a round, or are killed."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.errors import Cancelled

PATIENCE = 10.0
"""Seconds that a round, its checkpoint and the way to us may take after the wish to end."""


class Cancelling:
    """Looks at the wish, and passes it on once.

    Args:
        cancel: Whether the user wants no more.
        ask: Asks the ranks to stop after a round.
    """

    def __init__(self, cancel: Callable[[], bool], ask: Callable[[], None]) -> None:
        """Nobody was asked yet."""
        self._cancel, self._ask = cancel, ask
        self._interrupted = False
        self._since: float | None = None

    @property
    def asked(self) -> bool:
        """Whether the ranks were asked to stop."""
        return self._since is not None

    def interrupted(self) -> None:
        """Ctrl-C is a wish to end; the second one ends at once.

        Raises:
            KeyboardInterrupt: It was the second one.
        """
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True

    def look(self, boosting: bool) -> None:
        """Pass the wish on, if there is one.

        Args:
            boosting: Whether a round has ended: before the first there is nothing to keep.

        Raises:
            Cancelled: There is nothing to wait for, or it takes too long.
        """
        if self._since is not None:
            if time.monotonic() - self._since > PATIENCE:
                raise Cancelled("training was cancelled in the middle of a round")
        elif self._interrupted or self._cancel():
            if not boosting:
                raise Cancelled("training was cancelled before its first round")
            self._since = time.monotonic()
            self._ask()
