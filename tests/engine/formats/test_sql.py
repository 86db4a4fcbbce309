"""SQL: every row of the table once, in a fixed order; none comes or goes unnoticed."""

import datetime as dt
import pickle
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from postgres_server import BINARIES, PASSWORD, Postgres, running

from engine.data.dataset import Dataset
from engine.errors import InputChanged, InputError, SpecError
from engine.formats.database import ranges as sql_ranges
from engine.formats.database.sql import Sql
from engine.plan import Slice
from engine.storage import Access

pytest.importorskip("adbc_driver_postgresql.dbapi", reason="needs millrace[sql]")


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    if not BINARIES.is_dir():
        pytest.skip(f"PostgreSQL 15 is not installed: no {BINARIES}")
    with running() as started:
        yield started


@pytest.fixture
def postgres(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    monkeypatch.setenv("MILLRACE_SECRET_PG", PASSWORD)
    server.run("drop schema public cascade", "create schema public")
    return server


def _slices(reader: Sql, file: Any) -> list[Slice]:
    slices: list[Slice] = []
    start = 0
    for chunk in reader.inspect(file).chunks:
        if chunk.rows:
            slices.append(Slice(0, start, chunk.rows, start, chunk.span))
        start += chunk.rows
    return slices


def _all(reader: Sql, file: Any, columns: list[str] | None = None) -> pl.DataFrame:
    schema = reader.inspect(file).schema
    frames = []
    for part in _slices(reader, file):
        frame = reader.read(file, part, columns or list(schema))
        assert frame.height == part.rows
        assert dict(frame.schema) == {name: schema[name] for name in frame.columns}
        frames.append(frame)
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def test_types_of_the_catalog(postgres: Postgres) -> None:
    postgres.run(
        "create type mood as enum ('sad', 'so so')",
        "create domain percent as int4 check (value < 101)",
        """create table t (id int8 primary key, small int2, n numeric(12, 3), big numeric,
        neg numeric(4, 0), at timestamptz, local timestamp, day date, clock time, u uuid, j json,
        jb jsonb, words text[], raw bytea, v varchar(5), c char(4), ok bool, f real, d float8,
        m mood, p percent, span interval, cash money, "Odd "" Näme" text)""",
        """insert into t values (1, -2, 1234567.125, 1, -7, '2024-03-31 03:00+02',
        '2024-03-31 02:30', '1969-12-31', '23:59:59.000001', '00112233-4455-6677-8899-aabbccddeeff',
        '{"a": 1}', '{"b":2}', '{x}', '\\x00ff', 'é', 'ab', true, 1.5, 0.1, 'so so', 99, '1 day', 1,
        'x')""",
        "insert into t (id) values (2)",
    )
    reader = Sql(table="t")
    file = postgres.list(reader)
    info = reader.inspect(file)
    assert info.unreadable == {
        "big": "numeric without precision and scale: cast it in a query",
        "words": "text[]",
        "span": "interval",
        "cash": "money",
    }
    found = _all(reader, file)
    assert found.row(0, named=True) == {
        "id": 1,
        "small": -2,
        "n": Decimal("1234567.125"),
        "neg": Decimal(-7),
        "at": dt.datetime(2024, 3, 31, 1, tzinfo=dt.UTC),
        "local": dt.datetime(2024, 3, 31, 2, 30),
        "day": dt.date(1969, 12, 31),
        "clock": dt.time(23, 59, 59, 1),
        "u": "00112233-4455-6677-8899-aabbccddeeff",
        "j": '{"a": 1}',
        "jb": '{"b": 2}',
        "raw": b"\x00\xff",
        "v": "é",
        "c": "ab",
        "ok": True,
        "f": 1.5,
        "d": 0.1,
        "m": "so so",
        "p": 99,
        'Odd " Näme': "x",
    }
    assert found.row(1) == (2, *[None] * 19)
    assert file.path == f"postgresql://127.0.0.1:{postgres.port}/postgres#public.t"


KEYS = {
    "int4": "(i % 97) * (i % 89) - 4000",
    "int8": "(i % 3) * 4611686018427387903 - 4611686018427387904",
    "date": "date '1969-01-01' + i % 800",
    "timestamp": "timestamp '1969-12-31' + (i % 7777) * interval '13 s'",
    "timestamptz": "timestamptz '2000-01-01+02' - i * interval '1 us'",
}


@pytest.mark.parametrize("kind", KEYS)
def test_every_row_once_in_ranges(
    postgres: Postgres, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_ranges, "TARGET_BYTES", 20_000)
    monkeypatch.setattr(sql_ranges, "_CELLS", 8)
    postgres.run(
        f"create table t as select i::int4 as i, case when i % 10 > 0 then {KEYS[kind]} end as k, "
        "repeat('x', i % 50) as s from generate_series(1, 5000) as i",
    )
    reader = Sql(table="public.t", partition="k")
    file = postgres.list(reader)
    slices = _slices(reader, file)
    found = _all(reader, file)
    assert sorted(found["i"]) == list(range(1, 5001))
    assert slices[0].rows == found["k"].null_count() == 500
    values = found["k"].drop_nulls()
    assert values.is_sorted()
    assert len(slices) > 3
    sizes = [sum(chunk.decoded.values()) for chunk in reader.inspect(file).chunks[1:]]
    assert max(sizes) <= 20_000 or kind == "int8"
    assert sum(chunk.decoded["s"] for chunk in reader.inspect(file).chunks) == (
        5000 * 16 + found["s"].str.len_bytes().sum()
    )
    edges = [reader.read(file, part, ["k"])["k"] for part in slices[1:]]
    for before, after in pairwise(edges):
        assert before.max() < after.min()  # type: ignore[operator]


def test_the_order_is_the_same_whatever_columns_are_read(postgres: Postgres) -> None:
    postgres.run(
        "create table t (g int4, a text, b int4, primary key (a, b))",
        "insert into t select i % 3, 'a' || i % 7, i from generate_series(1, 300) as i",
        "create view w as select g, a, b from t",
    )
    for reader in (
        Sql(table="t", partition="g"),
        Sql(table="t"),
        Sql(table="w", partition="g"),
        Sql(query="select * from t", partition="g"),
    ):
        file = postgres.list(reader)
        whole = _all(reader, file)
        for _ in range(2):
            assert _all(reader, file, ["b"]).equals(whole.select("b"))
        assert _all(reader, file, ["g", "b"]).equals(whole.select("g", "b"))


CHANGES = (
    "insert into t values (1000, 'new')",
    "insert into t values (-1000, 'new')",
    "insert into t values (null, 'new')",
    "delete from t where i = 7",
    "update t set s = 'other' where i = 7",
    "update t set i = 1000 where i = 7",
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("source", ["table", "view", "query"])
def test_a_changed_table_is_noticed(postgres: Postgres, change: str, source: str) -> None:
    postgres.run(
        "create table t (i int4, s text)",
        "insert into t select i, 'x' from generate_series(1, 50) as i",
        "create view w as select * from t",
    )
    kinds = {"table": Sql(table="t", partition="i"), "view": Sql(table="w", partition="i")}
    reader = kinds.get(source, Sql(query="select * from t", partition="i"))
    file = postgres.list(reader)
    digest = reader.inspect(file).digest
    assert reader.inspect(postgres.list(reader)).digest == digest
    postgres.run(change)
    with pytest.raises(InputChanged, match="changed during the run"):
        _all(reader, file)
    assert reader.inspect(postgres.list(reader)).digest != digest


def test_a_missing_value_that_comes_later_is_noticed_beside_others(postgres: Postgres) -> None:
    postgres.run("create table t (i int4)", "insert into t values (1), (null)")
    reader = Sql(table="t", partition="i")
    file = postgres.list(reader)
    assert [part.rows for part in _slices(reader, file)] == [1, 1]
    postgres.run("insert into t values (null)")
    with pytest.raises(InputChanged, match="1 were counted in this range, 2 are there"):
        _all(reader, file)


def test_one_key_column_is_the_partition_column(postgres: Postgres) -> None:
    postgres.run(
        "create table one (id int4 primary key)",
        "create table two (a int4, b int4, primary key (a, b))",
        "create table word (w text primary key)",
    )
    partitions = {name: postgres.list(Sql(table=name)).relation.partition for name in
                  ("one", "two", "word")}  # fmt: skip
    assert partitions["one"].name == "id"
    assert partitions["two"] is None and partitions["word"] is None


@pytest.mark.parametrize("rows", ["(null), (null)", ""])
def test_only_missing_values_or_no_rows(postgres: Postgres, rows: str) -> None:
    postgres.run("create table t (i int4)", *([f"insert into t values {rows}"] if rows else []))
    reader = Sql(table="t", partition="i")
    file = postgres.list(reader)
    assert _all(reader, file).height == (2 if rows else 0)
    postgres.run("insert into t values (3)")
    with pytest.raises(InputChanged):
        reader.read(file, Slice(0, 0, 2, 0, (0, 1)), ["i"])


def test_a_query_cannot_write_nor_run_two_statements(postgres: Postgres) -> None:
    postgres.run("create table t (i int4)", "insert into t values (1)")
    for query in (
        "select 1 as a; drop table t",
        "select 1 as a) as q; drop table t; --",
        "delete from t returning i",
        "with gone as (delete from t returning i) select * from gone",
        "select nextval('s') as a",
    ):
        with pytest.raises(InputError, match="refuses") as caught:
            postgres.list(Sql(query=query))
        assert "#query" in str(caught.value.where)
    assert _all(Sql(table="t"), postgres.list(Sql(table="t"))).height == 1


def test_names_are_quoted_and_values_bound(postgres: Postgres) -> None:
    postgres.run(
        'create schema "S.1"',
        'create table "S.1"."T""; drop" ("a; --" int4, "$1" text)',
        'insert into "S.1"."T""; drop" values (1, \'x\'), (2, \'y\')',
    )
    reader = Sql(table='"S.1"."T""; drop"', partition="a; --")
    found = _all(reader, postgres.list(reader))
    assert found.to_dict(as_series=False) == {"a; --": [1, 2], "$1": ["x", "y"]}


def test_a_query_that_gives_other_rows_each_time_is_refused(postgres: Postgres) -> None:
    reader = Sql(query="select random() as r, 1 as i")
    with pytest.raises(InputChanged, match="with other values"):
        _all(reader, postgres.list(reader))


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("timestamp", "infinity", "infinity"),
        ("timestamptz", "-infinity", "infinity"),
        ("date", "infinity", "infinity"),
        ("date", "-infinity", "infinity"),
        ("numeric(5, 2)", "NaN", "NaN"),
    ],
)
def test_values_without_a_place_in_the_type_are_told(
    postgres: Postgres, kind: str, value: str, words: str
) -> None:
    postgres.run(f"create table t (i int4, x {kind})", f"insert into t values (1, '{value}')")
    reader = Sql(table="t", partition="i")
    with pytest.raises(InputError, match=words) as caught:
        _all(reader, postgres.list(reader))
    assert "'x'" in caught.value.what and "public.t" in str(caught.value.where)
    if "numeric" not in kind:
        with pytest.raises(InputError, match="infinity"):
            postgres.list(Sql(table="t", partition="x"))


def test_the_ends_of_the_calendar_are_read(postgres: Postgres) -> None:
    first = "'4713-01-01 BC'"
    postgres.run(f"create table t as select timestamp {first} as a, date {first} as b")
    reader = Sql(table="t", partition="a")
    found = _all(reader, postgres.list(reader)).cast(pl.String)
    assert found.row(0) == ("-4712-01-01 00:00:00.000000", "-4712-01-01")


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (Sql(), "by a table or by a query"),
        (Sql(table="t", query="select 1"), "by a table or by a query"),
        (Sql(table="t", partition="j"), "no column 'j'"),
        (Sql(table="t", partition="s"), "partition column 's' is text"),
        (Sql(query="select 1 as a, 2 as a"), "the name 'a'"),
    ],
)
def test_what_cannot_be_is_told(postgres: Postgres, reader: Sql, words: str) -> None:
    postgres.run("create table t (i int4, s text)")
    with pytest.raises(SpecError, match=words):
        postgres.list(reader)


def test_an_absent_table_is_told(postgres: Postgres) -> None:
    with pytest.raises(InputError, match=r"no table nowhere.t") as caught:
        postgres.list(Sql(table="nowhere.t"))
    assert "canary" not in str(caught.value)


def test_no_secret_is_ever_shown(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    postgres.run("create table t (i int4)")
    reader = Sql(table="t")
    file = postgres.list(reader)
    assert b"canary" not in pickle.dumps(file) and "canary" not in repr(file)
    monkeypatch.setenv("MILLRACE_SECRET_PG", "canary-wrong")
    with pytest.raises(InputError, match="authentication failed") as caught:
        postgres.list(reader)
    told = str(caught.value) + repr(caught.value.__cause__) + caplog.text
    assert "canary" not in told
    for location in (
        "postgresql://mill:canary@127.0.0.1/postgres",
        "postgresql://127.0.0.1/postgres?password=canary",
    ):
        with pytest.raises(SpecError, match="do not belong") as refused:
            reader.list(location, postgres.access)
        assert "canary" not in str(refused.value)
        with pytest.raises(SpecError) as refused:
            Sql().list(location, postgres.access)
        assert "canary" not in str(refused.value)


def test_a_server_that_is_not_there_is_told(postgres: Postgres) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Sql(table="t").list("postgresql://127.0.0.1:1/postgres", postgres.access)
    with pytest.raises(SpecError, match="'passwd'"):
        Sql(table="t").list(postgres.location, Access((("passwd", "${secret:PG}"),)))


def test_without_the_driver_it_says_what_to_install(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    with pytest.raises(SpecError) as caught:
        postgres.list(Sql(table="t"))
    assert caught.value.hint == "pip install 'millrace[sql]'"


def test_a_data_set_of_a_table(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_ranges, "TARGET_BYTES", 10_000)
    postgres.run(
        "create table t (i int4 primary key, x float8, s text, l int4[])",
        "insert into t select i, i / 2.0, 's' || i from generate_series(1, 3000) as i",
    )
    opened = Dataset.open(postgres.location, format=Sql(table="t"), access=postgres.access)
    names = list(opened.schema)
    parts = opened.partitions(names, 20_000)
    found = pl.concat([opened.source.read(part, names).good for part in parts])
    assert opened.rows == found.height == 3000 and len(parts) > 2
    assert found["i"].to_list() == list(range(1, 3001))
    assert found["__row"].to_list() == list(range(3000))
    assert any("integer[]" in note or "int4[]" in note for note in opened.notes)
    postgres.run("delete from t where i = 9")
    again = Dataset.open(postgres.location, format=Sql(table="t"), access=postgres.access)
    assert again.fingerprint() != opened.fingerprint()
    with pytest.raises(InputChanged):
        opened.source.read(parts[0], names)
    postgres.run("drop table t")
    with pytest.raises(InputError, match="does not exist") as caught:
        opened.source.read(parts[0], names)
    assert "public.t" in str(caught.value.where)
