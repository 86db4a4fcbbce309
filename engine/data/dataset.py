"""A data set: a location, what its metadata say, and how it is cut. Nothing is read to open one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from engine.contract import Contract
from engine.data.layout import Layout, as_text
from engine.data.source import RESERVED, Source
from engine.errors import InputError
from engine.expression import result_type
from engine.formats import guess, make
from engine.formats.format import FileInfo, Format
from engine.plan import Partition, RowGroup, Slice, partitions, target_bytes
from engine.schema import Common, Files, require
from engine.storage import PLAIN, Access

if TYPE_CHECKING:
    import dask.dataframe as dd
    from distributed import Client

_LISTING_THREADS = 16
"""Footers are read side by side: the time goes into waiting for the disk or the network."""

_KEY_BYTES = 16
"""Decoded bytes a row of a column that comes from a folder name."""

_WITHOUT_ROWS = Partition(0, (Slice(0, 0, 0, 0),), 0, 0, 0, 0)


@dataclass(frozen=True)
class Dataset:
    """Tables at one location, with their frozen listing.

    Attributes:
        name: Name for messages.
        location: Path, directory or glob.
        source: How a partition is read.
        infos: Metadata of each file of ``source.files``.
        lacking: Files without it, by column that only some files have; such columns are left out.
        notes: What the user should know of the files.
    """

    name: str
    location: str
    source: Source
    infos: tuple[FileInfo, ...]
    lacking: Mapping[str, Files] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        location: str,
        *,
        format: Format | str | None = None,
        where: str | None = None,
        contract: Contract | None = None,
        access: Access = PLAIN,
        name: str = "data",
    ) -> Dataset:
        """List a location and read its metadata (Parquet footers; a scan for line ends of CSV).

        Args:
            location: A file, a directory, a glob or a URL; hive folders become columns.
            format: A reader, or the name of one; by the location when left out.
            where: SQL filter; rows that do not meet it are counted as filtered.
            contract: What rows must satisfy.
            access: How a remote place is reached.
            name: Name for messages.

        Raises:
            InputError: A file is damaged, or files do not fit together.
            SpecError: The location, filter or contract cannot be.
        """
        reader = (
            make(format or guess(location)) if format is None or isinstance(format, str) else format
        )
        contract = contract or Contract({}, name=name)
        files = tuple(reader.list(location, access))
        with ThreadPoolExecutor(_LISTING_THREADS) as pool:
            infos = tuple(pool.map(reader.inspect, files))
        keys = reader.key_types(files)
        schemas = [(f.path, i.schema) for f, i in zip(files, infos, strict=True)]
        mixed = as_text(schemas, contract) if reader.text else set()
        schemas = [(path, {**schema, **_texts(mixed & schema.keys())}) for path, schema in schemas]
        found = contract.reconcile(schemas, reader.text)
        shared = {n: kind for n, kind in found.types.items() if n not in RESERVED}
        types = contract.schema({**shared, **keys}, reader.text)
        read = dict.fromkeys(shared, pl.String()) if reader.text else shared
        if where is not None:
            result_type(where, types, f"data.{name}.where")
        layout = Layout.found(schemas, shared, contract)
        source = Source(reader, files, {**read, **keys}, types, contract, where, keys, layout)
        taken = _taken(found.types.keys() - shared.keys())
        notes = (*_texts_noted(mixed), *_left_out(found, len(files)), *_unreadable(infos), *taken)
        return cls(name, location, source, infos, found.absent, notes)

    def require(self, columns: Sequence[str], where: str) -> None:
        """Raise when a column is not there: `InputError` with the files that do not have it.

        Args:
            columns: Columns that are needed.
            where: The key in the job file that needs them.

        Raises:
            InputError: Some files have it and some do not.
            SpecError: No file has it.
        """
        for column in columns:
            if (files := self.lacking.get(column)) is not None:
                raise InputError(
                    f"column {column!r} is missing in {files.count:,} of {len(self.infos):,} files",
                    where=f"{where}: {files}",
                    hint="add it, give its other name as aliases in the contract, or set "
                    "required = false there",
                )
        require(columns, self.schema, where)

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """Column types after the contract."""
        return self.source.types

    @property
    def rows(self) -> int:
        """Rows in all files, before filter and contract."""
        return sum(chunk.rows for info in self.infos for chunk in info.chunks)

    def rows_by_file(self) -> dict[str, int]:
        """Return the rows of each file, by path, before filter and contract."""
        return {
            file.path: sum(chunk.rows for chunk in info.chunks)
            for file, info in zip(self.source.files, self.infos, strict=True)
        }

    @property
    def stored_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.source.files)

    def row_groups(self, columns: Sequence[str]) -> list[RowGroup]:
        """Return all row groups, sized for these columns and those of contract and filter."""
        needed = self.source.needed(columns)
        groups: list[RowGroup] = []
        first = 0
        for number, info in enumerate(self.infos):
            start = 0
            for chunk in info.chunks:
                decoded = sum(chunk.decoded.get(name, _KEY_BYTES * chunk.rows) for name in needed)
                stored = sum(chunk.stored.get(name, 0) for name in needed)
                touched = chunk.touched(needed)
                groups.append(
                    RowGroup(number, start, chunk.rows, first, decoded, stored, chunk.span, touched)
                )
                start += chunk.rows
                first += chunk.rows
        return groups

    def partitions(self, columns: Sequence[str], target: int | None = None) -> list[Partition]:
        """Cut the data set into partitions.

        Args:
            columns: Columns that will be read.
            target: Decoded bytes to aim at; by `engine.plan.target_bytes` when left out.

        Returns:
            Partitions; of files without rows one without rows, so that what is made of them has
            its columns all the same.
        """
        groups = self.row_groups(columns)
        cut = partitions(groups, target or self._target(groups, columns))
        return cut or [_WITHOUT_ROWS] if self.infos else []

    def target_bytes(self, columns: Sequence[str]) -> int:
        """Return the decoded bytes that a partition of these columns aims at."""
        return self._target(self.row_groups(columns), columns)

    def _target(self, groups: Iterable[RowGroup], columns: Sequence[str]) -> int:
        decoded = sum(group.decoded for group in groups)
        return target_bytes(decoded, len(self.source.needed(columns)))

    def summary(self) -> dict[str, str | int]:
        """Return what the data set is: location, format, files, rows, bytes, columns."""
        return {
            "location": self.location,
            "format": self.source.format.name,
            "files": len(self.source.files),
            "rows": self.rows,
            "bytes": self.stored_bytes,
            "columns": len(self.schema),
        }

    def listing(self) -> list[dict[str, str | int | None]]:
        """Return the frozen inputs: path, size, time or etag, and digest of the metadata."""
        return [
            {
                "path": file.path,
                "size": file.size,
                "mtime_ns": file.mtime_ns,
                "etag": file.etag,
                "digest": info.digest,
            }
            for file, info in zip(self.source.files, self.infos, strict=True)
        ]

    def fingerprint(self) -> str:
        """Return a digest of listing, metadata, filter and contract: equal means equal rows."""
        source = self.source
        rows = [self.listing(), repr(source.format), source.where, source.contract.to_dict()]
        return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()

    def to_dask(self, columns: Sequence[str] | None = None) -> dd.DataFrame:
        """Return the good rows as a Dask DataFrame (needs ``millrace[dataframe]``).

        As `engine.data.frames.to_dask`: Arrow-backed columns, the row number as index, divisions
        that are known.

        Args:
            columns: Columns wanted; all when left out.
        """
        from engine.data import frames

        wanted = list(columns or self.schema)
        return frames.to_dask(self.source, self.partitions(wanted), wanted)

    def lengths(self, columns: Sequence[str] | None = None) -> tuple[int, ...]:
        """Return the rows of each partition of `to_dask`, for ``to_dask_array(lengths=...)``.

        Args:
            columns: The same as there.

        Raises:
            SpecError: Filter or contract may drop rows: only reading tells how many.
        """
        from engine.data import frames

        return frames.lengths(self.source, self.partitions(list(columns or self.schema)))

    @classmethod
    def from_dask(
        cls,
        frame: dd.DataFrame,
        folder: str | None = None,
        *,
        client: Client | None = None,
        name: str = "data",
    ) -> Dataset:
        """Take in a Dask DataFrame: each partition is computed once and kept as a Parquet file.

        Args:
            frame: Any Dask DataFrame.
            folder: Where, as `engine.data.intake.store`.
            client: The cluster; the current one, or else this process, when left out.
            name: Name for messages.
        """
        from engine.data import intake

        path = intake.store(frame, folder, client)
        return cls.open(str(path), format="parquet", name=name)


def _texts(columns: Iterable[str]) -> dict[str, pl.DataType]:
    return {name: pl.String() for name in columns}


def _texts_noted(columns: Iterable[str]) -> Iterator[str]:
    for name in sorted(columns):
        yield f"column {name!r} is read as text: its files look like different types"


def _left_out(found: Common, files: int) -> Iterator[str]:
    """Say which columns are left out; those that the same files lack in one sentence."""
    groups: dict[str, list[str]] = {}
    for name, without in found.absent.items():
        some = f"{without.count:,} of {files:,} files: {without}"
        groups.setdefault(some, []).append(name)
    for some, names in groups.items():
        listed = ", ".join(map(repr, names))
        one = len(names) == 1
        yield f"column{'' if one else 's'} {listed} left out, missing in {some}"


def _taken(columns: Iterable[str]) -> Iterator[str]:
    for name in sorted(columns):
        yield f"column {name!r} is left out: millrace uses this name; give it another by aliases"


def _unreadable(infos: Iterable[FileInfo]) -> Iterator[str]:
    kinds = {name: kind for info in infos for name, kind in info.unreadable.items()}
    for name, kind in kinds.items():
        yield f"column {name!r} is left out: it holds {kind}"
