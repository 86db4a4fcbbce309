"""Where the ranks agree: every rank says something, one decision goes back to all.

The hub is a thread in the process of rank 0; every rank, rank 0 too, holds a `Link` to it. Messages
are tuples over `multiprocessing.connection`, after its mutual challenge with the attempt's key.
Whoever closes the connection without a goodbye, or is silent for too long, is lost: all others are
told its name and leave.

Messages to the hub: ``("beat",)``, ``("say", stage, payload)``, ``("bye",)``. From the hub:
``("beat",)``, ``("reply", value)``, ``("refused", error)``, ``("lost", rank, reason)``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import (
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from typing import Any

from engine.boosting.council.silence import Silence
from engine.boosting.council.undelayed import undelayed
from engine.boosting.events import Timeouts
from engine.errors import MillraceError, TrainingFailed

Decide = Callable[[str, Sequence[Any]], Any]
"""Makes one answer of what all ranks say at a stage, in rank order; may raise MillraceError."""

_Message = tuple[Any, ...]


class Hub:
    """The meeting point of one training.

    Args:
        address: Where to listen: an address of this host, and a port.
        key: Secret of this attempt; a connection that does not know it is turned away.
        ranks: Number of ranks.
        decide: Called in the hub's thread.
        timeouts: When a rank is lost.
    """

    def __init__(
        self,
        address: tuple[str, int],
        key: bytes,
        ranks: int,
        decide: Decide,
        timeouts: Timeouts,
    ) -> None:
        """Listen; ranks may connect as soon as this returns."""
        self._key, self._ranks, self._decide, self._timeouts = key, ranks, decide, timeouts
        self._inbox: queue.SimpleQueue[tuple[int, Connection | None, _Message]] = (
            queue.SimpleQueue()
        )
        self._connections: dict[int, Connection] = {}
        self._silences = [Silence() for _ in range(ranks)]
        self._said: dict[int, tuple[str, Any]] = {}
        self._gone: set[int] = set()
        self._loss: _Message | None = None
        self._listener = Listener(address, "AF_INET", backlog=max(16, ranks))
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        threading.Thread(target=self._accept, name="hub-accept", daemon=True).start()
        self._thread.start()

    def join(self) -> None:
        """Wait until every rank has said goodbye, for as long as a lost rank may take."""
        self._thread.join(self._timeouts.silence)

    def _accept(self) -> None:
        # The listener has no key: the challenge would block it for all when one peer is silent.
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._receive, args=(connection,), daemon=True).start()

    def _receive(self, connection: Connection) -> None:
        try:
            deliver_challenge(undelayed(connection), self._key)
            answer_challenge(connection, self._key)
            rank = int(connection.recv())
        except Exception:  # a stranger; whatever it sent, it is turned away
            connection.close()
            return
        self._inbox.put((rank, connection, ("hello",)))
        try:
            while True:
                self._inbox.put((rank, None, connection.recv()))
        except (OSError, EOFError):
            self._inbox.put((rank, None, ("eof",)))

    def _run(self) -> None:
        beat = Silence()
        while len(self._gone) < self._ranks:
            with suppress(queue.Empty):
                self._hear(*self._inbox.get(timeout=min(1.0, self._timeouts.beat)))
            if beat.seconds() >= self._timeouts.beat:
                beat.broken()
                self._tell_all(("beat",))
            for rank in set(range(self._ranks)) - self._gone:
                self._look_at(rank)
        self._listener.close()

    def _look_at(self, rank: int) -> None:
        joined = rank in self._connections
        limit = self._timeouts.silence if joined else self._timeouts.answer
        if self._silences[rank].seconds() > limit:
            what = "was silent" if joined else "did not join"
            self._lose(rank, f"it {what} for {limit:.0f} s")

    def _hear(self, rank: int, connection: Connection | None, message: _Message) -> None:
        self._silences[rank].broken()
        match message:
            case ("hello",):
                assert connection is not None
                self._connections[rank] = connection
                if self._loss is not None:  # it came too late to hear it with the others
                    self._tell(rank, self._loss)
            case ("say", stage, payload):
                self._said[rank] = (stage, payload)
                if len(self._said) == self._ranks:
                    self._answer()
            case ("bye",):
                self._gone.add(rank)
            case ("eof",) if rank not in self._gone:
                self._lose(rank, "its connection closed")

    def _answer(self) -> None:
        said = [self._said.pop(rank) for rank in range(self._ranks)]
        stages = {stage for stage, _ in said}
        try:
            if len(stages) > 1:
                raise MillraceError(f"the ranks are at different stages: {sorted(stages)}")
            self._tell_all(("reply", self._decide(stages.pop(), [value for _, value in said])))
        except MillraceError as error:
            self._tell_all(("refused", error))
        except Exception as error:  # otherwise all would wait for a hub that is no more
            what = f"the ranks could not agree: {type(error).__name__}: {error}"
            self._tell_all(("refused", TrainingFailed(what)))

    def _lose(self, rank: int, reason: str) -> None:
        self._gone.add(rank)
        self._loss = self._loss or ("lost", rank, reason)
        self._tell_all(self._loss)

    def _tell_all(self, message: _Message) -> None:
        # Rank 0 last: when it hears of a loss it ends its process, and the hub with it.
        for rank in sorted(set(self._connections) - self._gone, reverse=True):
            self._tell(rank, message)

    def _tell(self, rank: int, message: _Message) -> None:
        with suppress(OSError):  # its reader sees the end of the connection and says so
            self._connections[rank].send(message)
