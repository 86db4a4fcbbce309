"""Delta: every row of the version once, under the table's names and types."""

import datetime as dt
import json
import os
import pickle
import struct
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_server import SECRET, bucket

from engine.data.dataset import Dataset
from engine.errors import InputChanged, InputError, SpecError
from engine.formats.lake import deleted
from engine.formats.lake.delta import Delta
from engine.plan import Slice
from engine.storage import PLAIN, InputFile

deltalake = pytest.importorskip("deltalake", reason="needs millrace[delta]")

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def _all(reader: Delta, files: list[InputFile], columns: list[str] | None = None) -> pl.DataFrame:
    frames = []
    for number, file in enumerate(pickle.loads(pickle.dumps(files))):
        info = reader.inspect(file)
        start = 0
        for chunk in info.chunks:
            part = Slice(number, start, chunk.rows, start)
            frame = reader.read(file, part, columns or list(info.schema))
            assert frame.height == chunk.rows
            assert dict(frame.schema) == {name: info.schema[name] for name in frame.columns}
            frames.append(frame)
            start += chunk.rows
    return pl.concat(frames)


def _log(folder: Path, *actions: dict[str, Any]) -> None:
    (folder / "_delta_log").mkdir(exist_ok=True)
    path = folder / "_delta_log" / f"{0:020}.json"
    path.write_text("\n".join(json.dumps(action) for action in actions))


def _protocol(*features: str) -> dict[str, Any]:
    lists = {"readerFeatures": list(features), "writerFeatures": list(features)}
    return {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **lists}}


def _metadata(fields: list[dict[str, Any]], keys: list[str], **config: str) -> dict[str, Any]:
    schema = json.dumps({"type": "struct", "fields": fields})
    about = {"schemaString": schema, "partitionColumns": keys, "configuration": config}
    return {"metaData": {"id": "x", "format": {"provider": "parquet", "options": {}}, **about}}


def _add(path: Path, keys: Mapping[str, str | None], **more: object) -> dict[str, Any]:
    about = {"path": path.name, "partitionValues": keys, "size": path.stat().st_size}
    return {"add": {**about, "modificationTime": 1, "dataChange": True, **more}}


def _field(name: str, kind: str, number: int | None = None) -> dict[str, Any]:
    own = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"col-{number}"}
    return {"name": name, "type": kind, "nullable": True, "metadata": own if number else {}}


def _vector(gone: list[int]) -> dict[str, Any]:
    """Return an inline deletion vector (Delta protocol: portable 64-bit roaring bitmap, Z85)."""
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(gone) - 1, 16)
    bitmap += b"".join(struct.pack("<H", place) for place in gone)
    blob = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    text = ""
    for i in range(0, len(blob), 4):
        value = int.from_bytes(blob[i : i + 4].ljust(4, b"\0"), "big")
        text += "".join(Z85[value // 85**power % 85] for power in (4, 3, 2, 1, 0))
    size = {"sizeInBytes": len(blob), "cardinality": len(gone)}
    return {"storageType": "i", "pathOrInlineDv": text, **size}


def test_partition_values_nulls_and_new_columns(tmp_path: Path) -> None:
    first = pl.DataFrame({"a": [1, 2, 3], "p": ["x", None, "y/ z%"], "n": [1.5, None, 2.0]})
    later = pl.DataFrame({"e": ["new"], "a": [4], "p": ["x"], "n": [9.0]})
    deltalake.write_deltalake(tmp_path, first, partition_by=["p"])
    deltalake.write_deltalake(tmp_path, later, mode="append", schema_mode="merge")
    files = Delta().list(str(tmp_path), PLAIN)
    found = _all(Delta(), files)
    expected = pl.concat([first, later], how="diagonal")
    assert found.sort("a").select(expected.columns).equals(expected)
    assert _all(Delta(), files, ["p"])["p"].null_count() == 1
    assert [file.path for file in files] == sorted(file.path for file in files)
    assert Delta().key_types(files) == {}


def test_typed_partition_values_and_decimals(tmp_path: Path) -> None:
    when = dt.datetime(2024, 3, 31, 1, 2, 3, 456789, dt.UTC)
    frame = pl.DataFrame(
        {
            "v": [Decimal("1.25"), None],
            "day": [dt.date(2024, 2, 29), dt.date(1969, 1, 1)],
            "at": [when, None],
            "k": [True, False],
            "b": [b"\x00\xff", b""],
        },
        schema_overrides={"v": pl.Decimal(9, 2), "at": pl.Datetime("us", "UTC")},
    )
    deltalake.write_deltalake(tmp_path, frame, partition_by=["day", "at", "k"])
    found = _all(Delta(), Delta().list(str(tmp_path), PLAIN))
    assert found.sort("day", descending=True).select(frame.columns).equals(frame)


def test_a_version_is_frozen_when_listed(tmp_path: Path) -> None:
    one, two = pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})
    deltalake.write_deltalake(tmp_path, one)
    newest = Delta().list(str(tmp_path), PLAIN)
    before = dt.datetime.now(dt.UTC).isoformat()
    deltalake.write_deltalake(tmp_path, two, mode="overwrite")
    assert _all(Delta(), newest).equals(one)
    assert _all(Delta(version=0), Delta(version=0).list(str(tmp_path), PLAIN)).equals(one)
    assert _all(Delta(timestamp=before), Delta(timestamp=before).list(str(tmp_path), PLAIN)).equals(
        one
    )
    again = Delta().list(str(tmp_path), PLAIN)
    assert _all(Delta(), again).equals(two)


def test_the_digest_sees_the_version(tmp_path: Path) -> None:
    deltalake.write_deltalake(tmp_path, pl.DataFrame({"a": [1]}))
    table = deltalake.DeltaTable(tmp_path)
    old = Delta().list(str(tmp_path), PLAIN)
    table.alter.set_table_properties({"delta.appendOnly": "false"})
    new = Delta().list(str(tmp_path), PLAIN)
    assert [file.path for file in old] == [file.path for file in new]
    assert Delta().inspect(old[0]).digest != Delta().inspect(new[0]).digest
    fixed = Delta(version=0).list(str(tmp_path), PLAIN)
    assert Delta().inspect(old[0]).digest == Delta().inspect(fixed[0]).digest


@pytest.mark.parametrize("version", [99, -1])
def test_an_unknown_version_is_told(tmp_path: Path, version: int) -> None:
    deltalake.write_deltalake(tmp_path, pl.DataFrame({"a": [1]}))
    with pytest.raises((InputError, SpecError)) as caught:
        Delta(version=version).list(str(tmp_path), PLAIN)
    assert str(version) in str(caught.value)


def test_no_table_and_impossible_options_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Delta table"):
        Delta().list(str(tmp_path / "absent"), PLAIN)
    with pytest.raises(InputError, match="no Delta table"):
        Delta().list(str(tmp_path), PLAIN)
    with pytest.raises(SpecError, match="not both"):
        Delta(version=1, timestamp="2024-01-01")
    with pytest.raises(SpecError, match="not a time"):
        Delta(timestamp="yesterday")


def test_a_vacuumed_file_is_told_when_listing_and_when_reading(tmp_path: Path) -> None:
    deltalake.write_deltalake(tmp_path, pl.DataFrame({"a": [1]}))
    files = Delta().list(str(tmp_path), PLAIN)
    deltalake.write_deltalake(tmp_path, pl.DataFrame({"a": [2]}), mode="overwrite")
    table = deltalake.DeltaTable(tmp_path)
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(InputChanged):
        Delta().read(files[0], Slice(0, 0, 1, 0), ["a"])
    with pytest.raises(InputError, match="version 0") as caught:
        Delta(version=0).list(str(tmp_path), PLAIN)
    assert "vacuumed" in str(caught.value.hint)


def test_column_mapping_by_name(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    # The table swapped the names of the two columns since the file was written.
    pl.DataFrame({"col-1": [1, 2], "col-2": ["x", "y"]}).write_parquet(path)
    fields = [_field("col-2", "long", 1), _field("B", "string", 2), _field("P", "integer", 3)]
    config = {"delta.columnMapping.mode": "name"}
    keys = {"col-3": "7"}
    _log(tmp_path, _protocol("columnMapping"), _metadata(fields, ["P"], **config), _add(path, keys))
    found = _all(Delta(), Delta().list(str(tmp_path), PLAIN))
    assert found.to_dict(as_series=False) == {"col-2": [1, 2], "B": ["x", "y"], "P": [7, 7]}


def test_column_mapping_by_id(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "f.parquet"
    tags = [{b"PARQUET:field_id": b"2"}, {b"PARQUET:field_id": b"1"}]
    schema = pa.schema(
        [pa.field(n, pa.int64(), metadata=t) for n, t in zip("ab", tags, strict=True)]
    )
    pq.write_table(pa.table({"a": [1], "b": [2]}, schema), path)
    fields = [_field("a", "long", 1), _field("b", "long", 2), _field("c", "long", 3)]
    config = {"delta.columnMapping.mode": "id"}
    _log(tmp_path, _protocol("columnMapping"), _metadata(fields, [], **config), _add(path, {}))
    found = _all(Delta(), Delta().list(str(tmp_path), PLAIN))
    assert found.to_dict(as_series=False) == {"a": [2], "b": [1], "c": [None]}


def test_rows_of_a_deletion_vector_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    frame = pl.DataFrame({"a": range(100)}, schema={"a": pl.Int64})
    frame.write_parquet(path, row_group_size=10)
    gone = [0, 3, *range(20, 30), 99]
    fields = [_field("a", "long")]
    act = _add(path, {}, deletionVector=_vector(gone), stats=json.dumps({"numRecords": 100}))
    _log(tmp_path, _protocol("deletionVectors"), _metadata(fields, []), act)
    files = Delta().list(str(tmp_path), PLAIN)
    live = [row for row in range(100) if row not in gone]
    assert [chunk.rows for chunk in Delta().inspect(files[0]).chunks][:4] == [8, 10, 0, 10]
    for start, rows in ((0, 87), (5, 30), (17, 1), (86, 1)):
        found = Delta().read(files[0], Slice(0, start, rows, start), ["a"])
        assert found["a"].to_list() == live[start : start + rows]
    assert len(Delta().place(files[0], Slice(0, 0, 87, 0), [0, 20])) == 2


def test_stored_types_are_widened_and_others_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    frame = pl.DataFrame({"a": [1], "b": [1.5], "c": [3], "d": [dt.date(2024, 1, 2)]})
    frame.cast({"a": pl.Int16, "b": pl.Float32, "c": pl.Int32}).write_parquet(path)
    fields = [_field("a", "long"), _field("b", "double"), _field("c", "decimal(12,1)")]
    fields.append(_field("d", "timestamp_ntz"))
    protocol = _protocol("typeWidening", "timestampNtz")
    _log(tmp_path, protocol, _metadata(fields, []), _add(path, {}))
    found = _all(Delta(), Delta().list(str(tmp_path), PLAIN))
    assert found.row(0) == (1, 1.5, Decimal(3), dt.datetime(2024, 1, 2))
    _log(tmp_path, protocol, _metadata([_field("b", "long")], []), _add(path, {}))
    (file,) = Delta().list(str(tmp_path), PLAIN)
    with pytest.raises(InputError, match="float32 in this file and int64 in the table"):
        Delta().inspect(file)


def test_old_timestamps_without_a_zone_are_utc(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "f.parquet"
    when = dt.datetime(2024, 1, 2, 3, 4, 5, 6)
    table = pa.table({"t": pa.array([when, None], pa.timestamp("ns"))})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    _log(tmp_path, _protocol(), _metadata([_field("t", "timestamp")], []), _add(path, {}))
    found = _all(Delta(), Delta().list(str(tmp_path), PLAIN))
    assert found["t"].to_list() == [when.replace(tzinfo=dt.UTC), None]


def test_nested_columns_are_left_out_by_name(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1], "l": [[1, 2]], "s": [{"x": 1}]})
    deltalake.write_deltalake(tmp_path, frame)
    info = Delta().inspect(Delta().list(str(tmp_path), PLAIN)[0])
    assert list(info.schema) == ["a"]
    assert info.unreadable == {"l": "array", "s": "struct"}


def test_an_unknown_reader_feature_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    _log(tmp_path, _protocol("crystalBall"), _metadata([_field("a", "long")], []), _add(path, {}))
    with pytest.raises(InputError, match="crystalBall"):
        Delta().list(str(tmp_path), PLAIN)


def test_an_empty_table_is_told(tmp_path: Path) -> None:
    _log(tmp_path, _protocol(), _metadata([_field("a", "long")], []))
    with pytest.raises(InputError, match="no data files"):
        Delta().list(str(tmp_path), PLAIN)


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "deltalake.exceptions", None)
    with pytest.raises(SpecError) as caught:
        Delta().list(str(tmp_path), PLAIN)
    assert caught.value.hint == "pip install 'millrace[delta]'"


def test_a_table_on_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "p": ["x", None, "y"]})
    with bucket(monkeypatch) as access:
        where, options = "s3://lake/t", access.resolved()
        deltalake.write_deltalake(where, frame, partition_by=["p"], storage_options=options)
        files = Delta().list(where, access)
        assert all(file.path.startswith("s3://lake/t/") for file in files)
        assert _all(Delta(), files).sort("a").select("a", "p").equals(frame)
        assert SECRET.encode() not in pickle.dumps(files)
        with pytest.raises(InputError) as caught:
            Delta().list("s3://lake/absent", access)
        assert SECRET not in str(caught.value)


def test_a_data_set_of_a_table(tmp_path: Path) -> None:
    frame = pl.DataFrame({"p": ["x", None] * 50, "a": range(100)})
    deltalake.write_deltalake(tmp_path, frame, partition_by=["p"])
    deltalake.DeltaTable(tmp_path).delete("a < 10")
    opened = Dataset.open(str(tmp_path))
    parts = opened.partitions(["a", "p"], 300)
    found = pl.concat([opened.source.read(part, ["a", "p"]).good for part in parts])
    assert opened.rows == found.height == 90 and len(parts) > 2
    expected = frame.filter(pl.col("a") >= 10)
    assert found.sort("a").select("p", "a").equals(expected)
    only = pl.concat([opened.source.read(part, ["p"]).good for part in parts])
    assert only["p"].null_count() == 45


@given(
    keep=st.lists(st.booleans(), min_size=1, max_size=300),
    more=st.integers(0, 50),
    block=st.sampled_from([8, 16, 64]),
    data=st.data(),
)
def test_live_rows_are_found_in_order(
    keep: list[bool], more: int, block: int, data: st.DataObject
) -> None:
    import numpy as np

    live = [i for i, one in enumerate(keep + [True] * more) if one]
    bits = deleted.packed(np.array(keep))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deleted, "_BLOCK", block)
        assert deleted.count(bits, 0, len(keep) + more) == len(keep) + more - len(live)
        if live and bits:
            start = data.draw(st.integers(0, len(live) - 1))
            rows = data.draw(st.integers(1, len(live) - start))
            runs = list(deleted.runs(bits, start, rows))
            assert [int(i) for run in runs for i in run] == live[start : start + rows]
            assert all(run[-1] - run[0] < max(2 * rows, block) for run in runs)
            assert deleted.positions(bits, [start]) == [live[start]]


def test_a_relative_path_is_read(tmp_path: Path) -> None:
    deltalake.write_deltalake(tmp_path, pl.DataFrame({"a": [1]}))
    relative = os.path.relpath(tmp_path)
    assert _all(Delta(), Delta().list(relative, PLAIN)).height == 1
