"""What a driver does beside its work: tell that it lives, and hear that it should end.

The heartbeat is a lease: it saves the work of two drivers on one run, and guards nothing. What is
right is decided by names that are given once (`jobs.runs.state`, `engine.commit`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from engine.errors import MillraceError
from engine.place.local import LocalPlace
from jobs.runs.folder import NOW, Run
from jobs.runs.journal import Journal
from jobs.runs.stopping import Stop

BEAT_SECONDS = 10.0
"""A heartbeat so often; `jobs.runs.folder.SILENT_SECONDS` is several of them."""

LOOK_SECONDS = 1.0
STORE_SECONDS = 5.0
"""So often is looked for a wish to end, and what waits in the journal is written; the latter where
each look is a request."""

LOG = logging.getLogger("millrace")


@dataclass
class Heart:
    """The heartbeat of one driver.

    Attributes:
        run: The run.
        epoch: Number of the entry with which the driver started.
        stop: Is told of the wish to end.
        journal: Is flushed.
    """

    run: Run
    epoch: int
    stop: Stop
    journal: Journal
    _beats: int = field(default=0, init=False)
    _due: float = field(default=float("-inf"), init=False)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat from a thread while the body runs."""
        done = threading.Event()
        look = LOOK_SECONDS if isinstance(self.run.place, LocalPlace) else STORE_SECONDS
        self.pulse()

        def go_on() -> None:
            while not done.wait(look):
                self.pulse()

        thread = threading.Thread(target=go_on, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            with suppress(MillraceError, OSError):
                self.journal.flush()

    def pulse(self) -> None:
        """Do what is due now. A storage that is away for a while costs nothing but the lease."""
        try:
            self.journal.flush()
            if time.monotonic() >= self._due:
                self._beat()
            self._listen()
        except (MillraceError, OSError) as error:
            LOG.warning("the run folder cannot be reached: %s", error)

    def _beat(self) -> None:
        held = self.run.heartbeat()
        if held is not None and held["epoch"] > self.epoch:
            # Nothing that this one waits for counts any more.
            self.stop.ask("another driver has taken this run over", now=True)
            return
        self._beats += 1
        self.run.beat(self.epoch, self._beats)
        self._due = time.monotonic() + BEAT_SECONDS

    def _listen(self) -> None:
        how = self.run.asked_to_end(self.epoch)
        if how is not None:
            self.stop.ask("by `millrace cancel`", now=how == NOW)
