"""The protocol of file formats: list row groups without reading data, read one slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import polars as pl

from engine.errors import InputError
from engine.plan import Slice
from engine.storage import Access, InputFile, list_files

MALFORMED = "__malformed"
"""Column of `Format.read` that says of a row why it could not be parsed."""

GIANT_BYTES = 128 * 2**20
"""Stored bytes of a row group above which a row range never takes more of it than its pages.

Polars holds all stored bytes of the group for each range."""


def is_giant(stored: int, held: int) -> bool:
    """Tell whether reading pages alone holds much less than the row groups that a range cuts.

    Args:
        stored: Bytes on disk of the columns in question.
        held: Bytes of a page of each of them.
    """
    return stored > max(GIANT_BYTES, 2 * held)


@dataclass(frozen=True)
class Chunk:
    """A run of rows of one file, as its metadata state it.

    Attributes:
        rows: Number of rows.
        decoded: Estimated bytes in memory, by column.
        stored: Bytes on disk, by column.
        span: Byte range in the file, for formats that are cut by bytes.
        pages: Bytes held by column where a row range of a giant run is read page by page; None for
            formats that fetch the whole run.
    """

    rows: int
    decoded: Mapping[str, int]
    stored: Mapping[str, int]
    span: tuple[int, int] | None = None
    pages: Mapping[str, int] | None = None

    def touched(self, columns: Sequence[str]) -> int:
        """Return the bytes on disk that are held at once to read a row range of these columns."""
        stored = sum(self.stored.get(name, 0) for name in columns)
        held = sum((self.pages or self.stored).get(name, 0) for name in columns)
        giant = self.pages is not None and is_giant(stored, held)
        return min(stored, GIANT_BYTES + 2 * held) if giant else stored


@dataclass(frozen=True)
class FileInfo:
    """What the metadata of one file say.

    Attributes:
        schema: Column names and types, in file order; nested columns are left out.
        chunks: Its row groups in order.
        digest: SHA-256 of the metadata, hexadecimal.
        unreadable: Columns of a type that millrace does not read, with that type's name.
        held: Bytes that a process holds of the file, its metadata above all, between slices.
    """

    schema: Mapping[str, pl.DataType]
    chunks: tuple[Chunk, ...]
    digest: str
    unreadable: Mapping[str, str]
    held: int = 0


class Format(Protocol):
    """How one file format is listed and read. A frozen dataclass; its fields are its options."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    text: ClassVar[bool]
    """Columns are read as text, and the contract gives them their types."""

    def list(self, location: str, access: Access) -> list[InputFile]:
        """Return the files of a location in a fixed order."""

    def key_types(self, files: Sequence[InputFile]) -> dict[str, pl.DataType]:
        """Return the types of the columns that `InputFile.keys` hold."""

    def inspect(self, file: InputFile) -> FileInfo:
        """Return schema and row groups; raises `InputError` naming the file when it is damaged."""

    def read(self, file: InputFile, part: Slice, columns: Sequence[str]) -> pl.DataFrame:
        """Return the rows of a slice, only these columns, in this order.

        A line that cannot be parsed is a row all the same: its columns are null, and a column
        `MALFORMED`, there only when such a row is, says why and holds the raw text.
        """

    def place(self, file: InputFile, part: Slice, rows: Sequence[int]) -> Sequence[str]:
        """Return where rows of a slice stand, such as ``line 17`` or ``row group 3``.

        Args:
            file: The file.
            part: The slice that the rows were read with.
            rows: Row numbers within the file, from 0.
        """


class Files:
    """What formats whose data sets are plain files have in common."""

    suffixes: ClassVar[tuple[str, ...]]

    def list(self, location: str, access: Access) -> list[InputFile]:
        """Return the files of a location in a fixed order."""
        return list_files(location, self.suffixes, access)

    def key_types(self, files: Sequence[InputFile]) -> dict[str, pl.DataType]:
        """Return the types of folder columns: whole numbers where all values are, else text."""
        names = {tuple(name for name, _ in file.keys) for file in files}
        if len(names) > 1:
            raise InputError(
                "the files lie under different partition folders",
                where=", ".join("/".join(keys) or "(none)" for keys in sorted(names)),
                hint="name one level of folders in the path",
            )
        types: dict[str, pl.DataType] = {}
        for name in names.pop() if names else ():
            values = {value for file in files for key, value in file.keys if key == name}
            whole = all(value.lstrip("-").isdigit() for value in values)
            types[name] = pl.Int64() if whole else pl.String()
        return types
