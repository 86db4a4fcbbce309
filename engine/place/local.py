"""A folder of a POSIX file system as a place."""

from __future__ import annotations

import io
import os
import uuid
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import OutputRefused
from engine.place import durable
from engine.place.folders import probe
from engine.place.place import Entry
from engine.place.refusals import refusals


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
        """See `engine.place.refusals`."""
        return refusals(self.path(name))

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
        durable.make_folder(self.path(temp))
        parent = self.path(output).parent
        probe(self.path(temp), parent if parent.is_dir() else self.folder)

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        """See `engine.place.durable.put_if_absent`; makes folders as needed."""
        path = self.path(name)
        durable.make_folder(self.temp)
        durable.make_folder(path.parent)
        return durable.put_if_absent(path, data, self.temp)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file under another name, then give it its own; makes folders as needed."""
        path = self.path(name)
        self.temp.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.temp / f"put-{uuid.uuid4().hex}"
        try:
            with scratch.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)

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

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted."""
        try:
            with os.scandir(self.path(folder)) as entries:
                return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return []

    def remove(self, name: str) -> None:
        """Unlink a file."""
        durable.remove(self.path(name))
