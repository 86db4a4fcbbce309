"""What a cluster offers, and what this machine has.

In a container the machine's own figures are too high: the limits of the control groups (cgroup v1
and v2) count, those of the process's own group and of every group above it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

CORES = "MILLRACE_CORES"
"""Variable of a worker: how many of its tasks may compute at once; none: all (`engine.cores`)."""


def pin(worker: str) -> str:
    """Return the name of the Dask lock that whoever cannot lose a worker holds.

    Args:
        worker: Its address.
    """
    return f"millrace-training-{worker}"


@dataclass(frozen=True)
class Resources:
    """What a cluster offers; the same for all of its workers.

    Args:
        workers: Number of worker processes.
        threads: Threads of one worker.
        memory: Bytes that one worker may use.
        waiting: Tasks of one worker that wait for a store while its threads compute.
        most: Workers that there may be for a while, where the cluster can grow; none: as many.
        loaded: Whether its workers may have loaded libraries for other work: processes give none
            of them back.
        notes: What the user should know of it, such as settings that other people gave it.
    """

    workers: int
    threads: int
    memory: int
    waiting: int = 0
    most: int | None = None
    loaded: bool = False
    notes: tuple[str, ...] = ()

    @property
    def cores(self) -> int:
        """Threads of all workers together."""
        return self.workers * self.threads

    @property
    def held(self) -> int:
        """Tasks that one worker has begun at most."""
        return self.threads + self.waiting

    @property
    def slots(self) -> int:
        """Tasks that all workers have begun at most."""
        return (self.most or self.workers) * self.held


def machine_memory(root: Path = Path("/")) -> int:
    """Return the bytes of memory that this process may use at most.

    That is the least of physical memory and the cgroup limits (``memory.limit_in_bytes`` of v1,
    ``memory.max`` of v2).

    Args:
        root: Folder that holds ``sys/fs/cgroup`` and ``proc``; only tests need another.
    """
    limits = [
        *_numbers(_groups(root, "memory"), "memory.limit_in_bytes"),
        *_numbers(_groups(root, ""), "memory.max"),
    ]
    return min([int(psutil.virtual_memory().total), *limits])


def machine_cores(root: Path = Path("/")) -> int:
    """Return the number of cores that this process may use: its affinity and its CPU quota.

    A quota of 1.5 cores counts as 1: a thread more would only be throttled.

    Args:
        root: Folder that holds ``sys/fs/cgroup`` and ``proc``; only tests need another.
    """
    quotas = [*_quotas_v1(root), *_quotas_v2(root)]
    return max(1, int(min([float(_affinity()), *quotas])))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of all above it ("" = cgroup v2)."""
    mount = root / "sys/fs/cgroup" / controller
    own = _own_group(root, controller)
    for part in (own, *own.parents):
        yield mount / str(part).lstrip("/")


def _own_group(root: Path, controller: str) -> PurePosixPath:
    # A line of /proc/self/cgroup is "<id>:<controllers, comma separated>:<path>" (man cgroups 7).
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return PurePosixPath("/")
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return PurePosixPath(path)
    return PurePosixPath("/")


def _numbers(folders: Iterator[Path], name: str) -> Iterator[int]:
    for folder in folders:
        words = _words(folder / name)
        if words and words[0].isdigit():  # not "max", which stands for no limit
            yield int(words[0])


def _quotas_v1(root: Path) -> Iterator[float]:
    for folder in _groups(root, "cpu"):
        quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
        if quota and period and int(quota[0]) > 0:  # -1 stands for no quota
            yield int(quota[0]) / int(period[0])


def _quotas_v2(root: Path) -> Iterator[float]:
    for folder in _groups(root, ""):
        words = _words(folder / "cpu.max")
        if len(words) == 2 and words[0] != "max":
            yield int(words[0]) / int(words[1])


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
