"""A rank's line to the hub."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from typing import Any, Protocol

from engine.boosting.council.hub import Decide
from engine.boosting.council.silence import Silence
from engine.boosting.council.undelayed import undelayed
from engine.boosting.events import Timeouts
from engine.errors import RankLost

HUB_RANK = 0

OnLost = Callable[[int, str], None]
"""Called with the lost rank and the reason, in a thread of its own; it ends the process, because
the main thread may wait in LightGBM's network for a peer that is gone."""


class Council(Protocol):
    """Where a rank hears what all ranks together have decided."""

    def say(self, stage: str, payload: Any) -> Any:
        """Say something, wait for all others, return the decision.

        Raises:
            MillraceError: What the decision is, when it is a refusal.
        """

    def close(self) -> None:
        """Leave; nobody will take it for a loss."""


class Alone:
    """The council of a single rank: no network at all."""

    def __init__(self, decide: Decide) -> None:
        """Keep the one who decides."""
        self._decide = decide

    def say(self, stage: str, payload: Any) -> Any:
        """Return the decision."""
        return self._decide(stage, [payload])

    def close(self) -> None:
        """Do nothing: there is nobody to leave."""


class Link:
    """A connection to the hub, with signs of life both ways.

    Args:
        address: Host and port of the hub.
        key: Secret of this attempt.
        rank: Who we are.
        timeouts: When the hub is lost.
        on_lost: What to do then.
    """

    def __init__(
        self, address: tuple[str, int], key: bytes, rank: int, timeouts: Timeouts, on_lost: OnLost
    ) -> None:
        """Connect and say who we are.

        Raises:
            RankLost: The hub cannot be reached.
        """
        self._timeouts, self._on_lost = timeouts, on_lost
        self._replies: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._sending, self._leaving = threading.Lock(), threading.Event()
        self._connection = _connected(address, key, timeouts.answer)
        self._connection.send(rank)
        for work in (self._listen, self._beat):
            threading.Thread(target=work, name=f"link{work.__name__}", daemon=True).start()

    def say(self, stage: str, payload: Any) -> Any:
        """Say something, wait for all other ranks, return the hub's decision.

        Raises:
            MillraceError: The hub's refusal.
        """
        self._send(("say", stage, payload))
        kind, value = self._replies.get()
        if kind == "refused":
            raise value
        return value

    def close(self) -> None:
        """Say goodbye."""
        self._leaving.set()
        self._send(("bye",))

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:  # the listening thread sees the end of the connection and acts
            return

    def _beat(self) -> None:
        while not self._leaving.wait(self._timeouts.beat):
            self._send(("beat",))

    def _listen(self) -> None:
        silence = Silence()
        while not self._leaving.is_set():
            try:
                if self._connection.poll(min(1.0, self._timeouts.beat)):
                    self._take(self._connection.recv())
                    silence.broken()
            except (OSError, EOFError):
                self._lose(HUB_RANK, "its connection closed")
                return
            if silence.seconds() > self._timeouts.silence:
                self._lose(HUB_RANK, f"it was silent for {self._timeouts.silence:.0f} s")
                return

    def _take(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("reply" | "refused" as kind, value):
                self._replies.put((kind, value))
            case ("lost", rank, reason):
                self._lose(rank, reason)

    def _lose(self, rank: int, reason: str) -> None:
        if not self._leaving.is_set():
            self._on_lost(rank, reason)


def _connected(address: tuple[str, int], key: bytes, patience: float) -> Connection:
    """Connect to the hub, which may start a little later than we.

    Until it does, somebody else may keep its port, who takes a connection and never answers: so
    this is tried in a thread that may be left behind.

    Raises:
        RankLost: It cannot be reached.
    """
    found: queue.SimpleQueue[Connection | Exception] = queue.SimpleQueue()
    arguments = (address, key, patience, found.put)
    threading.Thread(target=_connect, args=arguments, name="connect", daemon=True).start()
    try:
        result = found.get(timeout=patience + 1.0)
    except queue.Empty:
        result = TimeoutError(f"it did not join for {patience:.0f} s")
    if isinstance(result, Exception):
        raise RankLost(
            f"rank {HUB_RANK} cannot be reached: {result}",
            where=f"{address[0]}:{address[1]}",
            hint="see why its process did not start",
        ) from result
    return result


def _connect(
    address: tuple[str, int],
    key: bytes,
    patience: float,
    put: Callable[[Connection | Exception], None],
) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            return put(undelayed(Client(address, "AF_INET", authkey=key)))
        except (OSError, EOFError) as error:
            if time.monotonic() > deadline:
                return put(error)
        except Exception as error:  # a hub of another training: it has another key
            return put(error)
        time.sleep(0.1)
