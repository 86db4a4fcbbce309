"""A Delta Lake table: the files of a run are added in one transaction of its log.

The Parquet files are linked into the table's folder under names of their own and become rows by one
log entry, which carries the key of the run as application transaction (Delta protocol, "Transaction
Identifiers"). The log is what decides: of two drivers with the same key one entry is refused, and
after an unknown outcome it is read back.

- ``append``: one application a run, ``millrace.<key>``: every run is there once.
- ``overwrite``: one application for all, whose version is the key: the last run counts, and an
  earlier one that is run again replaces the rows again. Old files stay until ``VACUUM``.

Files are added, not rewritten, so what a writer must check row by row cannot be checked: tables
with constraints, generated or required columns and the like are refused.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.encoding import hive
from engine.encoding.lake import PARTITIONS
from engine.errors import CommitUnknown, MillraceError, OutputRefused, SpecError
from engine.place import durable
from engine.place.refusals import refusals
from engine.targets.target import IfExists, Rows

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable, Schema
    from deltalake.transaction import AddAction

_ROUNDS = 20  # another writer was faster in each of the rounds before

_FEATURES = frozenset(("appendOnly", "invariants", "timestampNtz", "deletionVectors"))
"""Writer features that ask nothing of added files, or whose use in the schema is looked at."""

_RULES = ("delta.invariants", "delta.generationExpression", "delta.identity.start")
"""Metadata of a column whose values a writer must check or make."""


@dataclass(frozen=True)
class DeltaTarget:
    """A table in a folder, as the driver of one run sees it.

    Attributes:
        location: Folder of the table.
        key: Key of the run.
        partition_by: Partition columns of the rows.
        if_exists: What to do when the table is there.
    """

    location: Path
    key: str
    partition_by: tuple[str, ...] = ()
    if_exists: IfExists = "error"

    @property
    def application(self) -> tuple[str, int]:
        """Application id and version of the transaction that adds the rows."""
        if self.if_exists == "overwrite":
            return "millrace.overwrite", int(self.key[:15], 16)  # a long has 63 bits
        return f"millrace.{self.key}", 0

    def admit(self) -> None:
        """See `engine.targets.Target`."""
        with self._told():
            self._admit(self._opened())

    def publish(self, rows: Rows) -> bool:
        """See `engine.targets.Target`."""
        for _ in range(_ROUNDS):
            with self._told():
                table = self._opened()
                self._admit(table)
                if (table and self._has(table)) or not rows.files:
                    return False
                schema = _schema(rows, self.partition_by)
                self._assert_columns(table, schema)
                actions = self._linked(rows)
            if self._landed(table, schema, actions):
                return True
        raise MillraceError("Other writers keep changing this Delta table.", where=self._where)

    @property
    def _where(self) -> str:
        return str(self.location)

    def _opened(self) -> DeltaTable | None:
        """Return the newest version; None when there is no table and there may be one."""
        from deltalake import DeltaTable

        if self.location.is_file():
            raise OutputRefused("A file has the name of the Delta table.", where=self._where)
        if DeltaTable.is_deltatable(self._where):
            return DeltaTable(self._where)
        strange = self.location.is_dir() and [
            path.name
            for path in self.location.rglob("*")
            if path.is_file() and not path.name.startswith(_prefix())
        ]
        if strange:
            what = f"The folder holds files and is no Delta table: {strange[0]}"
            raise OutputRefused(what, where=self._where, hint="choose another output")
        return None

    def _has(self, table: DeltaTable) -> bool:
        name, version = self.application
        return table.transaction_version(name) == version

    def _admit(self, table: DeltaTable | None) -> None:
        if table is None or self._has(table):
            return
        if self.if_exists == "error":
            raise OutputRefused(
                "There is a Delta table with other rows already.",
                where=self._where,
                hint='set `if_exists = "append"` or "overwrite", or choose another output',
            )
        _assert_plain(table, self._where)
        own = table.metadata().partition_columns
        if tuple(own) != self.partition_by:
            raise OutputRefused(
                f"The Delta table is partitioned by {own}.",
                where=self._where,
                hint=f"set `partition_by = {json.dumps(own)}`",
            )

    def _assert_columns(self, table: DeltaTable | None, schema: Schema) -> None:
        """Refuse rows that the table has no columns for; columns that rows lack are missing."""
        if table is None:
            return
        there = {field.name: field.type for field in table.schema().fields}
        for field in schema.fields:
            if there.get(field.name) != field.type:
                kind = there.get(field.name, "not there")
                raise OutputRefused(
                    f"The rows have a column {field.name!r} of {field.type}; in the Delta table it "
                    f"is {kind}.",
                    where=self._where,
                    hint="rename or leave out the column, or choose another table",
                )

    def _linked(self, rows: Rows) -> list[AddAction]:
        """Put the files into the table's folder, where nobody sees them yet."""
        from deltalake.transaction import AddAction

        with refusals(self.location):
            durable.make_folder(self.location)
            actions = []
            for number, file in enumerate(rows.files):
                if not file.rows:
                    continue
                name = f"{_prefix()}{self.key[:16]}-{number:06d}-{file.sha256[:12]}.parquet"
                folder = file.name.rpartition("/")[0]
                # Polars reads the values from the folders, others from the log.
                name = f"{folder}/{name}" if folder else name
                durable.make_folder(self.location / folder)
                changed = _link(rows.path(file), self.location / name)
                stats = json.dumps({"numRecords": file.rows})
                values = hive.values(folder)
                actions.append(AddAction(name, file.bytes, values, changed, True, stats))
            for below in {(self.location / action.path).parent for action in actions}:
                durable.sync_folder(below)
            return actions

    def _landed(
        self, table: DeltaTable | None, schema: Schema, actions: Sequence[AddAction]
    ) -> bool:
        """Write the log entry; tell whether it is there. False: somebody else was faster."""
        from deltalake.exceptions import CommitFailedError, DeltaError

        try:
            self._commit(table, schema, list(actions))
        except (DeltaError, OSError) as error:
            try:
                newest = self._opened()
                landed = newest is not None and self._has(newest)
            except (DeltaError, OSError) as unreadable:
                what = f"Whether the Delta commit landed cannot be told ({_line(error)})."
                hint = "run again when the storage answers; nothing was deleted"
                raise CommitUnknown(what, where=self._where, hint=hint) from unreadable
            raced = isinstance(error, CommitFailedError) or (table is None and newest is not None)
            if not landed and not raced:
                raise _failed(error, self._where) from error
            return landed
        return True

    def _commit(self, table: DeltaTable | None, schema: Schema, actions: list[AddAction]) -> None:
        by = list(self.partition_by)
        if table is None:
            from deltalake.transaction import create_table_with_add_actions

            create_table_with_add_actions(
                self._where,
                schema,
                actions,
                mode="error",
                partition_by=by,
                commit_properties=self._properties(),
            )
            return
        mode = "overwrite" if self.if_exists == "overwrite" else "append"
        table.create_write_transaction(
            [*actions], mode, table.schema(), by, commit_properties=self._properties()
        )

    def _properties(self) -> CommitProperties:
        from deltalake import CommitProperties, Transaction

        told = {"millrace": self.key}
        # Of our own conflicts we decide: the library's retries would not look at the table again.
        return CommitProperties(told, 0, [Transaction(*self.application)])

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what ``deltalake`` raises as errors of ours."""
        try:
            from deltalake.exceptions import DeltaError
        except ImportError as error:
            raise SpecError(
                "Delta tables need the package deltalake",
                where=self._where,
                hint="pip install 'millrace[delta]'",
            ) from error
        try:
            yield
        except (DeltaError, OSError) as error:
            raise _failed(error, self._where) from error


def _prefix() -> str:
    return "millrace-"


def _link(source: Path, target: Path) -> int:
    """Give a file a name in the table; return when it was changed, in milliseconds."""
    try:
        os.link(source, target)
    except FileExistsError:  # an earlier attempt: the name holds the digest
        pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP):
            raise
        scratch = target.with_name(f"{target.name}.tmp-{os.getpid()}")
        shutil.copyfile(source, scratch)
        os.replace(scratch, target)
    return os.stat(target).st_mtime_ns // 1_000_000


def _schema(rows: Rows, by: Sequence[str]) -> Schema:
    """Return the columns of the rows; the types of partition columns stand in the files."""
    from deltalake import Field, Schema
    from deltalake.schema import PrimitiveType

    footer = pq.read_metadata(rows.path(rows.files[0]))
    stored, metadata = footer.schema.to_arrow_schema(), footer.metadata or {}
    types: Mapping[str, str] = json.loads(metadata.get(PARTITIONS.encode(), b"{}"))
    own = Schema.from_arrow(pa.schema([pa.field(f.name, f.type) for f in stored])).fields
    return Schema([*own, *(Field(name, PrimitiveType(types[name])) for name in by)])


def _assert_plain(table: DeltaTable, where: str) -> None:
    """Refuse a table whose writers have to do more than add files."""
    asked = sorted(set(table.protocol().writer_features or ()) - _FEATURES)
    settings: Mapping[str, Any] = table.metadata().configuration
    asked += [name for name in settings if name.startswith("delta.constraints.")]
    if settings.get("delta.columnMapping.mode", "none") != "none":
        asked.append("delta.columnMapping.mode")
    for field in json.loads(table.schema().to_json())["fields"]:
        asked += [f"{rule} of {field['name']}" for rule in _RULES if rule in field["metadata"]]
        asked += [] if field["nullable"] else [f"column {field['name']} is required"]
    if asked:
        raise OutputRefused(
            f"This Delta table asks its writers for more than millrace does: {', '.join(asked)}",
            where=where,
            hint="write to a table of its own, and insert from there",
        )


def _failed(error: Exception, where: str) -> MillraceError:
    what = f"The Delta table could not be written: {_line(error)}"
    return MillraceError(what, where=where, hint="run again: the finished parts are kept")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
