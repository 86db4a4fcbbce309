"""Files that appear whole: the few file-system operations that commits and run folders stand on.

A file appears under its name whole, synced to the disk, and exactly one of all writers that want
the name gets it. The mechanism is ``link(2)``, which fails when the name exists, also over NFS;
``rename(2)`` would let a late writer replace what another one has already committed.
Every operation that another process can see passes through `step`.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path


def step(name: str) -> None:
    """Do nothing: the place where a fault test stops, pauses or kills its process.

    Args:
        name: The operation that comes next, and the name of the file that it is for.
    """


def put_if_absent(path: Path, data: bytes | memoryview, temp: Path | None = None) -> bool:
    """Create the file with these bytes, unless the name is taken.

    When it returns, the file under the name is whole and on the disk, whoever wrote it.

    Args:
        path: The name; its folder exists.
        data: All bytes of the file.
        temp: Where the scratch file goes: a folder of the same file system; default the folder
            of ``path``.

    Returns:
        True when the file is ours, False when another writer's is there.

    Raises:
        OSError: The outcome is unknown unless the file can be read back.
    """
    scratch = (temp or path.parent) / f"put-{uuid.uuid4().hex}"
    try:
        _write(scratch, data, path.name)
        return _link_once(scratch, path)
    finally:
        with suppress(OSError):
            remove(scratch)


def _write(path: Path, data: bytes | memoryview, purpose: str) -> None:
    """Write a new file and sync it; mode 0666 less the umask, unlike `tempfile`'s 0600."""
    step(f"create {purpose}")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        step(f"write {purpose}")
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _link_once(scratch: Path, path: Path) -> bool:
    step(f"link {path.name}")
    try:
        os.link(scratch, path)
        ours = True
    except OSError as error:
        # NFS: the server may have made the link and lost the reply; the second try is refused.
        ours = scratch.stat().st_nlink > 1
        if not ours and not isinstance(error, FileExistsError):
            raise
    sync_folder(path.parent)  # the loser too: it goes on to build upon the winner's file
    return ours


def point(path: Path, target: str, temp: Path) -> None:
    """Make a symbolic link lead to another place, in one step.

    Args:
        path: The link; when it is there, a link of ours.
        target: What it says, such as the name of a folder beside it.
        temp: Folder for the scratch link, on the same file system.

    Raises:
        OSError: The file system has no links, or a folder has the name.
    """
    scratch = temp / f"put-{uuid.uuid4().hex}"
    os.symlink(target, scratch)
    try:
        step(f"point {path.name}")
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: The folder is gone or the disk failed.
    """
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, durably; one that is there is left as it is.

    Raises:
        OSError: It cannot be created, or a file has its name.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    step(f"mkdir {path.name}")
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
    sync_folder(path.parent)


def link(source: Path, target: Path) -> None:
    """Give a file a second name; the caller syncs the folder once for all its links.

    Raises:
        OSError: The source is missing or the target exists.
    """
    step(f"link {target.name}")
    os.link(source, target)


def remove(path: Path) -> None:
    """Unlink a file; one that is gone already is no error.

    Raises:
        OSError: It is there and stays.
    """
    step(f"unlink {path.name}")
    path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Remove an empty folder.

    Raises:
        OSError: It is gone or not empty.
    """
    step(f"rmdir {path.name}")
    path.rmdir()
