"""A process that is known by a file: named so that it can be found, and whether it still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil


@dataclass(frozen=True)
class ProcessName:
    """A process, named so that it cannot be taken for another one.

    Args:
        host: Name of the machine.
        boot: Id of the machine's boot; process ids start anew with each.
        pid: Process id.
        started: Start of the process, seconds since the epoch; a process id is used again.
    """

    host: str
    boot: str
    pid: int
    started: float

    @staticmethod
    def here() -> ProcessName:
        """Return the name of this process."""
        return ProcessName.of(os.getpid())

    @staticmethod
    def of(pid: int) -> ProcessName:
        """Return the name of a process of this machine.

        Raises:
            psutil.NoSuchProcess: There is none.
        """
        return ProcessName(socket.gethostname(), _boot(), pid, psutil.Process(pid).create_time())

    def alive(self) -> bool | None:
        """Tell whether the process still runs; None when it is another machine's."""
        if self.host != socket.gethostname():
            return None
        if self.boot != _boot():
            return False
        try:
            process = psutil.Process(self.pid)
            # The start is the same to a clock tick, but the clock itself may have been set.
            same = abs(process.create_time() - self.started) < 2
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))
