"""The folders of binned rows on a worker's disk: who finds them, and when they go.

Named by content, they are shared by the workers of a host, also of several clusters, and may
outlive a training. Whoever uses one holds a shared lock on a file in it, which the system gives
back when the process dies; only who gets the lock alone removes a folder. A folder that cannot be
removed stays, and the next training tries again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

NAME = "millrace-bins"
KEPT = "kept"
"""File in a folder that the user wants for the next training."""

LOCK = "in-use"

DAY = 24 * 3600.0
UNUSED, KEPT_UNUSED = DAY, 7 * DAY
"""Seconds after its last use that a folder is removed."""


def root(dask_worker: Any) -> Path:
    """Return the folder of all folders on a worker's disk; the workers of a host share it."""
    return Path(dask_worker.local_directory).parent / NAME


@contextmanager
def in_use(root: Path, fingerprint: str, keep: bool) -> Iterator[Path]:
    """Give the folder of a training, made if need be; old ones are removed first.

    Args:
        root: Folder of all folders.
        fingerprint: Of the bins and the rows.
        keep: Whether it shall outlive the training.

    Raises:
        OSError: It cannot be made.
    """
    folder = root / fingerprint
    with _locked(folder):
        if keep:
            (folder / KEPT).touch()
        used(folder)
        sweep(root, time.time())
        yield folder


def _locked(folder: Path) -> IO[bytes]:
    """Return an open file: as long as it is, nobody removes the folder."""
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):  # somebody removes it just now
            file = (folder / LOCK).open("ab")
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat()):
                return file
            file.close()


def used(folder: Path) -> None:
    """Note that a folder is in use now."""
    with suppress(OSError):
        os.utime(folder)


def sweep(root: Path, now: float) -> None:
    """Remove the folders that nobody has used for long.

    Args:
        root: Folder of all folders.
        now: Seconds since the epoch.
    """
    for folder in root.iterdir():
        with suppress(OSError):
            allowed = KEPT_UNUSED if (folder / KEPT).exists() else UNUSED
            if now - folder.stat().st_mtime > allowed:
                _remove(folder)


def leave_behind(fingerprint: str, keep: bool, dask_worker: Any) -> None:
    """Remove what a training has left on this host; with ``keep``, only its checkpoints."""
    folder = root(dask_worker) / fingerprint
    if not keep:
        return _remove(folder)
    for file in folder.glob("checkpoint-*"):
        with suppress(OSError):
            file.unlink()


def _remove(folder: Path) -> None:
    with suppress(OSError), (folder / LOCK).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an OSError while somebody uses it
        shutil.rmtree(folder, ignore_errors=True)
