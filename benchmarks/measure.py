"""Run a command in a fresh process and record what its whole process tree costs.

Memory is sampled from ``/proc`` ten times a second (PSS, which divides shared pages among their
users, twice a second, because the kernel walks the page tables for it). Where the kernel's own
high-water mark of a process has risen between two samples, the mark counts, so that a short peak is
not missed. CPU time comes from a cpuacct cgroup where one can be made, so that processes that
nobody waited for count too.

A *worker* is a process that multiprocessing has spawned (as Dask's nanny does), with everything
below it; where there is none, the command itself is the worker. With ``limit`` every worker starts
in a memory cgroup (v1) of its own (see `confine/sitecustomize.py`), and the kernel kills it when it
goes over.
"""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

TICK, PSS_EVERY = 0.1, 5  # seconds, ticks
CONFINE = Path(__file__).parent / "confine"
CPU_GROUP, MEMORY_GROUP = (Path("/sys/fs/cgroup") / name for name in ("cpuacct", "memory"))


@dataclass
class Worker:
    """Peaks of one worker with its children, in bytes; ``oom_kills`` by its memory cgroup."""

    pid: int
    rss: int = 0
    pss: int = 0
    oom_kills: int = 0


@dataclass
class Measured:
    """What a command cost: seconds of wall and CPU time, peak bytes, and how it ended.

    ``read`` is what its processes read from files and sockets, bytes (Linux's ``rchar``), whether a
    disk or the page cache had it; the last half second of a process may be missing.
    """

    wall: float = 0.0
    cpu: float = 0.0
    rss: int = 0
    pss: int = 0
    read: int = 0
    returncode: int = 0
    timed_out: bool = False
    workers: list[Worker] = field(default_factory=list)

    @property
    def worker_peak(self) -> int:
        """Return the highest peak RSS of a worker, in bytes."""
        return max((worker.rss for worker in self.workers), default=0)

    @property
    def workers_pss(self) -> int:
        """Return the sum of the workers' peak PSS, in bytes."""
        return sum(worker.pss for worker in self.workers)

    @property
    def ending(self) -> str:
        """Return how the command ended, in a few words."""
        kills = sum(worker.oom_kills for worker in self.workers)
        killed = f", {kills} killed by the cgroup" if kills else ""
        if self.timed_out:
            return "did not end in time" + killed
        if self.returncode < 0:
            return f"died of signal {-self.returncode}{killed}"
        return ("finished" if self.returncode == 0 else f"exit {self.returncode}") + killed


def run(
    command: Sequence[str],
    log: Path,
    *,
    limit: int | None = None,
    timeout: float = 3_600.0,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Measured:
    """Run a command to its end and return what it cost.

    Args:
        command: Program and arguments.
        log: File for its output and errors.
        limit: Bytes of memory of each worker's cgroup; ``None`` for no limit.
        timeout: Seconds until the whole tree is killed.
        folder: Working directory.
        environ: Environment variables on top of this process's.

    Raises:
        PermissionError: ``limit`` was asked for and cgroups cannot be made.
    """
    group = _make_group(CPU_GROUP)
    confined = _make_group(MEMORY_GROUP) if limit else None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=_confined({**os.environ, **(environ or {})}, confined, limit),
            cwd=folder,
            start_new_session=True,
            preexec_fn=(lambda: _join(group, os.getpid())) if group else None,
        )
        tree = _Tree(psutil.Process(process.pid))
        timed_out = tree.watch(process, began + timeout)
    result = tree.result(time.perf_counter() - began, process.returncode, timed_out)
    result.cpu = _cpu_seconds(group, before)
    if confined:
        _close(confined, result.workers)
    return result


def _confined(environ: dict[str, str], group: Path | None, limit: int | None) -> dict[str, str]:
    """Return an environment in which workers go into memory cgroups, if there is a limit."""
    if limit is None:
        return environ
    if group is None:
        raise PermissionError(f"no memory cgroup can be made in {MEMORY_GROUP}")
    path = os.pathsep.join(filter(None, (str(CONFINE), environ.get("PYTHONPATH"))))
    return {**environ, "BENCH_GROUP": str(group), "BENCH_LIMIT": str(limit), "PYTHONPATH": path}


class _Tree:
    """The process tree of a command, sampled until it ends."""

    def __init__(self, root: psutil.Process) -> None:
        self.root = root
        self.workers: dict[int, Worker] = {}
        self.marks: dict[int, int] = {}
        self.read: dict[int, int] = {}
        self.rss = self.pss = 0

    def watch(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        """Sample until the process ends; kill the tree at the deadline and return True."""
        tick = 0
        while process.poll() is None:
            if time.perf_counter() > deadline:
                self._kill()
                process.wait()
                return True
            self._sample(with_pss=tick % PSS_EVERY == 0)
            tick += 1
            time.sleep(TICK)
        return False

    def result(self, wall: float, returncode: int, timed_out: bool) -> Measured:
        """Return what was seen."""
        workers = [w for pid, w in self.workers.items() if pid != self.root.pid]
        return Measured(
            wall,
            rss=self.rss,
            pss=self.pss,
            read=sum(self.read.values()),
            returncode=returncode,
            timed_out=timed_out,
            workers=workers or list(self.workers.values()),
        )

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self.root, *self.root.children(recursive=True)]
        except psutil.Error:
            return []

    def _sample(self, *, with_pss: bool) -> None:
        owner: dict[int, int] = {}
        now: dict[int, list[int]] = {}
        for process in self._processes():  # parents come before their children
            try:
                pid = process.pid
                mine = owner.get(process.ppid(), self.root.pid)
                if mine == self.root.pid and pid != mine and _is_spawned(process):
                    mine = pid
                owner[pid] = mine
                size = self._size(pid)
                pss = self._looked(pid) if with_pss else 0
            except (psutil.Error, OSError):
                continue  # ended in between
            sums = now.setdefault(mine, [0, 0])
            sums[:] = sums[0] + size, sums[1] + pss
        self._record(now)

    def _size(self, pid: int) -> int:
        """Return resident bytes; the high-water mark if it has risen since the last sample."""
        rss, mark = _status(pid)
        size = mark if mark > self.marks.get(pid, 0) else rss
        self.marks[pid] = mark
        return size

    def _looked(self, pid: int) -> int:
        """Note what a process has read so far, and return its PSS."""
        self.read[pid] = _read(pid)
        return _pss(pid)

    def _record(self, now: Mapping[int, Sequence[int]]) -> None:
        for pid, (rss, pss) in now.items():
            worker = self.workers.setdefault(pid, Worker(pid))
            worker.rss = max(worker.rss, rss)
            worker.pss = max(worker.pss, pss)
        self.rss = max(self.rss, sum(sums[0] for sums in now.values()))
        self.pss = max(self.pss, sum(sums[1] for sums in now.values()))

    def _kill(self) -> None:
        for process in reversed(self._processes()):
            try:
                process.kill()
            except psutil.Error:
                continue


def _is_spawned(process: psutil.Process) -> bool:
    return any("spawn_main" in word for word in process.cmdline())


def _status(pid: int) -> tuple[int, int]:
    """Return resident bytes and their high-water mark (which a process may reset)."""
    words = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    rss, peak = (int(words.get(name, "0 kB").split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return rss, peak


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _read(pid: int) -> int:
    words = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(words["rchar"])


def _make_group(parent: Path) -> Path | None:
    group = parent / f"millrace-bench-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
    except OSError:
        return None
    return group


def _join(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid))


def _close(confined: Path, workers: Sequence[Worker]) -> None:
    """Note who was killed for want of memory, and remove the cgroups."""
    by_pid = {worker.pid: worker for worker in workers}
    for group in confined.iterdir():
        if group.is_dir() and int(group.name) in by_pid:
            by_pid[int(group.name)].oom_kills = _oom_kills(group)
        if group.is_dir():
            _remove(group)
    _remove(confined)


def _oom_kills(group: Path) -> int:
    lines = (group / "memory.oom_control").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _cpu_seconds(group: Path | None, before: resource.struct_rusage) -> float:
    if group is not None:
        used = int((group / "cpuacct.usage").read_text()) / 1e9
        _remove(group)
        return used
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _remove(group: Path) -> None:
    for _ in range(50):  # a killed process leaves its cgroup a moment later
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.1)
