"""This process: its name, and the most memory that it has held."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import socket
import sys
from contextlib import suppress
from importlib import import_module
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


def begin(module: str) -> None:
    """Make ready for the tasks of a pass: import where they are, and start the peak anew.

    What the allocators keep of earlier passes is given back first: on a worker that lives long it
    would count for a pass that has nothing to do with it.

    All workers do it at once; left to the first task, the second worker would begin only when the
    first one has imported everything and can send it what they share (1.3 s later, measured).
    """
    import_module(module)
    give_back()
    reset_peak()


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


def held(pid: int | None = None) -> int:
    """Return the resident bytes of a process now, this one if none is named.

    0 where that cannot be known, such as of a process that has just ended.
    """
    name = "self" if pid is None else str(pid)
    try:
        pages = int(Path(f"/proc/{name}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def give_back() -> None:
    """Return freed memory to the system: allocators keep it, 40 to 80 MiB after a pass (measured).

    glibc's and pyarrow's; other C libraries have no such call.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
