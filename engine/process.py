"""This process: its name, and the most memory that it has held."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path


def name() -> str:
    """Return ``host:pid``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def reset_peak() -> None:
    """Start the peak of this process's memory anew (Linux; elsewhere it stays that of its life)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak() -> int:
    """Return the peak resident bytes of this process since `reset_peak`.

    ``ru_maxrss`` would start with the memory of the process that forked us (man getrusage), so it
    is only the second choice.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
