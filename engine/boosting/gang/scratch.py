"""The folders of binned rows on a worker's disk: who finds them, and when they go.

Named by content, they are shared by the workers of a host and may outlive a training. Nothing here
fails a training: a folder that cannot be removed stays, and the next training tries again.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

NAME = "millrace-bins"
KEPT = "kept"
"""File in a folder that the user wants for the next training."""

DAY = 24 * 3600.0
UNUSED, KEPT_UNUSED = DAY, 7 * DAY
"""Seconds after its last use that a folder is removed."""


def root(dask_worker: Any) -> Path:
    """Return the folder of all folders on a worker's disk; the workers of a host share it."""
    return Path(dask_worker.local_directory).parent / NAME


def prepared(root: Path, fingerprint: str, keep: bool) -> Path:
    """Return the folder of a training, made if need be, and remove those that are old.

    Args:
        root: Folder of all folders.
        fingerprint: Of the bins and the rows.
        keep: Whether it shall outlive the training.

    Raises:
        OSError: It cannot be made.
    """
    folder = root / fingerprint
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if keep:
        (folder / KEPT).touch()
    used(folder)
    sweep(root, time.time())
    return folder


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
                shutil.rmtree(folder, ignore_errors=True)


def leave_behind(fingerprint: str, keep: bool, dask_worker: Any) -> None:
    """Remove what a training has left on this host; with ``keep``, only its checkpoints."""
    folder = root(dask_worker) / fingerprint
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for file in folder.glob("checkpoint-*"):
        with suppress(OSError):
            file.unlink()
