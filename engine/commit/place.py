"""Where an output and its records lie: what the commit asks of any storage.

A place is the folder, or the prefix of a bucket, that holds the output and its records side by
side. Names are relative to it, with ``/`` between folders. The protocol stands on one operation:
of all writers who put the same name, one is first, and nobody changes what it put.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from engine.commit import atomic
from engine.cores import together
from engine.errors import OutputRefused

T = TypeVar("T")


class Entry(NamedTuple):
    """One file of a listing.

    Attributes:
        name: Relative to the place.
        size: Bytes.
        changed: Seconds since the epoch.
    """

    name: str
    size: int
    changed: float


class Place(Protocol):
    """A storage that can create a name once. Travels to workers; holds no secret."""

    @property
    def at_once(self) -> int:
        """How many requests are worth making at the same time."""
        ...

    def told(self, name: str) -> str:
        """Return the path or URL of a name, for messages and for readers."""
        ...

    def mark(self, run: str) -> str:
        """Return what makes names of published files differ from run to run; empty if nothing."""
        ...

    def refusals(self, name: str) -> AbstractContextManager[None]:
        """Say what the storage's refusals inside mean for the output of this name.

        Raises:
            OutputRefused: It is read-only, forbidden, or not fit.
            MillraceError: The storage is full, cannot be reached, or failed.
        """
        ...

    def assert_fit(self, name: str) -> None:
        """Refuse a name that no output can have here."""
        ...

    def probe(self, temp: str, output: str) -> None:
        """Prove, before anything is computed, that names can be created here, and only once.

        Args:
            temp: Name of the folder for scratch.
            output: Name of the output.
        """
        ...

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        """Create a file with these bytes, unless the name is taken.

        When it returns, the file is whole and durable, whoever wrote it.

        Returns:
            True when the file is ours. After a lost reply it may be False although it is: what
            depends on it reads back.
        """
        ...

    def read(self, name: str) -> bytes | None:
        """Return all bytes of a file; None when there is none."""
        ...

    def open(self, name: str) -> io.BufferedIOBase:
        """Return a file as a seekable stream."""
        ...

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None when there is none."""
        ...

    def entries(self, folder: str) -> list[Entry]:
        """Return all files below a folder at any depth, by name.

        An empty folder below it counts as a file of 0 bytes whose name ends in a slash.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""
        ...


def each(place: Place, ask: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """Return the answers for all names, in their order; a store is asked for several at once."""
    return together(ask, names, place.at_once)


@dataclass(frozen=True)
class LocalPlace:
    """A folder of a POSIX file system.

    Attributes:
        folder: Absolute, links resolved.
        temp: Folder for scratch files, on the same file system.
    """

    folder: Path
    temp: Path

    @property
    def at_once(self) -> int:
        """One: threads do not make a disk faster."""
        return 1

    def path(self, name: str) -> Path:
        """Return the path of a name."""
        return self.folder / name

    def told(self, name: str) -> str:
        """Return the path of a name as text."""
        return str(self.path(name))

    def mark(self, run: str) -> str:
        """Return nothing: a version is published in one step, equal names do no harm."""
        return ""

    def refusals(self, name: str) -> AbstractContextManager[None]:
        """See `engine.commit.atomic.refusals`."""
        return atomic.refusals(self.path(name))

    def assert_fit(self, name: str) -> None:
        """Refuse a mount point: nothing can be moved there."""
        if os.path.ismount(self.path(name)):
            hint = "choose a folder inside it, so that it can appear in one step"
            what = "The output is the root of a file system."
            raise OutputRefused(what, where=self.told(name), hint=hint)

    def probe(self, temp: str, output: str) -> None:
        """Write and link in the scratch folder, and move a folder from it to the output's parent.

        A parent that is not there yet will be made beside the records.

        Raises:
            OSError: One of the operations was refused.
            OutputRefused: Two writers can create the same file.
        """
        atomic.make_folder(self.path(temp))
        parent = self.path(output).parent
        atomic.probe(self.path(temp), parent if parent.is_dir() else self.folder)

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        """See `engine.commit.atomic.put_if_absent`; makes folders as needed."""
        path = self.path(name)
        atomic.make_folder(self.temp)
        atomic.make_folder(path.parent)
        return atomic.put_if_absent(path, data, self.temp)

    def read(self, name: str) -> bytes | None:
        """Return all bytes of a file; None when there is none."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def open(self, name: str) -> io.BufferedIOBase:
        """Return an open file."""
        return io.BufferedReader(io.FileIO(self.path(name)))

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None when there is none."""
        try:
            return os.stat(self.path(name)).st_size
        except FileNotFoundError:
            return None

    def entries(self, folder: str) -> list[Entry]:
        """Return all files below a folder, by name; links to folders count as files.

        Raises:
            NotADirectoryError: It is none.
        """
        try:
            return sorted(self._below(folder))
        except FileNotFoundError:
            return []

    def _below(self, folder: str) -> list[Entry]:
        found: list[Entry] = []
        with os.scandir(self.path(folder)) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # it vanished meanwhile
                    found += self._within(f"{folder}/{entry.name}", entry)
        return found

    def _within(self, name: str, entry: os.DirEntry[str]) -> list[Entry]:
        """Return one entry of a folder, or all below it."""
        if entry.is_dir(follow_symlinks=False):
            return self._below(name) or [Entry(f"{name}/", 0, entry.stat().st_mtime)]
        try:
            status = entry.stat()
        except FileNotFoundError:
            status = entry.stat(follow_symlinks=False)  # a link that leads nowhere is something
        return [Entry(name, status.st_size, status.st_mtime)]

    def remove(self, name: str) -> None:
        """Unlink a file."""
        atomic.remove(self.path(name))
