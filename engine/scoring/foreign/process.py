"""The child that holds a model: ``python -m engine.scoring.foreign.process PARENT``.

The model comes pickled on standard input, then batches. Answers go to the pipe that was standard
output; whatever the model prints goes to standard error, so that it cannot break a message.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import polars as pl

from engine.errors import MillraceError
from engine.scoring.foreign.loader import Loaded
from engine.scoring.foreign.order import Order
from engine.scoring.foreign.returned import Misfit, checked
from engine.scoring.foreign.wire import Kind, receive, send

R = TypeVar("R")

GRACE = 30.0
"""Seconds after the time limit at which the kernel ends the child, if nobody did before."""

_PARENT_TICK = 1.0


def main() -> None:
    """Load the model and answer batches until standard input ends."""
    orders, answers = _take_pipes()
    _end_with(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    first = receive(orders)
    if first is None:
        return
    order: Order = pickle.loads(first[1])
    _bound(order.limits.memory)
    loaded = _load(order, answers)
    while loaded is not None and (batch := receive(orders)) is not None:
        _answer(order, loaded, batch[1], answers)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes for ourselves: the model may read nothing, and prints to stderr."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return orders, answers


def _end_with(parent: int) -> None:
    """End when the worker is gone, even in the middle of a batch."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_TICK)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _bound(memory: int) -> None:
    """Let allocations fail that would take this process over its bound by themselves.

    What is resident altogether the worker looks at; this stops one that is too large at once.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        held = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))
    except (OSError, StopIteration):
        return
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = held + memory if most == resource.RLIM_INFINITY else min(most, held + memory)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))


def _load(order: Order, answers: BinaryIO) -> Loaded | None:
    names, limits = tuple(order.columns), order.limits
    with _Watched(limits.timeout):
        kind, body, loaded = _tried(
            lambda: order.loader.load(order.inputs, names, limits.threads), "could not be loaded"
        )
    if loaded is None:
        send(answers, kind, body)
        return None
    send(answers, Kind.READY, json.dumps(dict(loaded.identity)).encode())
    return loaded


def _answer(order: Order, loaded: Loaded, batch: bytes, answers: BinaryIO) -> None:
    def made() -> bytes:
        rows = pl.read_ipc_stream(io.BytesIO(batch))
        given = loaded.call(rows)
        out = io.BytesIO()
        checked(given, order.columns, rows.height, order.missing).write_ipc_stream(out)
        return out.getvalue()

    with _Watched(order.limits.timeout):
        kind, body, columns = _tried(made, "failed")
    if columns is None:
        send(answers, kind, body)
    else:
        send(answers, Kind.COLUMNS, columns)


def _tried(call: Callable[[], R], failed: str) -> tuple[Kind, bytes, R | None]:
    """Return what a call returns, or the message that says why it does not."""
    try:
        return Kind.READY, b"", call()
    except Misfit as error:
        return _said(Kind.FAILED, error.what, error.hint)
    except MillraceError as error:
        return _said(Kind.REFUSED, error.what, error.hint)
    except MemoryError as error:
        told = f"{failed}: it ran out of memory ({_last_line(error)})"
        return _said(Kind.FAILED, told, "give it more `memory`, or a smaller `batch`")
    except BaseException as error:  # SystemExit, and Polars' panics, are no Exception
        return _said(Kind.FAILED, f"{failed}: {_last_line(error)}", None)


def _said(kind: Kind, what: str, hint: str | None) -> tuple[Kind, bytes, None]:
    return kind, json.dumps({"what": what, "hint": hint}).encode(), None


def _last_line(error: BaseException) -> str:
    """Return ``ValueError: what (scoring.py, line 12)``: the innermost place."""
    text = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    text = text.splitlines()[0][:500]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return text + place


class _Watched:
    """Let the kernel end this process some time after its time limit.

    The worker kills a child that hangs. When the worker is gone and native code holds Python's
    lock, nothing else could.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds + GRACE

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)  # threads of the model must not keep it
