"""The Dask worker's side of a child, such as a rank: starts it, listens, watches, ends it.

Whatever happens to the child, the Dask worker lives on, and whatever happens here, the child does
not: it is killed and reaped before `watch` returns or raises, and when a `Child` is closed.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import psutil

from engine.boosting.council.silence import Silence
from engine.boosting.learning import Conduct
from engine.boosting.voice import STOP
from engine.environment import child_environment
from engine.process import give_back

TICK = 0.2
"""Seconds between two looks at the child when it says nothing."""

MEMORY_TICK = 0.5
STDERR_LINES = 20

RANK = "engine.boosting.rank.process"

Event = Mapping[str, Any]
LAST_WORDS = ("done", "failed", "left")


class Errand(Protocol):
    """What a child is told, whatever its program does with it; picklable."""

    @property
    def threads(self) -> int:
        """Threads of the child."""

    @property
    def conduct(self) -> Conduct:
        """The bound of its memory, and when it is given up."""


class Wish(Enum):
    """What is wanted of a child."""

    GO_ON = "go on"
    STOP = "stop after this round"
    END = "end at once"


@dataclass
class Ending:
    """How a child ended.

    Attributes:
        last: Its last line, ``done``, ``failed`` or ``left``; None when it could not say one.
        status: Exit status, minus the signal's number when it died of one.
        killed: Why we killed it, or None.
        over: Whether that was because it held too much memory.
        peak: Peak resident bytes of the child and its Dask worker together.
        stderr: The last lines of its standard error.
    """

    last: Event | None = None
    status: int = 0
    killed: str | None = None
    over: bool = False
    peak: int = 0
    stderr: list[str] = field(default_factory=list)

    def cause(self) -> str:
        """Return what ended a child that could not say it itself."""
        if self.killed:
            return self.killed
        if self.status < 0:
            return f"its process was ended by signal {signal.Signals(-self.status).name}"
        return f"its process ended with exit status {self.status}"


def watch(
    work: Errand,
    sockets: Sequence[int],
    hear: Callable[[Event], None],
    wish: Callable[[], Wish],
) -> Ending:
    """Run a rank to its end.

    Args:
        work: What it is told.
        sockets: File descriptors that it inherits: they keep its ports.
        hear: Called with each of its lines but the last, in this thread.
        wish: Looked at twice a second.
    """
    with closing(Child(RANK, work.threads, sockets)) as child:
        return child.run(work, hear, wish)


class Child:
    """A child process, which can be given errands until one of them goes wrong.

    Args:
        program: Module that it runs; it takes its errands and talks as a rank does
            (`engine.boosting.rank.process`).
        threads: That it computes with.
        sockets: File descriptors that it inherits.
    """

    def __init__(self, program: str, threads: int, sockets: Sequence[int] = ()) -> None:
        """Start it."""
        give_back()  # the child shares this worker's memory limit
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", program, *map(str, sockets)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=tuple(sockets),
                env=child_environment(threads),
            )
        finally:
            for number in sockets:  # the child has its own; ours would keep the ports taken
                os.close(number)
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._errors: deque[bytes | None] = deque(maxlen=STDERR_LINES)
        said = (
            (self._process.stdout, self._lines.put),
            (self._process.stderr, self._errors.append),
        )
        self._threads = [threading.Thread(target=_pump, args=one, daemon=True) for one in said]
        for thread in self._threads:
            thread.start()

    def run(self, work: Errand, hear: Callable[[Event], None], wish: Callable[[], Wish]) -> Ending:
        """Give it an errand and listen until it has said its last word of that, or is dead.

        Args:
            work: What it is told.
            hear: Called with each of its lines but the last, in this thread.
            wish: Looked at twice a second.
        """
        ending = Ending()
        _tell(self._process, work)
        _listen(self._process, work, self._lines, ending, hear, wish)
        if ending.last is None:
            ending.status = self._process.wait()
            self._threads[1].join(1.0)
        lines = [line for line in list(self._errors) if line]
        ending.stderr = [line.decode(errors="replace").rstrip() for line in lines]
        return ending

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _close(pipe)


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:  # unwritten input of a child that is gone
        return


def _tell(process: subprocess.Popen[bytes], said: object) -> None:
    assert process.stdin is not None
    try:
        pickle.dump(said, process.stdin)
        process.stdin.flush()
    except OSError:  # it died before it read this: its exit status tells
        return


def _pump(pipe: Any, put: Callable[[bytes | None], None]) -> None:
    try:
        for line in pipe:
            put(line)
    except (OSError, ValueError):  # closed under us
        pass
    put(None)


def _listen(
    process: subprocess.Popen[bytes],
    work: Errand,
    lines: queue.SimpleQueue[bytes | None],
    ending: Ending,
    hear: Callable[[Event], None],
    wish: Callable[[], Wish],
) -> None:
    """Take the child's lines to its last word, to their end, or to a reason to kill it."""
    silence, measured, asked = Silence(), 0.0, False
    patience = work.conduct.timeouts.answer  # to its first sign of life: imports take seconds
    while True:
        try:
            line = lines.get(timeout=TICK)
            if line is None:
                return
            silence.broken()
            patience = work.conduct.timeouts.frozen
            _take(json.loads(line), ending, hear)
            if ending.last is not None:
                return
        except queue.Empty:
            pass
        if time.monotonic() - measured <= MEMORY_TICK:
            continue
        measured, wanted = time.monotonic(), wish()
        if wanted is Wish.STOP and not asked:
            asked = True
            _tell(process, STOP)
        frozen = f"no sign of life for {patience:.0f} s" if silence.seconds() > patience else None
        _judge(process, work.conduct.memory, frozen, wanted, ending)
        if ending.killed:
            process.kill()
            return


def _judge(
    process: subprocess.Popen[bytes], bound: int, frozen: str | None, wanted: Wish, ending: Ending
) -> None:
    """Note why the child is to be killed, if it is."""
    if over := _over(process, bound, ending):
        ending.killed, ending.over = over, True
    elif frozen:
        ending.killed = f"it was frozen: {frozen}"
    elif wanted is Wish.END:
        ending.killed = "nobody waits for it any more"


def _take(event: Event, ending: Ending, hear: Callable[[Event], None]) -> None:
    ending.peak = max(ending.peak, int(event["peak"]) + _own())
    if event["kind"] in LAST_WORDS:
        ending.last = event
    else:
        hear(event)


def _over(process: subprocess.Popen[bytes], bound: int, ending: Ending) -> str | None:
    """Look at the memory of the child and of this worker; return why the child is killed."""
    try:
        held = int(psutil.Process(process.pid).memory_info().rss) + _own()
    except psutil.Error:  # it has just ended
        return None
    ending.peak = max(ending.peak, held)
    if bound and held > bound:
        return f"it and its worker held {_mib(held)}, their bound is {_mib(bound)}"
    return None


def _own() -> int:
    """Return the resident bytes that this Dask worker adds to its child: both share one limit.

    Pages of shared libraries are the same for both, and count with the child.
    """
    held = psutil.Process().memory_info()
    return int(held.rss) - int(getattr(held, "shared", 0))


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
