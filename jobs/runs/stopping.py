"""The user's wish to end a run: the first Ctrl-C (or SIGTERM) lets it drain, the second ends it.

A signal handler that raises may do so between any two bytecodes, also inside a lock of Dask's
client, which then stays locked for ever; so the first signal only leaves a note, which is read
where it is safe: between two partitions, before a step, after a round.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Cancelled
from jobs.runs.events import NOTHING

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what schedulers and service managers send before they kill."""

_DRAINING = b"stopping after the work that is under way; once more to stop at once\n"


@dataclass
class Stop:
    """Whether the user wants the run to end.

    Attributes:
        asked: The wish was uttered.
        why: Who uttered it, where it was not a signal.
    """

    asked: bool = False
    why: str = ""
    _listening: bool = field(default=False, init=False)
    _at_once: bool = field(default=False, init=False)

    def __call__(self) -> bool:
        """Return whether the wish was uttered."""
        return self.asked

    def ask(self, why: str, *, now: bool = False) -> None:
        """Utter the wish from another thread.

        Args:
            why: Who wants it, such as "by `millrace cancel`".
            now: Do not wait for what is under way.
        """
        if not self.asked:
            self.asked, self.why = True, why
        if now and self._listening and not self._at_once:
            self._at_once = True
            os.kill(os.getpid(), signal.SIGINT)  # ends what the main thread waits for

    def hear(self, number: int, _: object) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: It is the second one.
        """
        if self.asked:
            logging.disable()  # what breaks off in Dask's threads now is no news
            raise KeyboardInterrupt
        self.asked = True
        os.write(2, _DRAINING)  # printing takes locks

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals while the body runs; only in the main thread."""
        before = {number: signal.signal(number, self.hear) for number in SIGNALS}
        self._listening = True
        try:
            yield
        finally:
            self._listening = False
            logging.disable(logging.NOTSET)
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class Stopping:
    """A reporter that ends the run at the first news after the wish; training ends by itself.

    Args:
        stop: The wish.
    """

    stop: Stop

    def step_started(
        self, name: str, rows: int | None = None, note: str = "", bound: int | None = None
    ) -> None:
        """End before the step."""
        self._look(f"before the step {name}")

    def progress(
        self,
        rows_done: int,
        memory: Mapping[str, int] = NOTHING,
        quarantined: int = 0,
        parts: int = 0,
    ) -> None:
        """End between two partitions."""
        self._look("between two partitions")

    def round(self, round: int, rounds: int, metrics: Mapping[str, float]) -> None:
        """Let the ranks agree on the last round."""

    def trial(self, number: int, trials: int, told: Mapping[str, Any]) -> None:
        """Let the search end by itself."""

    def step_done(self, result: Mapping[str, Any]) -> None:
        """Let what is done be written."""

    def skipped(self, name: str, why: str) -> None:
        """Go on."""

    def warning(self, text: str) -> None:
        """Go on."""

    def _look(self, where: str) -> None:
        if self.stop.asked:
            by = f" ({self.stop.why})" if self.stop.why else ""
            raise Cancelled(
                f"the run was cancelled {where}{by}",
                hint="`millrace resume` goes on with it",
            )
