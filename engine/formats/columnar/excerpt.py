"""A small Parquet file made of some pages of a large one, for readers that know whole files only.

It has one row group. Pages and dictionaries are copied as they are stored; of the footer, what says
how values are stored is copied too, and counts and positions are made anew.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from engine.formats.columnar import thrift
from engine.formats.columnar.footer import MAGIC, Footer, footer
from engine.formats.columnar.nearby import Reader
from engine.formats.columnar.pages import Page
from engine.formats.columnar.thrift import BINARY, I32, I64, LIST, STRUCT, Field, Malformed
from engine.storage import InputFile

_KEPT = 4
"""Files of which a process keeps what excerpts have in common."""

_COLUMNS = 4096
"""Column chunks of which it keeps that."""

_ARROW = b"ARROW:schema"
"""Key under which Arrow's own schema is stored, for types that Parquet does not have."""

_Raw = dict[int, tuple[int, bytes]]


class Portion(NamedTuple):
    """What an excerpt holds of a column: its pages, and the bytes of its dictionary page."""

    pages: Sequence[Page]
    dictionary: tuple[int, int]


@dataclass(frozen=True)
class Groups:
    """What excerpts of a file have in common.

    Attributes:
        common: Version of the format and name of the writer, as fields of a footer.
        root: Fields of the root of the schema.
        elements: The schema of each column chunk, as it stands in the footer.
        arrow: Arrow's own schema; None where the writer stored none.
        places: Where the row groups are in the footer.
        tail: The footer.
    """

    common: _Raw
    root: _Raw
    elements: Sequence[bytes]
    arrow: pa.Schema | None
    places: Sequence[Field]
    tail: bytes

    def chunks(self, group: int) -> list[Field]:
        """Return where the column chunks of a row group are in the footer."""
        found, _ = thrift.fields(self.tail, self.places[group].start)
        return list(thrift.items(self.tail, found[1]))


@lru_cache(_KEPT)
def groups(file: InputFile) -> Groups:
    """Take apart the footer of a file.

    Raises:
        Malformed: It cannot be.
    """
    foot = footer(file)
    found, _ = thrift.fields(foot.tail, 0)
    root, *elements = thrift.items(foot.tail, found[2])
    inside = [thrift.fields(foot.tail, element.start)[0] for element in elements]
    leaves = [
        foot.tail[element.start : element.stop]
        for element, parts in zip(elements, inside, strict=True)
        if not thrift.value(foot.tail, parts.get(5))
    ]
    if len(leaves) != foot.figures.shape[1]:
        raise Malformed("the schema does not fit the column chunks")
    return Groups(
        thrift.raw(foot.tail, {key: found[key] for key in (1, 6) if key in found}),
        thrift.raw(foot.tail, thrift.fields(foot.tail, root.start)[0]),
        leaves,
        _arrow(foot),
        tuple(thrift.items(foot.tail, found[4])),
        foot.tail,
    )


def _arrow(foot: Footer) -> pa.Schema | None:
    stored = (foot.metadata.metadata or {}).get(_ARROW)
    return stored and pa.ipc.read_schema(pa.BufferReader(base64.b64decode(stored)))


@lru_cache(_KEPT)
def chunks(file: InputFile, group: int) -> list[Field]:
    """Return where the column chunks of a row group are in the footer of its file."""
    return groups(file).chunks(group)


def excerpt(
    file: InputFile, group: int, portions: Mapping[str, Portion], reader: Reader
) -> io.BytesIO:
    """Make a file of pages of some columns, which hold the same rows of a row group.

    Args:
        file: The large file.
        group: The row group.
        portions: What to take of each column.
        reader: The bytes of the large file.

    Raises:
        Malformed: The footer cannot be understood.
    """
    foot, shared = footer(file), groups(file)
    columns, spans, at, rows = [], [], len(MAGIC), 0
    for name, (pages, dictionary) in portions.items():
        coded = dictionary[1] - dictionary[0]
        runs = _runs(pages)
        stored = coded + sum(stop - start for start, stop in runs)
        rows = pages[-1].end - pages[0].row
        columns.append(_column(_lasting(file, group, foot.leaves[name]), rows, at, coded, stored))
        spans += [dictionary, *runs]
        at += stored
    tail = _footer(foot, shared, list(portions), columns, rows)
    end = tail + len(tail).to_bytes(4, "little") + MAGIC
    made = io.BytesIO(bytes(at + len(end)))
    with made.getbuffer() as room:
        room[: len(MAGIC)], room[at:] = MAGIC, end
        at = len(MAGIC)
        for start, stop in spans:
            reader.fill(room[at : at + stop - start], start)
            at += stop - start
    return made


def _runs(pages: Sequence[Page]) -> list[tuple[int, int]]:
    """Return the byte ranges of pages; those that touch as one."""
    runs: list[tuple[int, int]] = []
    for page in pages:
        if runs and runs[-1][1] == page.start:
            runs[-1] = (runs[-1][0], page.stop)
        else:
            runs.append((page.start, page.stop))
    return runs


@lru_cache(_COLUMNS)
def _lasting(file: InputFile, group: int, leaf: int) -> tuple[_Raw, int]:
    """Return what stays true of a column chunk, and its bytes before compression.

    Its type, encodings, path and codec are as they were, whatever pages are taken of it.
    """
    tail = groups(file).tail
    found, _ = thrift.fields(tail, chunks(file, group)[leaf].start)
    if 3 not in found or found[3].kind != STRUCT:
        raise Malformed("a column chunk has no metadata")
    old, _ = thrift.fields(tail, found[3].start)
    lasting = {key: field for key, field in old.items() if key <= 4}
    return thrift.raw(tail, lasting), thrift.value(tail, old.get(6)) or 0


def _column(lasting: tuple[_Raw, int], rows: int, start: int, coded: int, stored: int) -> bytes:
    """Return the metadata of a column chunk.

    Args:
        lasting: What stays true of it.
        rows: Rows of the excerpt.
        start: Its first byte.
        coded: Bytes of its dictionary page; 0 for none.
        stored: Bytes of all its pages.
    """
    kept, decoded = lasting
    numbers = {5: rows, 6: max(stored, decoded), 7: stored, 9: start + coded}
    if coded:
        numbers[11] = start
    made = {place: (I64, thrift.number(figure)) for place, figure in numbers.items()}
    return thrift.struct(
        {2: (I64, thrift.number(start)), 3: (STRUCT, thrift.struct({**kept, **made}))}
    )


def _footer(
    foot: Footer, shared: Groups, names: Sequence[str], columns: Sequence[bytes], rows: int
) -> bytes:
    root = thrift.struct({**shared.root, 5: (I32, thrift.number(len(names)))})
    schema = [root, *(shared.elements[foot.leaves[name]] for name in names)]
    group = thrift.struct(
        {
            1: (LIST, thrift.listed(STRUCT, columns)),
            2: (I64, thrift.number(sum(map(len, columns)))),
            3: (I64, thrift.number(rows)),
        }
    )
    content = {
        **shared.common,
        2: (LIST, thrift.listed(STRUCT, schema)),
        3: (I64, thrift.number(rows)),
        4: (LIST, thrift.listed(STRUCT, [group])),
    }
    if shared.arrow is not None:
        chosen = pa.schema([shared.arrow.field(name) for name in names])
        stored = base64.b64encode(chosen.serialize().to_pybytes())
        pair = {1: (BINARY, thrift.binary(_ARROW)), 2: (BINARY, thrift.binary(stored))}
        content[5] = (LIST, thrift.listed(STRUCT, [thrift.struct(pair)]))
    return thrift.struct(content)
