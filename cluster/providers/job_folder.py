"""The folder of a session that its jobs see: certificates, and what the workers say."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.errors import ClusterError
from cluster.providers.job_scripts import ENDED
from cluster.security import certificates
from cluster.security.files import AUTHORITY_KEY
from cluster.spec.jobqueue import JobQueue

DAYS = 90
"""Certificates that are made for a session are good for so long; they go with the session."""

KEPT_SECONDS = 7 * 86400
"""Logs of a session that failed are kept for so long."""

ENDING_SECONDS = 5.0
"""A job that was cancelled may take so long to say how it ended."""

TAIL = 3
"""Lines of a log that are told."""


@dataclass(frozen=True)
class JobFolder:
    """What a session shares with its jobs.

    Attributes:
        tls: Folder of the certificates.
        logs: Folder of the logs.
    """

    tls: Path
    logs: Path

    def ended(self) -> str | None:
        """Return the exit status of a job that has ended, or None while all wait or run."""
        for file in self.logs.glob(f"*{ENDED}"):
            return file.read_text(encoding="utf-8").strip() or None
        return None

    def tail(self) -> str:
        """Return the last lines that a worker said."""
        logs = [file for file in self.logs.iterdir() if file.suffix != ENDED]
        for file in sorted(logs, key=lambda each: each.stat().st_mtime, reverse=True):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            if said := [line.strip() for line in lines if line.strip()]:
                return "; ".join(said[-TAIL:])
        return "no worker has said anything"


@contextmanager
def job_folder(spec: JobQueue) -> Iterator[JobFolder]:
    """Make the folder of a session, and remove it on the way out; after a failure, logs stay.

    Yields:
        The folder; its certificates are those of ``spec.tls`` where that is given.

    Raises:
        ClusterError: It cannot be made.
    """
    shared = spec.shared.expanduser()
    if any(" " in str(path) for path in (shared, spec.tls or "")):
        # dask-jobqueue puts a command together without quoting.
        raise ClusterError(
            f"the path {spec.tls or shared} has a blank",
            "give `shared` and `tls` in [cluster] paths without one",
        )
    try:
        shared.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(shared)
        own = Path(tempfile.mkdtemp(prefix=f"{socket.gethostname()}-{os.getpid()}-", dir=shared))
        logs = own / "logs"
        logs.mkdir(mode=0o700)
    except OSError as error:
        raise ClusterError(
            f"{shared} cannot be written: {error.strerror}",
            "give `shared` in [cluster] a folder that this machine and all nodes see",
        ) from error
    try:
        yield JobFolder(spec.tls.expanduser() if spec.tls else _made(own / "tls"), logs)
    except BaseException:
        shutil.rmtree(own / "tls", ignore_errors=True)
        if not any(logs.iterdir()):
            _remove(own)
        raise
    _remove(own)


def _remove(own: Path) -> None:
    """Remove the folder; jobs that are just ending may still write into it."""
    deadline = time.monotonic() + ENDING_SECONDS
    while own.exists() and time.monotonic() < deadline:
        shutil.rmtree(own, ignore_errors=True)
        if own.exists():
            time.sleep(0.2)


def _made(folder: Path) -> Path:
    certificates.make(folder, days=DAYS)
    (folder / AUTHORITY_KEY).unlink()  # nobody joins this cluster later
    return folder


def _sweep(shared: Path) -> None:
    """Remove the keys of sessions of this machine that were killed, and old logs."""
    for folder in shared.glob(f"{socket.gethostname()}-*-*"):
        _, number, _ = folder.name.rsplit("-", 2)
        if number.isdigit() and psutil.pid_exists(int(number)):
            continue
        shutil.rmtree(folder / "tls", ignore_errors=True)
        if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
