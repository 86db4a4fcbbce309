"""Folders that change their name in one step, and the proof that a file system can do so."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import uuid
from collections.abc import Callable
from pathlib import Path

from engine.errors import OutputRefused
from engine.place import durable

_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
_AT_FDCWD = -100  # <fcntl.h>
_RENAME_EXCHANGE = 2  # <linux/fs.h>

Rename2 = Callable[[int, bytes, int, bytes, int], int]


def rename(source: Path, target: Path) -> None:
    """Move a folder to a name that is free or belongs to an empty folder, in one step.

    Raises:
        OSError: ENOTEMPTY or EEXIST when the target holds something.
    """
    durable.step(f"rename {target.name}")
    os.rename(source, target)
    durable.sync_folder(target.parent)


def swap(fresh: Path, target: Path) -> Path:
    """Put one folder in the place of another that holds something.

    In one step where the system has ``renameat2(RENAME_EXCHANGE)``; otherwise with two renames,
    between which the target is absent, never half full.

    Returns:
        Where the old folder is now.

    Raises:
        OSError: The target vanished, or was filled by another process in between.
    """
    if _exchange(fresh, target):
        durable.sync_folder(target.parent)
        return fresh
    aside = fresh.with_name(f"{fresh.name}-old")
    rename(target, aside)
    rename(fresh, target)
    return aside


def _exchange(one: Path, other: Path) -> bool:
    call = _renameat2()
    if call is None:
        return False
    durable.step(f"exchange {other.name}")
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(other))


@functools.cache
def _renameat2() -> Rename2 | None:
    """Return the C function: Linux with glibc >= 2.28 has it, others do not."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is not None:
        number, name = ctypes.c_int, ctypes.c_char_p
        call.argtypes = (number, name, number, name, ctypes.c_uint)
    return call


def probe(temp: Path, parent: Path) -> None:
    """Prove that files can be written and linked in ``temp``, and folders moved to ``parent``.

    Args:
        temp: A folder for scratch files.
        parent: The folder in which results are to appear, on the same file system.

    Raises:
        OSError: One of the operations was refused.
        OutputRefused: A second link to a taken name was granted.
    """
    name = temp / f"probe-{uuid.uuid4().hex}"
    moved = parent / f".{name.name}"
    try:
        durable.put_if_absent(name, b"")
        if durable.put_if_absent(name, b""):
            raise OutputRefused(
                "This file system lets two writers create the same file.",
                where=str(parent),
                hint="choose an output on a POSIX file system",
            )
    finally:
        durable.remove(name)
    name.mkdir()
    try:
        rename(name, moved)
    except OSError:
        name.rmdir()
        raise
    moved.rmdir()
