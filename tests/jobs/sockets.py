"""What listens, as ``ss -ltn`` tells it, of a process and all that it has started."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

LISTENING = re.compile(r"LISTEN +\d+ +\d+ +(\S+):(\d+) .*")
_PID = re.compile(r"pid=(\d+)")

needs_ss = pytest.mark.skipif(shutil.which("ss") is None, reason="ss is absent (Debian: iproute2)")


class Listening:
    """All that was seen to listen: address, and the command line of who did."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str]] = set()
        self.looks = 0

    @property
    def addresses(self) -> set[str]:
        return {address for address, _ in self.seen}

    def by(self, command: str) -> set[str]:
        """Return where processes listened whose command line holds a text."""
        return {address for address, line in self.seen if command in line}

    def look(self, pid: int) -> None:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            family = {p.pid: p for p in [root, *root.children(recursive=True)]}
            told = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True)
            for line in told.stdout.splitlines():
                found = LISTENING.match(line)
                assert found, line
                for number in map(int, _PID.findall(line)):
                    if number in family:
                        self.seen.add((found[1], _command(family[number])))
            self.looks += 1


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "(gone)"


@contextmanager
def watching(pid: int) -> Iterator[Listening]:
    """Look again and again while the body runs."""
    found, done = Listening(), threading.Event()

    def look() -> None:
        while not done.is_set():
            found.look(pid)
            time.sleep(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
