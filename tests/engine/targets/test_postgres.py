"""PostgreSQL tables, on a real server: every run is in once, whatever dies or is run again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.commit import Output, run_key
from engine.encoding import Encoding
from engine.errors import CommitUnknown, InputError, MillraceError, OutputRefused
from engine.formats.database.postgres import Server
from engine.targets import PostgresTarget, Rows
from engine.targets import postgres as target_module
from engine.targets.target import IfExists
from tests.engine.formats import postgres_server
from tests.engine.formats.postgres_server import PASSWORD, Postgres
from tests.engine.storage.storage_servers import CANARY, Bucket
from tests.engine.targets.test_delta import committed, rows

pytestmark = pytest.mark.skipif(
    not postgres_server.BINARIES.is_dir(), reason="needs a PostgreSQL server"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    pytest.importorskip("adbc_driver_postgresql", reason="needs millrace[sql]")
    with postgres_server.running() as found:
        yield found


@pytest.fixture
def database(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    monkeypatch.setenv("MILLRACE_SECRET_PG", PASSWORD)
    server.run("drop schema if exists s cascade", "create schema s")
    return server


def target(
    database: Postgres, key: str, how: IfExists = "error", table: str = "scores"
) -> PostgresTarget:
    return PostgresTarget(Server.of(database.location, database.access), "s", table, key, how)


def asked(database: Postgres, query: str) -> list[tuple[Any, ...]]:
    reader = Server.of(database.location, database.access)
    with reader.transaction("a test") as transaction:
        return [tuple(row.values()) for row in transaction.rows(query)]


def ids(database: Postgres) -> list[int]:
    return [one for (one,) in asked(database, "select id from s.scores order by id")]


def test_a_run_makes_a_table_once(database: Postgres, tmp_path: Path) -> None:
    key, found = committed(tmp_path, rows(0, 3), rows(3, 0), rows(3, 2))
    one = target(database, key)
    one.admit()
    assert one.publish(found) and not one.publish(found)
    one.admit()
    expected = [(*row, key) for row in rows(0, 5).rows()]
    assert asked(database, "select * from s.scores order by id") == expected
    (commit,) = asked(database, "select target, run, rows from s.millrace_commits")
    assert commit == ("scores", key, 5)
    with pytest.raises(OutputRefused, match="The table is there already"):
        target(database, "f" * 64).admit()


def test_rows_come_from_a_store_too(
    database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto = pytest.importorskip("moto.server")
    monkeypatch.setenv("MILLRACE_SECRET_STORE_KEY", "somebody")
    monkeypatch.setenv("MILLRACE_SECRET_STORE_SECRET", CANARY)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        bucket = Bucket(f"http://{host}:{port}")
        spec, planned = {"a": "job"}, [3, 2]
        key = run_key(spec, planned)
        output = Output(f"{bucket.url}/out", key, "append", bucket.access)
        run = output.begin(spec, planned)
        for part, frame in enumerate((rows(0, 3), rows(3, 2))):
            run.stage(part, Encoding().files(frame), rows_in=frame.height)
        found = Rows.of(output, output.commit(run))
        assert target(database, key).publish(found) and not target(database, key).publish(found)
    finally:
        server.stop()
    expected = [(*row, key) for row in rows(0, 5).rows()]
    assert asked(database, "select * from s.scores order by id") == expected


def test_types_and_strange_names(database: Postgres, tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "u8": pl.Series([255, None], dtype=pl.UInt8),
            "u64": pl.Series([2**64 - 1, 0], dtype=pl.UInt64),
            'a"; drop': ["'; --", None],
            "d": [date(2024, 1, 31), None],
            "at": [datetime(2024, 1, 1, 1, 2, 3, 4), None],
            "f": pl.Series([0.1, float("nan")], dtype=pl.Float32),
            "b": [True, None],
            "l": [[1.5, 2.5], None],
        }
    )
    key, found = committed(tmp_path, table)
    one = target(database, key, table='t"x')
    one.publish(found)
    (row, missing) = asked(database, 'select *, u64::text as big from s."t""x" order by u8')
    assert (row[0], row[-1], row[2]) == (255, str(2**64 - 1), "'; --")
    assert (row[3], row[4]) == (date(2024, 1, 31), datetime(2024, 1, 1, 1, 2, 3, 4))
    assert (row[6], row[7]) == (True, [1.5, 2.5]) and abs(row[5] - 0.1) < 1e-8
    assert missing[:5] == (None, missing[1], None, None, None) and missing[6] is None


def test_appended_runs_are_in_once_each(database: Postgres, tmp_path: Path) -> None:
    database.run("create table s.scores (id integer, p double precision, k text, mine text)")
    database.run("insert into s.scores values (90, 0, 'x', 'y')")
    runs = [committed(tmp_path, rows(10 * i, 2)) for i in range(2)]
    for key, found in [*runs, *runs]:
        target(database, key, "append").publish(found)
    assert ids(database) == [0, 1, 10, 11, 90]
    key, found = committed(tmp_path, rows(20, 2).with_columns(new=1))
    with pytest.raises(OutputRefused, match="no column 'new'"):
        target(database, key, "append").publish(found)
    assert ids(database) == [0, 1, 10, 11, 90]


def test_overwriting_replaces_rows_of_millrace_alone(database: Postgres, tmp_path: Path) -> None:
    first, second = (committed(tmp_path, rows(10 * i, 2)) for i in range(2))
    target(database, first[0]).publish(first[1])
    database.run("insert into s.scores (id) values (90)")
    for (key, found), left in ((second, [10, 11, 90]), (first, [0, 1, 90]), (first, [0, 1, 90])):
        target(database, key, "overwrite").publish(found)
        assert ids(database) == left
    database.run("create table s.foreigns (id bigint)")
    with pytest.raises(OutputRefused, match="no column millrace_run"):
        target(database, first[0], "overwrite", "foreigns").admit()


def test_a_dropped_table_is_made_again(database: Postgres, tmp_path: Path) -> None:
    key, found = committed(tmp_path, rows(0, 2))
    assert target(database, key).publish(found)
    database.run("drop table s.scores")
    assert target(database, key).publish(found)
    assert ids(database) == [0, 1]


@pytest.mark.parametrize("place", ["stage", "enter", "move"])
def test_a_driver_that_dies_leaves_nothing(
    database: Postgres, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, found = committed(tmp_path, rows(0, 3))
    session = target_module._Session
    act = getattr(session, place)

    def killed(self: Any, *args: Any) -> None:
        act(self, *args)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(session, place, killed)
        with pytest.raises(SystemExit):
            target(database, key).publish(found)
    assert asked(database, "select 1 from s.millrace_commits") == []
    assert asked(database, "select to_regclass('s.scores')::text") == [(None,)]
    assert target(database, key).publish(found)
    assert ids(database) == [0, 1, 2]


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("answers", [True, False])
def test_a_commit_of_unknown_outcome_is_read_back(
    database: Postgres,
    tmp_path: Path,
    landed: bool,
    answers: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, found = committed(tmp_path, rows(0, 3))
    one, commit = target(database, key), PostgresTarget._commit

    class Broken:
        def __init__(self, connection: Any) -> None:
            self.connection = connection

        def commit(self) -> None:
            (self.connection.commit if landed else self.connection.rollback)()
            if not answers:
                monkeypatch.delenv("MILLRACE_SECRET_PG")
                monkeypatch.setenv("MILLRACE_SECRET_PG", "wrong")
            raise ConnectionError("server closed the connection")

    def broken(self: PostgresTarget, session: Any) -> None:
        commit(self, target_module._Session(self, Broken(session.connection)))

    with monkeypatch.context() as patch:
        patch.setattr(PostgresTarget, "_commit", broken)
        if landed and answers:
            assert one.publish(found)
        else:
            kind = MillraceError if answers else CommitUnknown
            with pytest.raises(kind, match="server closed"):
                one.publish(found)
    monkeypatch.setenv("MILLRACE_SECRET_PG", PASSWORD)
    assert one.publish(found) is not landed
    assert ids(database) == [0, 1, 2]


@pytest.mark.parametrize("how", ["error", "append", "overwrite"])
def test_drivers_of_one_run_at_the_same_moment_add_it_once(
    database: Postgres, tmp_path: Path, how: IfExists, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, found = committed(tmp_path, rows(0, 3))
    barrier, stage = threading.Barrier(3), target_module._Session.stage

    def wait(self: Any, files: Rows) -> None:
        stage(self, files)
        barrier.wait(30)

    monkeypatch.setattr(target_module._Session, "stage", wait)
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda: results.append(target(database, key, how).publish(found)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == [False, False, True]
    assert ids(database) == [0, 1, 2]


def test_what_the_database_refuses_is_said_without_secrets(
    database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, found = committed(tmp_path, rows(0, 2))
    database.run("create table s.scores (id bigint check (id > 5), p float8, k text)")
    with pytest.raises(MillraceError, match="violates check constraint") as refused:
        target(database, key, "append").publish(found)
    assert refused.value.where is not None and "table s.scores" in refused.value.where
    assert ids(database) == []
    monkeypatch.setenv("MILLRACE_SECRET_PG", "wrong")
    with pytest.raises(InputError, match="cannot be opened") as refused:
        target(database, key, "append").admit()
    assert "wrong" not in str(refused.value)
