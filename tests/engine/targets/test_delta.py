"""Delta tables: every run is there once, whatever dies, races or is run again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.commit import Output, run_key
from engine.encoding import Encoding
from engine.errors import CommitUnknown, MillraceError, OutputRefused
from engine.targets import DeltaTarget, Rows
from engine.targets import delta as target_module
from engine.targets.target import IfExists

deltalake = pytest.importorskip("deltalake", reason="needs millrace[delta]")


def committed(folder: Path, *tables: pl.DataFrame, by: tuple[str, ...] = ()) -> tuple[str, Rows]:
    """Commit tables as the parts of a run; return its key and files."""
    spec = {"hash": [str(table.hash_rows().sum()) for table in tables]}
    planned = [table.height for table in tables]
    key = run_key(spec, planned)
    output = Output(str(folder / "parts" / key[:8]), key)
    output.preflight()
    run = output.begin(spec, planned)
    for part, table in enumerate(tables):
        files = Encoding("delta", by, rows_per_file=2).files(table)
        run.stage(part, files, rows_in=table.height)
    return key, Rows.of(output, output.commit(run))


def rows(first: int, count: int) -> pl.DataFrame:
    ids = range(first, first + count)
    columns = {"id": ids, "p": [i / 8 for i in ids], "k": [f"k/{i % 2}" for i in ids]}
    return pl.DataFrame(columns, schema={"id": pl.Int64, "p": pl.Float64, "k": pl.String})


def read(folder: Path) -> list[int]:
    return sorted(pl.DataFrame(deltalake.DeltaTable(folder).to_pyarrow_table())["id"].to_list())


def target(folder: Path, key: str, how: IfExists = "error", **more: Any) -> DeltaTarget:
    return DeltaTarget(folder / "table", key, if_exists=how, **more)


def test_a_run_makes_a_table_once(tmp_path: Path) -> None:
    key, found = committed(tmp_path, rows(0, 3), rows(3, 1), rows(4, 0))
    one = target(tmp_path, key)
    one.admit()
    assert one.publish(found) and not one.publish(found)
    one.admit()
    table = deltalake.DeltaTable(tmp_path / "table")
    assert (read(tmp_path / "table"), table.version()) == ([0, 1, 2, 3], 0)
    assert_frame_equal(pl.read_delta(str(tmp_path / "table")).sort("id"), rows(0, 4))
    with pytest.raises(OutputRefused, match="other rows already"):
        target(tmp_path, "f" * 64).admit()


def test_types_that_delta_lacks_are_the_next_wider_ones(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "u8": pl.Series([255], dtype=pl.UInt8),
            "u64": pl.Series([2**64 - 1], dtype=pl.UInt64),
            "c": pl.Series(["a"], dtype=pl.Categorical),
            "at": [datetime(2024, 1, 1, 1, 2, 3, 4)],
            "z": pl.Series([datetime(2024, 1, 1, tzinfo=UTC)], dtype=pl.Datetime("ms", "UTC")),
            "l": pl.Series([[1]], dtype=pl.List(pl.UInt16)),
            "f": pl.Series([0.1], dtype=pl.Float32),
        }
    )
    key, found = committed(tmp_path, table)
    target(tmp_path, key).publish(found)
    (row,) = deltalake.DeltaTable(tmp_path / "table").to_pyarrow_table().to_pylist()
    assert (row["u8"], row["u64"], row["c"], row["l"]) == (255, Decimal(2**64 - 1), "a", [1])
    assert (row["at"], row["z"]) == (table["at"][0], datetime(2024, 1, 1, tzinfo=UTC))


def test_partition_columns_keep_types_and_strange_values(tmp_path: Path) -> None:
    ids = [1, 2, 3, 4]
    days = [date(2024, 1, 31), None, date(1969, 1, 1), date(2024, 1, 31)]
    table = pl.DataFrame(
        {"id": ids, "k": ["a/b %41", "é=", None, "x"], "d": days, "u": [7, 7, 7, None]},
        schema_overrides={"u": pl.UInt8},
    )
    by = ("k", "d", "u")
    key, found = committed(tmp_path, table, by=by)
    assert target(tmp_path, key, partition_by=by).publish(found)
    back = pl.DataFrame(deltalake.DeltaTable(tmp_path / "table").to_pyarrow_table()).sort("id")
    assert_frame_equal(back.select(table.columns), table.cast({"u": pl.Int16}))
    polars = pl.read_delta(str(tmp_path / "table")).sort("id")
    assert_frame_equal(polars.select(table.columns), table.cast({"u": pl.Int16}))
    other, more = committed(tmp_path, table.with_columns(pl.col("id") + 9), by=("k",))
    with pytest.raises(OutputRefused, match="is partitioned by"):
        target(tmp_path, other, "append", partition_by=("k",)).publish(more)


def test_appended_runs_are_there_once_each(tmp_path: Path) -> None:
    runs = [committed(tmp_path, rows(10 * i, 2)) for i in range(3)]
    for key, found in [*runs, runs[0], runs[2]]:
        target(tmp_path, key, "append").publish(found)
    assert read(tmp_path / "table") == [0, 1, 10, 11, 20, 21]
    deltalake.DeltaTable(tmp_path / "table").optimize.compact()
    assert not target(tmp_path, runs[1][0], "append").publish(runs[1][1])
    assert read(tmp_path / "table") == [0, 1, 10, 11, 20, 21]


def test_the_last_of_overwriting_runs_counts(tmp_path: Path) -> None:
    first, second = (committed(tmp_path, rows(10 * i, 2)) for i in range(2))
    written = [
        target(tmp_path, key, "overwrite").publish(found)
        for key, found in (first, second, second, first, first)
    ]
    assert written == [True, True, False, True, False]
    assert read(tmp_path / "table") == [0, 1]
    old = deltalake.DeltaTable(tmp_path / "table", version=1)
    assert sorted(old.to_pyarrow_table()["id"].to_pylist()) == [10, 11]


def test_rows_of_no_run_are_added_beside_those_of_others(tmp_path: Path) -> None:
    deltalake.write_deltalake(tmp_path / "table", rows(90, 1).with_columns(extra=1))
    key, found = committed(tmp_path, rows(0, 2))
    target(tmp_path, key, "append").publish(found)
    assert read(tmp_path / "table") == [0, 1, 90]
    for change in (pl.col("p").cast(pl.Float32), pl.lit(1).alias("new")):
        key, found = committed(tmp_path, rows(5, 2).with_columns(change))
        with pytest.raises(OutputRefused, match="The rows have a column"):
            target(tmp_path, key, "append").publish(found)
    assert read(tmp_path / "table") == [0, 1, 90]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda t: t.alter.add_constraint({"c": "id > 5"}), "onstraints"),
        (lambda t: t.alter.set_table_properties({"delta.enableChangeDataFeed": "true"}), None),
    ],
)
def test_a_table_with_rules_for_writers_is_refused(
    tmp_path: Path, make: Callable[[Any], object], told: str | None
) -> None:
    deltalake.write_deltalake(tmp_path / "table", rows(90, 1))
    make(deltalake.DeltaTable(tmp_path / "table"))
    key, found = committed(tmp_path, rows(0, 2))
    one = target(tmp_path, key, "append")
    if told is None:
        assert one.publish(found)
        return
    with pytest.raises(OutputRefused, match=told):
        one.admit()


def test_a_required_column_is_refused(tmp_path: Path) -> None:
    schema = deltalake.Schema([deltalake.Field("id", "long", nullable=False)])
    deltalake.DeltaTable.create(tmp_path / "table", schema)
    with pytest.raises(OutputRefused, match="column id is required"):
        target(tmp_path, "a" * 64, "append").admit()


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "table/notes.txt").write_text("mine")
    with pytest.raises(OutputRefused, match=r"no Delta table: notes\.txt"):
        target(tmp_path, "a" * 64).admit()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputRefused, match="A file has the name"):
        DeltaTarget(tmp_path / "file", "a" * 64).admit()


@pytest.mark.parametrize("how", ["error", "append", "overwrite"])
def test_a_driver_that_dies_before_the_log_entry_leaves_nothing_to_see(
    tmp_path: Path, how: IfExists, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, found = committed(tmp_path, rows(0, 3), rows(3, 2))
    with monkeypatch.context() as patch:
        patch.setattr(DeltaTarget, "_landed", _killed)
        with pytest.raises(SystemExit):
            target(tmp_path, key, how).publish(found)
    assert len(list((tmp_path / "table").iterdir())) == 3
    target(tmp_path, key, how).admit()
    assert target(tmp_path, key, how).publish(found)
    assert read(tmp_path / "table") == [0, 1, 2, 3, 4]


def _killed(*_: object) -> bool:
    raise SystemExit


@pytest.mark.parametrize("how", ["error", "append", "overwrite"])
@pytest.mark.parametrize("readable", [True, False])
def test_a_lost_reply_is_read_back(
    tmp_path: Path, how: IfExists, readable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, found = committed(tmp_path, rows(0, 3))
    one, commit, opened = target(tmp_path, key, how), DeltaTarget._commit, DeltaTarget._opened

    def lost(self: DeltaTarget, *args: Any) -> None:
        commit(self, *args)
        if not readable:
            monkeypatch.setattr(DeltaTarget, "_opened", _unreadable)
        raise OSError("connection reset")

    monkeypatch.setattr(DeltaTarget, "_commit", lost)
    if readable:
        assert one.publish(found)
    else:
        with pytest.raises(CommitUnknown, match="connection reset"):
            one.publish(found)
        monkeypatch.setattr(DeltaTarget, "_opened", opened)
    assert not one.publish(found)
    assert read(tmp_path / "table") == [0, 1, 2]


def _unreadable(_: DeltaTarget) -> None:
    raise OSError("no route to host")


def test_a_commit_that_failed_is_said_and_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, found = committed(tmp_path, rows(0, 3))
    with monkeypatch.context() as patch:
        patch.setattr(DeltaTarget, "_commit", _unreadable_commit)
        with pytest.raises(MillraceError, match="disk on fire"):
            target(tmp_path, key).publish(found)
    assert target(tmp_path, key).publish(found)


def _unreadable_commit(*_: object) -> None:
    raise OSError("disk on fire")


@pytest.mark.parametrize("how", ["error", "append", "overwrite"])
def test_drivers_of_one_run_at_the_same_moment_add_it_once(
    tmp_path: Path, how: IfExists, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how != "error":
        deltalake.write_deltalake(tmp_path / "table", rows(90, 1))
    key, found = committed(tmp_path, rows(0, 3))
    results = _together(tmp_path, [(key, found)] * 3, how, monkeypatch)
    assert len(results) == 3 and any(results)
    assert deltalake.DeltaTable(tmp_path / "table").version() == (how != "error")
    assert read(tmp_path / "table") == [0, 1, 2, *([90] if how == "append" else [])]


@pytest.mark.parametrize(("how", "left"), [("append", 6), ("overwrite", 2)])
def test_drivers_of_different_runs_at_the_same_moment(
    tmp_path: Path, how: IfExists, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [committed(tmp_path, rows(10 * i, 2)) for i in range(3)]
    assert _together(tmp_path, runs, how, monkeypatch) == [True] * 3
    assert len(read(tmp_path / "table")) == left


def _together(
    folder: Path, runs: list[tuple[str, Rows]], how: IfExists, patch: pytest.MonkeyPatch
) -> list[bool]:
    """Publish at once: nobody writes the log before all have looked at it."""
    barrier, linked = threading.Barrier(len(runs)), DeltaTarget._linked
    waited = threading.local()

    def wait(self: DeltaTarget, files: Rows) -> Any:
        actions = linked(self, files)
        if not hasattr(waited, "once"):
            waited.once = True
            barrier.wait(30)
        return actions

    patch.setattr(DeltaTarget, "_linked", wait)
    results: list[bool] = []

    def work(key: str, files: Rows) -> None:
        results.append(target(folder, key, how).publish(files))

    threads = [threading.Thread(target=work, args=one) for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_files_are_copied_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, found = committed(tmp_path, rows(0, 3))
    with monkeypatch.context() as patch:
        patch.setattr(target_module.os, "link", _other_device)
        target(tmp_path, key).publish(found)
    assert read(tmp_path / "table") == [0, 1, 2]


def _other_device(*_: object) -> None:
    raise OSError(18, os.strerror(18))
