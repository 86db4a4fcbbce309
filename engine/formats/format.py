"""The protocol of file formats: list row groups without reading data, read one slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from engine.plan import Slice
from engine.storage import InputFile


@dataclass(frozen=True)
class Chunk:
    """A run of rows of one file, as its metadata state it.

    Attributes:
        rows: Number of rows.
        decoded: Estimated bytes in memory, by column.
        stored: Bytes on disk, by column.
        span: Byte range in the file, for formats that are cut by bytes.
    """

    rows: int
    decoded: Mapping[str, int]
    stored: Mapping[str, int]
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class FileInfo:
    """What the metadata of one file say.

    Attributes:
        schema: Column names and types, in file order; nested columns are left out.
        chunks: Its row groups in order.
        digest: SHA-256 of the metadata, hexadecimal.
        unreadable: Columns of a type that millrace does not read, with that type's name.
    """

    schema: Mapping[str, pl.DataType]
    chunks: tuple[Chunk, ...]
    digest: str
    unreadable: Mapping[str, str]


class Format(Protocol):
    """How one file format is listed and read."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return the file endings of the format."""

    def inspect(self, file: InputFile) -> FileInfo:
        """Return schema and row groups; raises `InputError` naming the file when it is damaged."""

    def read(self, file: InputFile, part: Slice, columns: Sequence[str]) -> pl.DataFrame:
        """Return the rows of a slice, only these columns, in this order."""
