"""One input file as it was when the plan was made; it is read as that or not at all."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

from engine.errors import InputChanged, InputError, InputRefused, Outage
from engine.outages import FAILING, system_outage
from engine.storage import objects
from engine.storage.access import PLAIN, Access
from engine.storage.failures import changed, vanished

READ_AHEAD_BYTES = 4 * 2**20
"""A request to a store takes 20-50 ms however little it asks for: fewer and larger ones."""


@dataclass(frozen=True)
class InputFile:
    """One file of a data set as it was when the plan was made.

    Attributes:
        path: Absolute path with links resolved, or the URL of an object.
        size: Bytes.
        mtime_ns: Time of the last change, nanoseconds since the epoch.
        etag: What the object store calls this content; ``None`` for local files.
        keys: Hive partition values of its folders, ``(("month", "1"),)`` for ``month=1/``.
        access: How the place is reached.
    """

    path: str
    size: int
    mtime_ns: int
    etag: str | None = None
    keys: tuple[tuple[str, str], ...] = ()
    access: Access = PLAIN

    @property
    def local(self) -> bool:
        """Whether this is a path of this machine."""
        return "://" not in self.path

    def assert_unchanged(self) -> None:
        """Raise `InputChanged` when the file is gone or is not the one that was listed."""
        if self.local:
            self._checked(self._stat())
        else:
            objects.assert_unchanged(self.path, self._stamp(), self.access)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from start to stop (or the end) of exactly the file that was listed.

        Raises:
            InputChanged: The file is gone, or is another one by now.
            InputRefused: It may not be read.
        Outage: It cannot be reached.
        """
        stop = min(stop, self.size)
        if start >= stop:
            return b""
        if not self.local:
            return objects.read(self.path, start, stop, self._stamp(), self.access)
        with self._opened() as stream:
            data = self._read(stream, start, stop)
            self._checked(os.fstat(stream.fileno()))
        return data

    def open(self) -> BinaryIO:
        """Return a seekable stream of the file's bytes.

        For a local file the check is made now; `assert_unchanged` after the last read closes the
        gap. For an object every request is conditional.

        Raises:
            InputChanged: The file is gone, or is another one by now.
            InputRefused: It may not be read.
        Outage: It cannot be reached.
        """
        if self.local:
            return self._opened()
        return io.BufferedReader(_Ranges(self), READ_AHEAD_BYTES)

    def _stamp(self) -> objects.Stamp:
        return objects.Stamp(self.size, self.mtime_ns, self.etag)

    def _opened(self) -> BinaryIO:
        try:
            stream = open(self.path, "rb")  # noqa: SIM115 (handed to the caller)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self._checked(os.fstat(stream.fileno()))
        except InputChanged:
            stream.close()
            raise
        return stream

    def _read(self, stream: BinaryIO, start: int, stop: int) -> bytes:
        try:
            stream.seek(start)
            return stream.read(stop - start)
        except OSError as error:
            raise self._unreadable(error) from error

    def _stat(self) -> os.stat_result:
        try:
            return os.stat(self.path)
        except OSError as error:
            raise self._unreadable(error) from error

    def _checked(self, now: os.stat_result) -> None:
        if (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns):
            raise changed(self.path)

    def _unreadable(self, error: OSError) -> InputError | Outage:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return vanished(self.path)
        if isinstance(error, PermissionError):
            hint = "let the user of the workers read it, and run the job again"
            what = f"cannot read this file: {error.strerror}"
            return InputRefused(what, where=self.path, hint=hint)
        if error.errno in FAILING:
            return system_outage(error.errno, self.path)
        return InputError(f"cannot read this file: {error.strerror}", where=self.path)


class _Ranges(io.RawIOBase):
    """The bytes of an object as a raw stream: a request a read."""

    def __init__(self, file: InputFile) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}
        if origin[whence] + offset < 0:
            raise ValueError("a position before the start of the file")
        self._position = origin[whence] + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(self._position, self._position + len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
