"""A PostgreSQL server of its own for tests: loopback, a free port, password authentication."""

import os
import pickle
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.formats.database.sql import Sql
from engine.storage import Access

PASSWORD = "canary %/'\\ 5c1e"
BINARIES = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True)
class Postgres:
    port: int

    @property
    def location(self) -> str:
        return f"postgresql://127.0.0.1:{self.port}/postgres"

    @property
    def access(self) -> Access:
        return Access((("user", "mill"), ("password", "${secret:PG}")))

    def run(self, *statements: str) -> None:
        secret = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        where = f"host=127.0.0.1 port={self.port} dbname=postgres user=mill password='{secret}'"
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(where, autocommit=True) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)

    def list(self, reader: Sql) -> Any:
        (file,) = reader.list(self.location, self.access)
        return pickle.loads(pickle.dumps(file))


def _as_postgres(*command: str | Path) -> None:
    own = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    whole = [*own, *map(str, command)]
    subprocess.run(whole, check=True, capture_output=True, cwd="/", timeout=120)


def _started(control: Sequence[str | Path], log: Path, attempts: int = 5) -> int:
    """Start the server on a free port, which another process may take before it does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    try:
        _as_postgres(*control, "-o", options, "-l", log, "start")
    except subprocess.CalledProcessError:
        if attempts == 1:
            raise
        return _started(control, log, attempts - 1)
    return port


@contextmanager
def running() -> Iterator[Postgres]:
    """Start a server in a folder of its own, and stop it; it does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="millrace-pg-"))
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        for path in (folder, secret):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    initdb = (BINARIES / "initdb", "-D", data, "-U", "mill", "-E", "UTF8", "--no-locale")
    _as_postgres(*initdb, "--no-sync", "-A", "scram-sha-256", f"--pwfile={secret}")
    control = (BINARIES / "pg_ctl", "-D", data, "-w")
    port = _started(control, folder / "log")
    try:
        yield Postgres(port)
    finally:
        _as_postgres(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)
