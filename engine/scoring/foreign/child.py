"""The Dask worker's side of a child: starts it, asks it, watches it, ends it.

Whatever happens to the child, the worker lives on, and a child in which anything went wrong is
never asked again.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import pickle
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO

import polars as pl

from engine.environment import child_environment
from engine.process import held
from engine.scoring.foreign.order import Order
from engine.scoring.foreign.wire import HEAD, Garbled, Kind, head, read_head

TICK = 0.1
"""Seconds between two looks at the memory of a child that works."""

_TAIL = 4096
"""Bytes that are kept of its standard error."""

_PIPE = 2**20
"""Bytes of a pipe: a batch in a few pieces. Linux gives an ordinary user no more (man 7 pipe)."""

_PIECE = 2**20
_LAST_SECONDS = 5.0


class ChildFailed(Exception):
    """The child gave no columns; it is of no use any more.

    Args:
        what: What happened, in words that follow the name of the model.
        hint: What to do about it.
        refused: Whether the model cannot be used at all, and not only with this batch.
    """

    def __init__(self, what: str, hint: str | None = None, *, refused: bool = False) -> None:
        """Keep the three."""
        super().__init__(what)
        self.what, self.hint, self.refused = what, hint, refused


class Child:
    """A process with a loaded model.

    Attributes:
        identity: What the model was loaded from, as the child saw it.

    Args:
        order: What it is told.

    Raises:
        ChildFailed: It does not start, or the model does not load.
    """

    def __init__(self, order: Order) -> None:
        """Start it and load the model."""
        self._limits = order.limits
        self._process = _started(order)
        self._errors = _Tail(_pipe(self._process.stderr))
        try:
            said = self._asked(Kind.MODEL, pickle.dumps(order), Kind.READY)
            self.identity: Mapping[str, str] = json.loads(said)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Number of its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the columns for one batch.

        Raises:
            ChildFailed: There are none; the child must be closed.
        """
        out = io.BytesIO()
        rows.write_ipc_stream(out)
        said = self._asked(Kind.ROWS, out.getbuffer(), Kind.COLUMNS)
        try:
            return pl.read_ipc_stream(io.BytesIO(said))
        except BaseException as error:  # Polars panics on damaged messages
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                raise ChildFailed("sent columns that cannot be read") from error
            raise

    def close(self) -> None:
        """End it, and all that it started; nothing is left of it afterwards."""
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):
                _pipe(stream).close()

    def _asked(self, kind: Kind, body: bytes | memoryview, wanted: Kind) -> bytes:
        got, said = self._exchange([head(kind, len(body)), body])
        if got is wanted:
            return said
        if got not in (Kind.REFUSED, Kind.FAILED):
            raise ChildFailed("broke the protocol of its process")
        told = json.loads(said)
        hint = told["hint"] or self._said_last()
        raise ChildFailed(told["what"], hint, refused=got is Kind.REFUSED)

    def _exchange(self, message: list[bytes | memoryview]) -> tuple[Kind, bytes]:
        """Send a message and return the answer; neither side can make the other wait for ever."""
        reply, deadline = bytearray(), time.monotonic() + self._limits.timeout
        left = [memoryview(part) for part in message if len(part)]
        looked = 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(_pipe(self._process.stdout), selectors.EVENT_READ)
            selector.register(_pipe(self._process.stdin), selectors.EVENT_WRITE)
            while True:
                ended, had = self._process.poll() is not None, len(reply)
                for key, event in selector.select(0 if ended else TICK):
                    if event & selectors.EVENT_WRITE:
                        if not _write(key.fd, left):
                            selector.unregister(key.fileobj)
                    elif not _read(key.fd, reply):
                        ended = True
                if (answer := self._whole(reply)) is not None:
                    return answer
                if ended and len(reply) == had:
                    raise self._gone()
                if time.monotonic() - looked > TICK:
                    looked = time.monotonic()
                    self._judge(looked > deadline)

    def _whole(self, reply: bytearray) -> tuple[Kind, bytes] | None:
        """Return the answer if all of it is there."""
        if len(reply) < HEAD.size:
            return None
        try:
            kind, length = read_head(reply)
        except Garbled:
            raise ChildFailed("broke the protocol of its process") from None
        if length > self._limits.memory:
            raise ChildFailed("answered with more than its memory holds")
        whole = len(reply) >= HEAD.size + length
        return (kind, bytes(memoryview(reply)[HEAD.size :][:length])) if whole else None

    def _judge(self, late: bool) -> None:
        size = held(self._process.pid)
        if size > self._limits.memory:
            raise ChildFailed(
                f"held {_mib(size)}, its bound is {_mib(self._limits.memory)}",
                "give it more `memory`, or a smaller `batch`",
            )
        if late:
            raise ChildFailed(
                f"took longer than {self._limits.timeout:g} s",
                "give it more time with `timeout`, or a smaller `batch`" + self._said_last(" ({})"),
            )

    def _gone(self) -> ChildFailed:
        """Say how a child ended that gave no answer."""
        try:
            status = self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return ChildFailed("closed the pipe to its worker", self._said_last())
        if status >= 0:
            how = f"ended its process with exit status {status}"
        else:
            how = f"crashed: its process was ended by signal {_signal(-status)}"
        return ChildFailed(how, self._said_last() or None)

    def _said_last(self, form: str = "the last that it printed: {}") -> str:
        line = self._errors.last_line()
        return form.format(line) if line else ""


class _Tail:
    """Reads all that a child prints, so that it never waits for us, and keeps the end of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, b""
        self._thread = threading.Thread(target=self._read, name="stderr", daemon=True)
        self._thread.start()

    def last_line(self) -> str:
        """Return the last line that is not empty."""
        self._thread.join(2 * TICK)  # ends with the child
        lines = self._kept.decode(errors="replace").split("\n")
        return next((line.strip()[-500:] for line in reversed(lines) if line.strip()), "")

    def _read(self) -> None:
        with suppress(OSError, ValueError):  # closed under us
            while piece := os.read(self._stream.fileno(), _PIECE):
                self._kept = (self._kept + piece)[-_TAIL:]


def _started(order: Order) -> subprocess.Popen[bytes]:
    threads = str(order.limits.threads)
    more = dict.fromkeys(
        ("LOKY_MAX_CPU_COUNT", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS"), threads
    )
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.scoring.foreign.process", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # what it starts is ended with it
            env={**child_environment(order.limits.threads), **more},
        )
    except OSError as error:
        raise ChildFailed(f"could not be given a process of its own: {error}") from error
    for stream in (_pipe(process.stdin), _pipe(process.stdout)):
        os.set_blocking(stream.fileno(), False)
        with suppress(OSError):  # many pipes of one user: they are smaller then
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
    return process


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _write(number: int, left: list[memoryview]) -> bool:
    """Write what the pipe takes; return whether anything is left."""
    try:
        written = os.write(number, left[0][:_PIECE])
    except BlockingIOError:
        return True
    except OSError:  # it has died, or says why it does not want the rest
        return False
    left[0] = left[0][written:]
    if not left[0]:
        left.pop(0)
    return bool(left)


def _read(number: int, reply: bytearray) -> bool:
    """Read what the pipe has; return whether it is still open."""
    try:
        piece = os.read(number, _PIECE)
    except BlockingIOError:
        return True
    except OSError:
        return False
    reply += piece
    return bool(piece)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
