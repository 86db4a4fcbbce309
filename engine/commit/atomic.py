"""Write once, read back: the few file-system operations that a commit stands on.

A file appears under its name whole, synced to the disk, and exactly one of all writers that want
the name gets it. The mechanism is ``link(2)``, which fails when the name exists, also over NFS;
``rename(2)`` would let a late writer replace what another one has already committed.
Every operation that another process can see passes through `step`.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import MillraceError, Outage, OutputRefused
from engine.outages import FAILING, FULL

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
_AT_FDCWD = -100  # <fcntl.h>
_RENAME_EXCHANGE = 2  # <linux/fs.h>

Rename2 = Callable[[int, bytes, int, bytes, int], int]


def step(name: str) -> None:
    """Do nothing: the place where a fault test stops, pauses or kills its process.

    Args:
        name: The operation that comes next, and the name of the file that it is for.
    """


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN.

    Args:
        value: Anything that `json` can write.

    Raises:
        ValueError: A float is NaN or infinite.
        TypeError: A part of the value has no JSON form.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def read_json(path: Path) -> object:
    """Return what the JSON file holds.

    Args:
        path: A file that `put_if_absent` wrote.

    Raises:
        OSError: It cannot be read; `FileNotFoundError` when it is not there.
        MillraceError: It holds no JSON, so it was damaged after it was written.
    """
    data = path.read_bytes()
    try:
        return json.loads(data)
    except ValueError as error:
        raise MillraceError("This record is damaged.", where=str(path)) from error


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


def rename(source: Path, target: Path) -> None:
    """Move a folder to a name that is free or belongs to an empty folder, in one step.

    Raises:
        OSError: ENOTEMPTY or EEXIST when the target holds something.
    """
    step(f"rename {target.name}")
    os.rename(source, target)
    sync_folder(target.parent)


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
        sync_folder(target.parent)
        return fresh
    aside = fresh.with_name(f"{fresh.name}-old")
    rename(target, aside)
    rename(fresh, target)
    return aside


def _exchange(one: Path, other: Path) -> bool:
    call = _renameat2()
    if call is None:
        return False
    step(f"exchange {other.name}")
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
        put_if_absent(name, b"")
        if put_if_absent(name, b""):
            raise OutputRefused(
                "This file system lets two writers create the same file.",
                where=str(parent),
                hint="choose an output on a POSIX file system",
            )
    finally:
        remove(name)
    name.mkdir()
    try:
        rename(name, moved)
    except OSError:
        name.rmdir()
        raise
    moved.rmdir()


@contextmanager
def refusals(location: Path) -> Iterator[None]:
    """Say what the operating system's refusals inside mean for this output.

    Args:
        location: The output, for the message.

    Raises:
        OutputRefused: The location is read-only, forbidden, or not fit.
        Outage: The disk is full or failed.
        MillraceError: Something else.
    """
    try:
        yield
    except OSError as error:
        raise _explained(error, location) from error


def _explained(error: OSError, location: Path) -> MillraceError:
    where = str(error.filename or location)
    reason = error.strerror or str(error)
    if error.errno in FULL:
        hint = "free some space and run again: the finished parts are kept"
        return Outage(f"The disk of the output is full ({reason}).", where=where, hint=hint)
    if error.errno in _FORBIDDEN:
        hint = f"make the folder of {location} writable, or choose another output"
        return OutputRefused(f"The output cannot be written ({reason}).", where=where, hint=hint)
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EBUSY, errno.EXDEV, errno.ENAMETOOLONG):
        hint = "choose another output: a folder that is new, inside one that exists"
        return OutputRefused(f"The output cannot be a folder ({reason}).", where=where, hint=hint)
    hint = "run again: the finished parts are kept, and nothing half done can be seen"
    kind = Outage if error.errno in FAILING else MillraceError
    return kind(f"The output could not be written ({reason}).", where=where, hint=hint)
