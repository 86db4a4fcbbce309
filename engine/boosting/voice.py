"""How a child process talks to the Dask worker beside it: JSON lines on its standard output.

What LightGBM or any other library prints goes to standard error, so that it cannot break a line.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from engine import process

WAITING = 1000
"""Lines that may wait for a worker that does not read; more of them are dropped."""

STOP = "stop"
"""What the worker says to have a child end after the round that it is in."""

asked = threading.Event()
"""Whether the worker has said so."""


def take_output() -> BinaryIO:
    """Return standard output for ourselves alone; from now on what others print is an error line.

    LightGBM prints from C++ and from Python.
    """
    file = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return file


class Voice:
    """The child's end.

    A thread writes, so that training goes on when the worker is frozen and its pipe is full.
    """

    def __init__(self) -> None:
        """Take standard output and begin to write."""
        self._file = take_output()
        self._start = time.monotonic()
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING)
        self._writer = threading.Thread(target=self._write, name="voice", daemon=True)
        self._writer.start()

    def tell(self, kind: str, *, matters: bool = False, **fields: Any) -> None:
        """Say something, with the time and the peak memory so far.

        Args:
            kind: What happened.
            matters: Wait for room in the queue instead of dropping the line.
            **fields: JSON values.
        """
        seconds = time.monotonic() - self._start
        line = json.dumps({"kind": kind, "seconds": seconds, "peak": process.peak(), **fields})
        try:
            self._lines.put(line, block=matters)
        except queue.Full:
            return

    def beat(self, seconds: float) -> None:
        """Give a sign of life every so many seconds, from now on."""

        def go_on() -> None:
            while True:
                self.tell("beat")
                time.sleep(seconds)

        threading.Thread(target=go_on, name="beat", daemon=True).start()

    def close(self, patience: float | None = None) -> None:
        """Wait until everything is written, for so many seconds at most."""
        try:
            self._lines.put(None, timeout=patience)
        except queue.Full:
            return
        self._writer.join(patience)

    def _write(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._file.write(line.encode() + b"\n")
                self._file.flush()
        except OSError:  # the worker is gone, and with it whoever wants the model
            os._exit(1)


def listen(hear: Callable[[Any], None]) -> None:
    """Listen to standard input, in a thread: its end ends us, as the worker has died.

    Args:
        hear: Called with each thing that the worker says, after the errand that was taken before.
    """

    def wait() -> None:
        try:
            while True:
                hear(pickle.load(sys.stdin.buffer))
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
