"""A PostgreSQL table: all rows of a run, and the key of the run, in one transaction.

The rows are copied into a temporary table, which dies with the connection, so a driver that is
killed leaves nothing behind. Then one transaction enters the key into ``millrace_commits`` beside
the table, where it can stand once, and moves the rows. A second driver of the same run waits at the
key until the first has committed, and finds it taken.

ADBC (``adbc-driver-postgresql``, the driver that reads) and not psycopg: it takes Arrow batches and
sends binary COPY, so no value passes through Python, and no second driver has to be installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine.encoding import lake
from engine.errors import CommitUnknown, MillraceError, OutputRefused
from engine.formats.database.postgres import Server, quoted, said, text
from engine.targets.target import IfExists, Rows

RUN = "millrace_run"
"""Column of the table that says which run wrote a row."""

COMMITS = "millrace_commits"
"""Table, in the same schema, of the runs that are in."""

_STAGED = "millrace_staged"

_BATCH = 2**16
"""Rows that are sent together: of 20 columns about 10 MB, whatever the size of the table."""


@dataclass(frozen=True)
class PostgresTarget:
    """A table, as the driver of one run sees it.

    Attributes:
        server: Where it is, and how it is reached.
        schema: Its schema, which exists.
        table: Its name.
        key: Key of the run.
        if_exists: What to do when the table is there. ``overwrite`` replaces the rows that have a
            `RUN`, and no others.
    """

    server: Server
    schema: str
    table: str
    key: str
    if_exists: IfExists = "error"

    def admit(self) -> None:
        """See `engine.targets.Target`; the user may make tables, or this is where it shows."""
        with self._session() as session:
            session.make_commits()
            session.admit()
            session.connection.commit()

    def publish(self, rows: Rows) -> bool:
        """See `engine.targets.Target`."""
        if not rows.files:
            return False
        with self._session() as session:
            if session.has():
                return False
            session.make_commits()
            session.admit()
            session.connection.commit()
            session.stage(rows)
            if not session.enter(rows.count):
                return False
            session.admit()
            session.move()
            self._commit(session)
        return True

    @property
    def where(self) -> str:
        """The table, for messages."""
        return f"{self.server.url}, table {self.schema}.{self.table}"

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        with self.server.connection(self.where) as (connection, errors):
            try:
                yield _Session(self, connection)
            except errors as error:
                raise MillraceError(
                    f"The database refuses the rows: {said(error)}",
                    where=self.where,
                    hint="nothing was written; run again: the finished parts are kept",
                ) from None  # the driver's error may hold what was masked

    def _commit(self, session: _Session) -> None:
        """Commit, or find out what became of it."""
        try:
            session.connection.commit()
            return
        except (
            Exception
        ) as error:  # the connection may break in the driver's or in the socket's way
            told = said(error)
        try:
            with self._session() as again:
                landed = again.has()
        except MillraceError as unreadable:
            what = f"Whether the transaction landed cannot be told ({told})."
            hint = "run again when the database answers: rows that are in are not added again"
            raise CommitUnknown(what, where=self.where, hint=hint) from unreadable
        if not landed:
            hint = "nothing was written; run again: the finished parts are kept"
            raise MillraceError(f"The transaction failed: {told}", where=self.where, hint=hint)


@dataclass(frozen=True)
class _Session:
    """An open connection, in a transaction."""

    target: PostgresTarget
    connection: Any

    def run(self, statement: str, *parameters: str) -> list[tuple[Any, ...]]:
        """Run one statement with ``$1``, ``$2``... and return its rows."""
        names = [f"p{i}" for i in range(len(parameters))]
        bound = pa.record_batch([text(p) for p in parameters], names) if parameters else None
        # COPY, which is the default for results, takes neither parameters nor every statement.
        plain = {"adbc.postgresql.use_copy": "false"}
        with self.connection.cursor(adbc_stmt_kwargs=plain) as cursor:
            cursor.execute(statement, bound)
            return cursor.fetchall() if cursor.description else []

    @property
    def name(self) -> str:
        """The table in SQL."""
        return f"{quoted(self.target.schema)}.{quoted(self.target.table)}"

    @property
    def commits(self) -> str:
        """The table of runs in SQL."""
        return f"{quoted(self.target.schema)}.{COMMITS}"

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table by its name in SQL; none when there is no such table."""
        found = self.run(
            "select attname::text from pg_attribute "
            "where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum",
            table,
        )
        return [name for (name,) in found]

    def make_commits(self) -> None:
        """Make the table of runs."""
        self.lock()
        if not self.columns(self.commits):
            self.run(
                f"create table {self.commits} (target text not null, run text not null, "
                "rows bigint not null, committed timestamptz not null default now(), "
                "primary key (target, run))"
            )

    def lock(self) -> None:
        """Let one driver after the other see and change what is there, until the transaction ends.

        Each statement sees what others have committed meanwhile: without it a driver that saw no
        table would take away the entry of the one that has just made it.
        """
        self.run("select pg_advisory_xact_lock(hashtext($1))::text", self.commits)

    def has(self) -> bool:
        """Tell whether the table holds this run; a table that was dropped holds none."""
        if not self.columns(self.commits) or not self.columns(self.name):
            return False
        asked = f"select 1::text from {self.commits} where target = $1 and run = $2"
        return bool(self.run(asked, self.target.table, self.target.key))

    def admit(self) -> None:
        """Refuse a table that we may not write.

        Raises:
            OutputRefused: It is there and was not to be, or does not say whose rows are whose.
        """
        columns, how = self.columns(self.name), self.target.if_exists
        if not columns or self.has():
            return
        if how == "error":
            raise OutputRefused(
                "The table is there already.",
                where=self.target.where,
                hint='set `if_exists = "append"` or "overwrite", or choose another table',
            )
        if how == "overwrite" and RUN not in columns:
            raise OutputRefused(
                f"The table has no column {RUN}, so which of its rows millrace wrote is not known.",
                where=self.target.where,
                hint=f"add it (ALTER TABLE ... ADD COLUMN {RUN} text), or append",
            )

    def stage(self, rows: Rows) -> None:
        """Copy the rows into a temporary table, a batch at a time."""
        batches = _batches(rows)
        first = next(batches)

        def all_of_them() -> Iterator[pa.RecordBatch]:
            yield first
            yield from batches

        reader = pa.RecordBatchReader.from_batches(first.schema, all_of_them())
        with self.connection.cursor() as cursor:
            cursor.adbc_ingest(_STAGED, reader, mode="create", temporary=True)

    def enter(self, rows: int) -> bool:
        """Enter the run, once; False when another driver has done so."""
        self.lock()
        if not self.columns(self.name):  # dropped: what was in it is gone
            self.run(f"delete from {self.commits} where target = $1", self.target.table)
        entered = self.run(
            f"insert into {self.commits} (target, run, rows) values ($1, $2, $3::text::bigint) "
            "on conflict do nothing returning 1::text",
            self.target.table,
            self.target.key,
            str(rows),
        )
        return bool(entered)

    def move(self) -> None:
        """Move the staged rows into the table, which is made when it is not there."""
        staged = self.columns(f"pg_temp.{_STAGED}")
        own = self.columns(self.name)
        if not own:
            made = f"create table {self.name} as select *, null::text as {RUN} "
            self.run(f"{made} from pg_temp.{_STAGED} limit 0")
            own = [*staged, RUN]
        if self.target.if_exists == "overwrite":
            self.run(f"delete from {self.name} where {RUN} is not null")
            gone = f"delete from {self.commits} where target = $1 and run <> $2"
            self.run(gone, self.target.table, self.target.key)
        if unknown := [name for name in staged if name not in own]:
            raise OutputRefused(
                f"The table has no column {unknown[0]!r}.",
                where=self.target.where,
                hint="add it, or leave it out of the output",
            )
        names = ", ".join(quoted(name) for name in staged)
        marked = RUN in own and RUN not in staged
        into = f"insert into {self.name} ({names}{f', {RUN}' if marked else ''})"
        run = f", '{self.target.key}'" if marked else ""  # a digest: nothing to quote
        self.run(f"{into} select {names}{run} from pg_temp.{_STAGED}")


def _batches(rows: Rows) -> Iterator[pa.RecordBatch]:
    """Yield the rows in types that the database has; at least one batch, maybe of no rows."""
    for file in rows.files:
        with rows.open(file) as stream, pq.ParquetFile(stream) as parquet:
            empty = pa.RecordBatch.from_pylist([], parquet.schema_arrow)
            for batch in parquet.iter_batches(_BATCH) if file.rows else [empty]:
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                table = lake.storable(frame).to_arrow().combine_chunks()
                yield pa.RecordBatch.from_arrays(
                    [_one(column) for column in table.columns], schema=table.schema
                )


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
