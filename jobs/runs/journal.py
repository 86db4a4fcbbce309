"""Text that only grows, by whole lines: what a run tells, for everybody who reads along.

On a disk it is one file that lines are appended to. An object store cannot append: there it is a
folder of segments, each put once, in the order of their names.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Protocol

from engine.place.local import LocalPlace
from engine.place.place import Place


class Journal(Protocol):
    """Lines in the order in which they were written."""

    def write(self, line: bytes) -> None:
        """Append a line, with its end."""

    def flush(self) -> None:
        """Let readers see all that was written; an interval of seconds is enough."""

    def read(self, after: str = "") -> tuple[bytes, str]:
        """Return what came after a mark, and the next mark.

        Args:
            after: A mark that an earlier call returned; empty for the beginning.

        Returns:
            Whole lines, and the mark of their end. A line that a killed process left torn is
            followed by the next one, and is no JSON.
        """
        ...


@dataclass(frozen=True)
class _File:
    """Lines of a file.

    Attributes:
        place: A local folder.
        name: Name of the file.
    """

    place: LocalPlace
    name: str

    def write(self, line: bytes) -> None:
        """Append a line in one write: those of two processes do not mix."""
        path = self.place.path(self.name)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, b"\n" * torn + line)
        finally:
            os.close(handle)

    def flush(self) -> None:
        """Nothing waits."""

    def read(self, after: str = "") -> tuple[bytes, str]:
        """Return the whole lines from an offset on."""
        begin = int(after or 0)
        try:
            with open(self.place.path(self.name), "rb") as file:
                file.seek(begin)
                found = file.read()
        except FileNotFoundError:
            return b"", after
        whole = found[: found.rfind(b"\n") + 1]
        return whole, str(begin + len(whole))


@dataclass
class _Segments:
    """Lines in objects below a name.

    Attributes:
        place: An object store.
        name: Name of the folder.
    """

    place: Place
    name: str
    _waiting: list[bytes] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _flushing: threading.Lock = field(default_factory=threading.Lock, init=False)
    _last: int = field(default=0, init=False)

    def write(self, line: bytes) -> None:
        """Let a line wait for the next segment: who tells something never waits for the store."""
        with self._lock:
            self._waiting.append(line)

    def flush(self) -> None:
        """Put what waits as one segment; if the store fails, it goes on to wait."""
        with self._flushing:
            with self._lock:
                lines = list(self._waiting)
            if not lines:
                return
            self._last = max(time.time_ns(), self._last + 1)
            name = f"{self.name}/{self._last:020d}-{uuid.uuid4().hex[:8]}"
            self.place.put_if_absent(name, b"".join(lines))
            with self._lock:
                del self._waiting[: len(lines)]

    def read(self, after: str = "") -> tuple[bytes, str]:
        """Return the segments whose names come after one.

        Of two drivers whose clocks differ, lines of the one that is behind may be passed over by
        who follows; a reader from the beginning sees them all.
        """
        names = [entry.name for entry in self.place.entries(self.name) if entry.name > after]
        found = [self.place.read(name) or b"" for name in names]
        return b"".join(found), names[-1] if names else after


def journal(place: Place, name: str) -> Journal:
    """Return the lines under a name of a place.

    Args:
        place: A local folder or an object store.
        name: Relative to it; its folder is there.
    """
    return _File(place, name) if isinstance(place, LocalPlace) else _Segments(place, name)
