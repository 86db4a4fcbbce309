"""A data set: a location, what its metadata say, and how it is cut. Nothing is read to open one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from engine.contract import Contract, Rule
from engine.errors import InputError
from engine.expression import result_type
from engine.formats import format_named, guess
from engine.formats.format import FileInfo
from engine.plan import Partition, RowGroup, partitions, target_bytes
from engine.schema import common_schema
from engine.source import Source
from engine.storage import InputFile, list_files

if TYPE_CHECKING:
    import dask.dataframe as dd

_LISTING_THREADS = 16
"""Footers are read side by side: the time goes into waiting for the disk or the network."""

_KEY_BYTES = 16
"""Decoded bytes a row of a column that comes from a folder name."""


@dataclass(frozen=True)
class Dataset:
    """Tables at one location, with their frozen listing.

    Attributes:
        name: Name for messages.
        location: Path, directory or glob.
        source: How a partition is read.
        infos: Metadata of each file of ``source.files``.
    """

    name: str
    location: str
    source: Source
    infos: tuple[FileInfo, ...]

    @classmethod
    def open(
        cls,
        location: str,
        *,
        format: str | None = None,
        where: str | None = None,
        rules: Mapping[str, Rule] | None = None,
        name: str = "data",
    ) -> Dataset:
        """List a location and read its metadata (Parquet footers; a scan for line ends of CSV).

        Args:
            location: A file, a directory or a glob; hive folders become columns.
            format: ``"parquet"`` or ``"csv"``; by the ending when left out.
            where: SQL filter; rows that do not meet it are counted as filtered.
            rules: Contract, by column.
            name: Name for messages.

        Raises:
            InputError: A file is damaged, or files do not fit together.
            SpecError: The location, filter or contract cannot be.
        """
        kind = format or guess(location)
        reader = format_named(kind)
        files = tuple(list_files(location, reader.suffixes))
        with ThreadPoolExecutor(_LISTING_THREADS) as pool:
            infos = tuple(pool.map(reader.inspect, files))
        hive = _hive_types(files)
        found = common_schema((f.path, i.schema) for f, i in zip(files, infos, strict=True))
        text = kind == "csv"
        contract = Contract(dict(rules or {}), name)
        types = contract.schema({**found, **hive}, text)
        stored = {**(dict.fromkeys(found, pl.String()) if text else found), **hive}
        if where is not None:
            result_type(where, types, f"data.{name}.where")
        source = Source(kind, files, stored, types, contract, where, hive)
        return cls(name, location, source, infos)

    @property
    def schema(self) -> Mapping[str, pl.DataType]:
        """Column types after the contract."""
        return self.source.types

    @property
    def rows(self) -> int:
        """Rows in all files, before filter and contract."""
        return sum(chunk.rows for info in self.infos for chunk in info.chunks)

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
                groups.append(
                    RowGroup(number, start, chunk.rows, first, decoded, stored, chunk.span)
                )
                start += chunk.rows
                first += chunk.rows
        return groups

    def partitions(self, columns: Sequence[str], target: int | None = None) -> list[Partition]:
        """Cut the data set into partitions.

        Args:
            columns: Columns that will be read.
            target: Decoded bytes to aim at; by `engine.plan.target_bytes` when left out.
        """
        groups = self.row_groups(columns)
        return partitions(groups, target or target_bytes(sum(group.decoded for group in groups)))

    def fingerprint(self) -> str:
        """Return a digest of listing, metadata, filter and contract: equal means equal rows."""
        files = [
            (file.path, file.size, file.mtime_ns, info.digest)
            for file, info in zip(self.source.files, self.infos, strict=True)
        ]
        rules = {name: vars(rule) for name, rule in self.source.contract.rules.items()}
        text = json.dumps([self.source.format, files, self.source.where, rules], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dask(self, columns: Sequence[str] | None = None) -> dd.DataFrame:
        """Return the good rows as a Dask DataFrame, a partition each (needs ``dask[dataframe]``).

        Args:
            columns: Columns wanted; all when left out.
        """
        import dask.dataframe as dd

        wanted = list(columns or self.schema)
        meta = pl.DataFrame(schema={name: self.schema[name] for name in wanted}).to_pandas()
        frame: dd.DataFrame = dd.from_map(
            _pandas, self.partitions(wanted), source=self.source, columns=wanted, meta=meta
        )
        return frame


def _pandas(partition: Partition, source: Source, columns: list[str]) -> object:
    return source.read(partition, columns).good.select(columns).to_pandas()


def _hive_types(files: Sequence[InputFile]) -> dict[str, pl.DataType]:
    """Return the types of folder columns: whole numbers where all values are, else text."""
    names = {tuple(name for name, _ in file.keys) for file in files}
    if len(names) > 1:
        raise InputError(
            "the files lie under different partition folders",
            where=", ".join("/".join(keys) or "(none)" for keys in sorted(names)),
            hint="name one level of folders in the path",
        )
    types: dict[str, pl.DataType] = {}
    for name in names.pop():
        values = {value for file in files for key, value in file.keys if key == name}
        whole = all(value.lstrip("-").isdigit() for value in values)
        types[name] = pl.Int64() if whole else pl.String()
    return types
