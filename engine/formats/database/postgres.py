"""PostgreSQL through ADBC: one read-only transaction, bound parameters, no secret in an error.

ADBC was chosen over connectorx: it binds parameters (connectorx takes finished text only), takes
credentials outside of the URL, and was 1.4 times as fast at a like memory in our comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from engine.errors import InputError, SpecError
from engine.storage import Access
from engine.storage.secrets import redact

OPTIONS = frozenset(
    (
        "user",
        "password",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "connect_timeout",
        "target_session_attrs",
    )
)
"""Access options, named as libpq names them."""

_SETTINGS = (
    "set transaction isolation level repeatable read, read only",
    "set local timezone = 'UTC'",
    "set local datestyle = 'ISO'",
    "set local extra_float_digits = 1",
    "set local cursor_tuple_fraction = 1",
)
"""One snapshot, nothing written; values as text do not depend on the client's environment."""

_NO_COPY = {"adbc.postgresql.use_copy": "false"}
"""COPY takes no parameters, and not every statement."""

_PORTION = 20_000
"""Rows that are fetched at a time."""

_FETCH = f"fetch forward {_PORTION} from millrace"


@dataclass(frozen=True)
class Server:
    """A database, and how it is reached.

    Attributes:
        host: Its host.
        port: Its port.
        database: Its name.
        access: User, password and TLS options; secrets by reference.
    """

    host: str
    port: int
    database: str
    access: Access

    @classmethod
    def of(cls, location: str, access: Access) -> Server:
        """Return the server of ``postgresql://host:port/database``.

        Raises:
            SpecError: The location holds more than that, or an option is not known.
        """
        form = "write it as postgresql://host:port/database; user and password are options"
        try:
            parts = urlsplit(location)
            port = parts.port or 5432
        except ValueError as error:
            raise SpecError("not the URL of a database", hint=form) from error
        if parts.username is not None or parts.password is not None or parts.query:
            raise SpecError(
                "user, password and parameters do not belong into the URL of a database",
                where=f"postgresql://{parts.hostname}:{port}{parts.path}",
                hint='give them as options: user = "...", password = "${secret:NAME}"',
            )
        database = unquote(parts.path.strip("/"))
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not database:
            raise SpecError("not the URL of a database", where=location, hint=form)
        for name, _ in access.options:
            if name not in OPTIONS:
                known = ", ".join(sorted(OPTIONS))
                hint = f"a database has {known}"
                raise SpecError(f"unknown option {name!r}", where=location, hint=hint)
        return cls(parts.hostname, port, database, access)

    @property
    def url(self) -> str:
        """The location, fit for messages: it never holds a credential."""
        return f"postgresql://{self.host}:{self.port}/{self.database}"

    @contextmanager
    def transaction(self, where: str) -> Iterator[Transaction]:
        """Open a read-only transaction: all its queries see the same rows.

        Args:
            where: The table, for messages.

        Raises:
            InputError: The database cannot be reached, or refuses the user.
            SpecError: The driver is not installed.
        """
        with self.connection(where) as (connection, errors):
            transaction = Transaction(connection, errors, where)
            for setting in _SETTINGS:
                transaction.run(setting)
            yield transaction

    @contextmanager
    def connection(self, where: str) -> Iterator[tuple[Any, type[Exception]]]:
        """Open a connection, in a transaction that is rolled back unless it is committed.

        Args:
            where: The table, for messages.

        Yields:
            The driver's connection, and what it raises.

        Raises:
            InputError: The database cannot be reached, or refuses the user.
            SpecError: The driver is not installed.
        """
        driver = _driver(where)
        try:
            connection = driver.connect(self._conninfo())
        except driver.Error as error:
            raise InputError(
                f"the database cannot be opened: {said(error)}",
                where=where,
                hint="check host, port and database, and the options user and password",
            ) from None  # the driver's error may hold what was masked
        with connection:
            yield connection, driver.Error

    def _conninfo(self) -> str:
        """Return libpq's connection string; it is never kept."""
        values = {"host": self.host, "port": str(self.port), "dbname": self.database}
        values |= {"application_name": "millrace", **self.access.resolved()}
        return " ".join(f"{name}={_literal(value)}" for name, value in values.items())


@dataclass(frozen=True)
class Transaction:
    """An open read-only transaction."""

    connection: Any
    errors: type[Exception]
    where: str

    def run(self, statement: str, **parameters: pa.Array) -> pa.Table:
        """Run one statement.

        Args:
            statement: SQL, with ``$1``, ``$2``... for the parameters.
            parameters: Arrays of one value each, in order; the type is bound with the value.

        Raises:
            InputError: The database refuses it.
        """
        bound = pa.record_batch(list(parameters.values()), list(parameters)) if parameters else None
        try:
            with self.connection.cursor(adbc_stmt_kwargs=_NO_COPY) as cursor:
                cursor.execute(statement, bound)
                return cursor.fetch_arrow_table()
        except self.errors as error:
            raise InputError(
                f"the database refuses a query: {said(error)}", where=self.where
            ) from error

    def streamed(self, statement: str, **parameters: pa.Array) -> pa.Table:
        """Run one query as `run` does, and fetch it in portions.

        The client library holds a portion at several times the size of its values in memory.
        """
        self.run(f"declare millrace no scroll cursor for {statement}", **parameters)
        portions = [self.run(_FETCH)]
        while portions[-1].num_rows == _PORTION:
            portions.append(self.run(_FETCH))
        self.run("close millrace")
        return pa.concat_tables(portions)

    def rows(self, statement: str, **parameters: pa.Array) -> list[dict[str, Any]]:
        """Run one statement and return its rows by column name."""
        found: list[dict[str, Any]] = self.run(statement, **parameters).to_pylist()
        return found

    def schema(self, query: str) -> pa.Schema:
        """Return the columns of a query, with what the driver says of their database types."""
        return self.run(f'select * from {query} as "millrace query" limit 0').schema


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> pa.Array:
    """Return a text as a parameter."""
    return pa.array([value], pa.string())


def _driver(where: str) -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise SpecError(
            "PostgreSQL tables need the package adbc-driver-postgresql",
            where=where,
            hint="pip install 'millrace[sql]'",
        ) from error
    return dbapi


def _literal(value: str) -> str:
    """Quote a value of a connection string (libpq, "Connection Strings")."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def said(error: Exception) -> str:
    """Return the database's own words, on one line, secrets masked."""
    words = " ".join(str(error).split())
    return redact(words.rpartition("ERROR: ")[2] or words).strip()


def database_types(schema: pa.Schema) -> Mapping[str, tuple[str, int]]:
    """Return type name and type modifier of each column of `Transaction.schema`."""
    found: dict[str, tuple[str, int]] = {}
    for field in schema:
        about = field.metadata or {}
        kind = about.get(b"POSTGRESQL:type", b"unknown").decode()
        found[field.name] = (kind, int(about.get(b"POSTGRESQL:typmod", b"-1")))
    return found
