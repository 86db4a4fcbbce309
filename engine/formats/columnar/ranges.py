"""Row ranges of a row group, read from the pages that hold them and no others.

Readers fetch all bytes of a row group for every row range of it. Here the pages of the range are
found (`engine.formats.columnar.pages`), put into small files (`engine.formats.columnar.excerpt`)
and decoded by the reader of whole files. Columns may be cut into pages at different rows: those
that are cut alike share a file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from io import BytesIO

import polars as pl

from engine.cores import together
from engine.formats.columnar import thrift
from engine.formats.columnar.excerpt import Portion, chunks, excerpt, groups
from engine.formats.columnar.footer import footer
from engine.formats.columnar.nearby import AT_ONCE, Reader, reader
from engine.formats.columnar.pages import Page, Pages, checked
from engine.storage import InputFile

_KEPT = 2
"""Row groups of which a process keeps where the pages are: 25 bytes a page."""

_SMALL = 64 * 2**10
"""A dictionary of at most so many bytes is fetched before it is known whether it is needed."""

Excerpt = tuple[BytesIO, list[str], int]
"""A file of pages, its columns, and how many of its rows come before those wanted."""

Decode = Callable[[Sequence[Excerpt], int], list[pl.DataFrame]]
"""Reads so many rows of each excerpt."""


def read_range(
    file: InputFile, group: int, start: int, stop: int, columns: Sequence[str], decode: Decode
) -> pl.DataFrame:
    """Read rows of one row group.

    Args:
        file: The file.
        group: The row group.
        start: First row within it.
        stop: Last row and one more.
        columns: Columns wanted.
        decode: The reader of whole files.

    Returns:
        The rows, with these columns in this order.

    Raises:
        Malformed: Its pages cannot be found: it must be read as a whole.
        OSError: Pages are damaged, as the reader of whole files finds them.
    """
    with reader(file, group) as source:
        portions = _portions(file, group, start, stop, columns, source)
        if stop < footer(file).rows_of(group):
            source.keep(group, _useful(portions.values(), stop))
        alike: dict[tuple[int, int], dict[str, Portion]] = defaultdict(dict)
        for name, portion in portions.items():
            alike[portion.pages[0].row, portion.pages[-1].end][name] = portion
        excerpts = [
            (excerpt(file, group, members, source), list(members), start - first)
            for (first, _), members in alike.items()
        ]
    frames = decode(excerpts, stop - start)
    found = {name: frame[name] for frame in frames for name in frame.columns}
    return pl.DataFrame([found[name] for name in columns])


def _portions(
    file: InputFile, group: int, start: int, stop: int, columns: Sequence[str], source: Reader
) -> dict[str, Portion]:
    """Find and fetch what each column needs."""
    known = _known(file, group)
    _indexed(file, group, [name for name in columns if name not in known], source)

    def find(name: str) -> list[Page]:
        return known[name].covering(source, start, stop)

    most = 1 if file.local else AT_ONCE
    found = dict(zip(columns, together(find, columns, most), strict=True))
    small = [span for span in (known[name].dictionary for name in columns) if _is_small(span)]
    source.load([*small, *((page.start, page.stop) for pages in found.values() for page in pages)])
    portions = {}
    for name, pages in found.items():
        if known[name].indexed:
            pages = checked(source, pages)
        low, high = known[name].dictionary
        coded = any(page.coded for page in pages)
        portions[name] = Portion(pages, (low, high if coded else low))
    source.load(portion.dictionary for portion in portions.values())
    return portions


def _useful(portions: Collection[Portion], stop: int) -> list[tuple[int, int]]:
    """Return what the range behind this one begins with: dictionaries, and pages that go on."""
    coded = (portion.dictionary for portion in portions)
    spans = [(start, end) for start, end in coded if start < end]
    last = (portion.pages[-1] for portion in portions)
    return spans + [(page.start, page.stop) for page in last if page.end > stop]


def _is_small(span: tuple[int, int]) -> bool:
    return span[1] - span[0] <= _SMALL


@lru_cache(_KEPT)
def _known(file: InputFile, group: int) -> dict[str, Pages]:
    """Return the pages of columns of a row group, as far as this process knows them."""
    return {}


def _indexed(file: InputFile, group: int, names: Sequence[str], source: Reader) -> None:
    """Begin with columns: from the page index where there is one."""
    foot, known = footer(file), _known(file, group)
    if not names:
        return
    places, tail = chunks(file, group), groups(file).tail
    spans: dict[str, tuple[int, int]] = {}
    for name in names:
        found, _ = thrift.fields(tail, places[foot.leaves[name]].start)
        start, length = (thrift.value(tail, found.get(number)) for number in (4, 5))
        if start and length and 0 < start < start + length <= file.size:
            spans[name] = (start, start + length)
    source.load(spans.values())
    rows = foot.rows_of(group)
    for name in names:
        chunk = foot.chunk(group, name)
        pages = None
        if name in spans:
            pages = Pages.from_index(chunk, rows, source.span(*spans[name]))
        known.setdefault(name, pages or Pages(chunk, rows))
