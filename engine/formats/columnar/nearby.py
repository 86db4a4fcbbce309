"""Bytes of a file for the time of one call: read where they are, or fetched in few requests.

Of a file that is far away, what the next row range begins with is kept: the pages at the end of
this one, and dictionaries. They are of one row group, and `KEPT_BYTES` at most.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right, insort
from collections.abc import Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from typing import BinaryIO, Protocol

from engine.cores import together
from engine.formats.columnar.fetch import REQUEST, joined
from engine.storage import InputFile

KEPT_BYTES = 16 * 2**20
"""Bytes of pages that a process keeps between calls; writers put 1 MiB or 20,000 rows into a page,
whichever is less."""

AT_ONCE = 8
"""Requests under way: each takes 20-50 ms, whatever it asks for."""

_Span = tuple[int, int]


class Reader(Protocol):
    """The bytes of a file."""

    def look(self, start: int, stop: int, worth: int) -> bytes:
        """Return some bytes, or more; up to ``worth`` may be fetched with them."""

    def load(self, spans: Iterable[_Span]) -> None:
        """Fetch byte ranges together, before they are asked for one by one."""

    def span(self, start: int, stop: int) -> bytes:
        """Return a byte range."""

    def fill(self, room: memoryview, start: int) -> None:
        """Put the bytes from a position on into a room; they are not asked for again."""

    def forget(self, start: int, stop: int) -> None:
        """Take note that a byte range is of no use."""

    def keep(self, group: int, spans: Iterable[_Span]) -> None:
        """Keep byte ranges of a row group for the calls to come, and no others."""


def reader(file: InputFile, group: int) -> AbstractContextManager[Reader]:
    """Return what the bytes of a row group are read with during one call.

    Raises:
        InputChanged: The file is gone, or is another one by now.
    """
    return closing(_Near(file.open())) if file.local else nullcontext(_Far(file, group))


class _Near:
    """A file of this machine: the operating system keeps what was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def close(self) -> None:
        self._stream.close()

    def look(self, start: int, stop: int, worth: int) -> bytes:
        return os.pread(self._stream.fileno(), stop - start, start)

    def load(self, spans: Iterable[_Span]) -> None:
        pass

    def span(self, start: int, stop: int) -> bytes:
        return os.pread(self._stream.fileno(), stop - start, start)

    def fill(self, room: memoryview, start: int) -> None:
        done = 0
        while done < len(room):  # one call reads 2 GiB at most
            read = os.preadv(self._stream.fileno(), [room[done:]], start + done)
            if not read:
                raise OSError("the file ends early")
            done += read

    def forget(self, start: int, stop: int) -> None:
        pass

    def keep(self, group: int, spans: Iterable[_Span]) -> None:
        pass


class _Far:
    """A file behind requests: its bytes are held in blocks that do not overlap."""

    def __init__(self, file: InputFile, group: int) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._blocks = _kept.of((file, group))
        self._starts = sorted(self._blocks)

    def look(self, start: int, stop: int, worth: int) -> bytes:
        if self._missing(start, stop):
            self._fetch(start, worth)
        return self.span(start, stop)

    def load(self, spans: Iterable[_Span]) -> None:
        missing = [gap for start, stop in spans for gap in self._missing(start, stop)]
        asked = [
            (low, min(stop, low + REQUEST))
            for start, stop in joined(missing)
            for low in range(start, stop, REQUEST)
        ]
        together(lambda span: self._fetch(*span), asked, AT_ONCE)

    def span(self, start: int, stop: int) -> bytes:
        while (found := self._joined(start, stop)) is None:
            self._fetch(start, stop)
        return found

    def fill(self, room: memoryview, start: int) -> None:
        stop = start + len(room)
        room[:] = self.span(start, stop)
        with self._lock:
            place = self._place(start)
            if place is not None and start <= place and place + len(self._blocks[place]) <= stop:
                self._drop(place)

    def forget(self, start: int, stop: int) -> None:
        with self._lock:
            place = self._place(start)
            if place is not None and place + len(self._blocks[place]) <= stop:
                self._drop(place)

    def keep(self, group: int, spans: Iterable[_Span]) -> None:
        _kept.put((self._file, group), {start: self.span(start, stop) for start, stop in spans})

    def _fetch(self, start: int, stop: int) -> None:
        """Fetch a range; what of it is there already is not kept twice."""
        for low, high in self._missing(start, stop):
            data = self._file.read(low, high)
            with self._lock:
                if low not in self._blocks:
                    self._blocks[low] = data
                    insort(self._starts, low)

    def _joined(self, start: int, stop: int) -> bytes | None:
        """Return a range of which all bytes are there; None otherwise."""
        pieces = []
        with self._lock:
            while start < stop:
                place = self._place(start)
                if place is None:
                    return None
                pieces.append(self._blocks[place][start - place : stop - place])
                start += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _drop(self, place: int) -> None:
        del self._blocks[place]
        self._starts.remove(place)

    def _place(self, at: int) -> int | None:
        """Return where the block starts that holds a byte."""
        number = bisect_right(self._starts, at) - 1
        if number < 0:
            return None
        start = self._starts[number]
        return start if at < start + len(self._blocks[start]) else None

    def _missing(self, start: int, stop: int) -> list[_Span]:
        """Return the parts of a range that no block holds."""
        gaps = []
        with self._lock:
            while start < stop:
                place = self._place(start)
                if place is not None:
                    start = place + len(self._blocks[place])
                    continue
                number = bisect_right(self._starts, start)
                after = self._starts[number] if number < len(self._starts) else stop
                gaps.append((start, min(stop, after)))
                start = min(stop, after)
        return gaps


class _Kept:
    """Pages that were read last, of one row group; a listed file has one content for ever."""

    def __init__(self) -> None:
        self._owner: tuple[InputFile, int] | None = None
        self._pages: dict[int, bytes] = {}
        self._lock = threading.Lock()

    def of(self, owner: tuple[InputFile, int]) -> dict[int, bytes]:
        """Return the pages of a row group by their first byte."""
        with self._lock:
            return dict(self._pages) if owner == self._owner else {}

    def put(self, owner: tuple[InputFile, int], pages: dict[int, bytes]) -> None:
        """Keep pages, as many as fit, beside those of the same row group that are younger."""
        with self._lock:
            old = self._pages if owner == self._owner else {}
            self._owner, self._pages, size = owner, {}, 0
            for start, data in [*pages.items(), *reversed(old.items())]:
                if start not in self._pages and size + len(data) <= KEPT_BYTES:
                    self._pages[start] = data
                    size += len(data)


_kept = _Kept()
