"""Where the data pages of a column chunk are: from the page index, or found header by header.

Pages can only be found from the one before. What is found is kept, so that the next row range goes
on from there; no page is decompressed for it.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from engine.formats.columnar.chunks import ColumnChunk
from engine.formats.columnar.nearby import Reader
from engine.formats.columnar.thrift import Malformed, fields, items, value

_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
"""Types of pages (`PageType` in parquet.thrift)."""

_CODES = (2, 8)
"""Encodings that need the dictionary (`PLAIN_DICTIONARY`, `RLE_DICTIONARY`)."""

_HEADER, _LONGEST = 512, 2**20
"""Bytes that a page header is looked for in: most have less than 100; statistics may be long."""

_JUMP = 512 * 2**10
"""Pages of more bytes than this are jumped over, smaller ones fetched with those around them: a
request costs about as much."""

_LOOK = 64 * 2**10
"""Bytes of a first look at a column chunk that is far away."""

_AHEAD = 4 * 2**20
"""Most bytes of one look, and of what is fetched in vain."""


class Header(NamedTuple):
    """A page header.

    Attributes:
        kind: Type of the page.
        size: Bytes of the header itself.
        stored: Bytes of the page behind it.
        rows: Rows of a data page (of a column without nesting).
        coded: Whether its values are codes of the dictionary.
    """

    kind: int
    size: int
    stored: int
    rows: int
    coded: bool


def header(data: bytes, at: int = 0) -> Header:
    """Return the page header that starts at a position.

    Raises:
        Malformed: There is none, or it goes on behind the bytes.
    """
    found, stop = fields(data, at)
    kind, stored = value(data, found.get(1)), value(data, found.get(3))
    if kind is None or stored is None or stored < 0:
        raise Malformed("a page header is damaged")
    rows, coded = 0, False
    if kind in (_DATA, _DATA_2):
        inner = found.get(5 if kind == _DATA else 8)
        if inner is None:
            raise Malformed("a page header is damaged")
        details, _ = fields(data, inner.start)
        rows = value(data, details.get(1 if kind == _DATA else 3)) or 0
        coded = value(data, details.get(2 if kind == _DATA else 4)) in _CODES
    if rows < 0:
        raise Malformed("a page has a negative number of rows")
    return Header(kind, stop - at, stored, rows, coded)


class Page(NamedTuple):
    """A data page: its bytes with the header, and its rows in the row group."""

    start: int
    stop: int
    row: int
    end: int
    coded: bool


class Pages:
    """The data pages of a column chunk, in order, as far as they are known.

    Attributes:
        dictionary: Bytes of the dictionary page; empty where there is none.
        indexed: Whether a page index told, so that it is not known which pages are coded.
    """

    def __init__(self, chunk: ColumnChunk, rows: int) -> None:
        """Know nothing yet of a chunk of so many rows."""
        self.dictionary, self.indexed = (chunk.start, chunk.start), False
        self._chunk, self._rows = chunk, rows
        self._starts, self._stops = array("q"), array("q")
        self._ends, self._coded = array("q"), bytearray()
        self._next = chunk.start
        self._lock = threading.Lock()

    @classmethod
    def from_index(cls, chunk: ColumnChunk, rows: int, index: bytes) -> Pages | None:
        """Return the pages that an offset index names; None when it cannot be one of this chunk.

        Args:
            chunk: The column chunk.
            rows: Its rows.
            index: The bytes of its `OffsetIndex`.
        """
        try:
            places = _places(index)
        except (Malformed, IndexError):
            return None
        starts = [start for start, _, _ in places]
        stops = [start + size for start, size, _ in places]
        firsts = [first for _, _, first in places]
        within = places and chunk.start <= starts[0] and stops[-1] <= chunk.stop
        apart = all(stop <= start for stop, start in zip(stops, starts[1:], strict=False))
        ordered = all(size > 0 for _, size, _ in places) and firsts == sorted(firsts)
        if not (within and apart and ordered and firsts[0] == 0 and firsts[-1] <= rows):
            return None
        pages = cls(chunk, rows)
        pages._starts, pages._stops = array("q", starts), array("q", stops)
        pages._ends = array("q", [*firsts[1:], rows])
        pages._coded = bytearray(len(starts))
        pages.dictionary, pages.indexed = (chunk.start, starts[0]), True
        return pages

    @property
    def known(self) -> int:
        """Rows whose pages are known, from the first."""
        return self._ends[-1] if self._ends else 0

    def covering(self, reader: Reader, start: int, stop: int) -> list[Page]:
        """Return the pages that hold some rows.

        Args:
            reader: The file.
            start: First row.
            stop: Last row and one more.

        Raises:
            Malformed: There are no such pages.
        """
        with self._lock:
            while self.known < stop:
                self._find(reader, start, stop)
        low = bisect_right(self._ends, start)
        high = bisect_left(self._ends, stop) + 1
        return [self._page(number) for number in range(low, high)]

    def _page(self, number: int) -> Page:
        row = self._ends[number - 1] if number else 0
        return Page(
            self._starts[number],
            self._stops[number],
            row,
            self._ends[number],
            bool(self._coded[number]),
        )

    def _find(self, reader: Reader, start: int, stop: int) -> None:
        """Find the page after the last one known."""
        at = self._next
        found = self._header(reader, at, start, stop)
        after = at + found.size + found.stored
        if after > self._chunk.stop:
            raise Malformed("a page is longer than its column chunk")
        if found.kind == _DICTIONARY:
            self.dictionary = (at, after)
        elif found.kind in (_DATA, _DATA_2):
            end = self.known + found.rows
            if end > self._rows:
                raise Malformed("pages have more rows than their row group")
            if end <= start:
                reader.forget(at, after)
            self._starts.append(at)
            self._stops.append(after)
            self._ends.append(end)
            self._coded.append(found.coded)
        self._next = after

    def _header(self, reader: Reader, at: int, start: int, stop: int) -> Header:
        if at >= self._chunk.stop:
            raise Malformed("pages have fewer rows than their row group")
        return _looked(reader, at, self._chunk.stop, self._ahead(start, stop))

    def _ahead(self, start: int, stop: int) -> int:
        """Return how many bytes from the next page on are worth fetching at once."""
        rate = self._chunk.stored / max(1, self._rows)
        wanted = int((stop - self.known) * rate) + _LOOK
        if not self.known:
            return wanted if wanted <= _JUMP else _LOOK
        mean = (self._next - self._starts[0]) // len(self._starts)
        return _HEADER if self.known < start and mean > _JUMP else min(_AHEAD, wanted)


def _looked(reader: Reader, at: int, end: int, worth: int) -> Header:
    """Return the header at a position, of bytes that end somewhere; so many are worth fetching."""
    least = _HEADER
    while True:
        data = reader.look(at, min(end, at + least), min(end, at + max(least, worth)))
        try:
            return header(data)
        except Malformed:
            if at + least >= end or least >= _LONGEST:
                raise
            least *= 16


def _places(index: bytes) -> list[tuple[int, int, int]]:
    """Return first byte, bytes and first row of each page of an `OffsetIndex`."""
    found, _ = fields(index, 0)
    if 1 not in found:
        raise Malformed("no pages")
    places = []
    for place in items(index, found[1]):
        inner, _ = fields(index, place.start)
        figures = [value(index, inner.get(number)) for number in (1, 2, 3)]
        start, size, row = (-1 if figure is None else figure for figure in figures)
        places.append((start, size, row))
    return places


def checked(reader: Reader, pages: Sequence[Page]) -> list[Page]:
    """Compare pages that an index names with their headers, which say what it cannot.

    Args:
        reader: The file, with the bytes of the pages.
        pages: Pages of a column chunk.

    Raises:
        Malformed: The index is wrong.
    """
    true = []
    for page in pages:
        found = _looked(reader, page.start, page.stop, 0)
        same = found.rows == page.end - page.row
        if not same or found.size + found.stored != page.stop - page.start:
            raise Malformed("the page index does not fit the pages")
        true.append(page._replace(coded=found.coded))
    return true
