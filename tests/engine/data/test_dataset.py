"""A data set is what its files' metadata say; every file counts once and damage is told early."""

import os
from pathlib import Path

import polars as pl
import pytest

from engine.contract import REASON, Contract, Rule
from engine.data.dataset import Dataset
from engine.errors import InputChanged, InputError, SpecError
from engine.formats import guess
from engine.rejected.quarantine import quarantined
from engine.reserved import ROW


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two months of two files each, 10 rows a file, in row groups of 4."""
    for month in (1, 2):
        for part in (0, 1):
            path = tmp_path / "data" / f"month={month}" / f"p{part}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            low = 20 * (month - 1) + 10 * part
            frame = pl.DataFrame({"id": range(low, low + 10), "x": [float(low)] * 10})
            frame.write_parquet(path, row_group_size=4)
    return tmp_path / "data"


def _ids(dataset: Dataset, target: int = 2**20) -> list[int]:
    parts = dataset.partitions(["id"], target)
    return [i for p in parts for i in dataset.source.read(p, ["id"]).good["id"].to_list()]


@pytest.mark.parametrize("target", [1, 50, 100, 10_000])
def test_rows_come_once_in_order_whatever_the_partition_size(folder: Path, target: int) -> None:
    dataset = Dataset.open(str(folder))
    assert dataset.rows == 40
    assert _ids(dataset, target) == list(range(40))


@pytest.mark.parametrize("location", ["{}", "{}/month=*/*.parquet", "{}/**/*.parquet", "file://{}"])
def test_directories_globs_and_urls_name_the_same_files(folder: Path, location: str) -> None:
    dataset = Dataset.open(location.format(folder))
    assert len(dataset.source.files) == 4
    assert dataset.schema["month"] == pl.Int64


def test_folder_keys_are_columns_also_when_the_path_ends_in_one(folder: Path) -> None:
    dataset = Dataset.open(str(folder / "month=2"))
    part = dataset.partitions(["month"])[0]
    assert dataset.source.read(part, ["month"]).good["month"].unique().to_list() == [2]


def test_row_numbers_are_those_of_the_data_set(folder: Path) -> None:
    dataset = Dataset.open(str(folder))
    parts = dataset.partitions(["id"], 60)
    frame = pl.concat([dataset.source.read(part, ["id"]).good for part in parts])
    assert frame[ROW].to_list() == frame["id"].to_list()


def test_links_loops_and_hidden_files_do_not_double_rows(folder: Path) -> None:
    os.symlink(folder, folder / "loop")
    os.symlink(folder / "month=1" / "p0.parquet", folder / "month=1" / "again.parquet")
    (folder / "month=1" / "_tmp.parquet").write_bytes(b"x")
    (folder / "month=1" / ".hidden.parquet").write_bytes(b"x")
    (folder / "_SUCCESS").write_bytes(b"")
    assert _ids(Dataset.open(str(folder))) == list(range(40))
    assert Dataset.open(f"{folder}/**/*.parquet").rows == 40


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.parquet"
    pl.DataFrame({"id": [1]}).write_parquet(outside)
    os.symlink(outside, folder / "month=1" / "link.parquet")
    with pytest.raises(InputError, match="leads out"):
        Dataset.open(str(folder))


def test_damaged_empty_and_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    bad = folder / "month=1" / "p0.parquet"
    whole = bad.read_bytes()
    for cut in range(0, len(whole), max(1, len(whole) // 20)):
        bad.write_bytes(whole[:cut])
        with pytest.raises(InputError) as caught:
            Dataset.open(str(folder))
        assert "p0.parquet" in str(caught.value.where)
    with pytest.raises(SpecError, match="does not exist"):
        Dataset.open(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no data files"):
        Dataset.open(str(tmp_path / "*.parquet"))


def test_a_file_that_changes_after_listing_is_told(folder: Path) -> None:
    dataset = Dataset.open(str(folder))
    part = dataset.partitions(["id"])[0]
    path = folder / "month=1" / "p0.parquet"
    pl.DataFrame({"id": [1], "x": [1.0]}).write_parquet(path)
    with pytest.raises(InputChanged, match="changed"):
        dataset.source.read(part, ["id"])
    path.unlink()
    with pytest.raises(InputChanged, match="vanished"):
        dataset.source.read(part, ["id"])


def test_types_widen_when_nothing_is_lost_and_are_refused_otherwise(tmp_path: Path) -> None:
    pl.DataFrame({"a": pl.Series([1], dtype=pl.Int32)}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"a": pl.Series([2], dtype=pl.Int64)}).write_parquet(tmp_path / "2.parquet")
    dataset = Dataset.open(str(tmp_path))
    assert dataset.schema["a"] == pl.Int64
    assert dataset.source.read(dataset.partitions(["a"])[0], ["a"]).good["a"].to_list() == [1, 2]
    pl.DataFrame({"a": ["x"]}).write_parquet(tmp_path / "3.parquet")
    with pytest.raises(InputError, match=r"string in 1 file\n.*3\.parquet"):
        Dataset.open(str(tmp_path))


def test_where_filters_and_the_three_places_add_up(folder: Path) -> None:
    dataset = Dataset.open(str(folder), where="id % 2 = 0", contract=Contract({"x": Rule(max=20)}))
    part = dataset.partitions(["id"])[0]
    batch = dataset.source.read(part, ["id"])
    assert (batch.good.height, batch.rejected.height, batch.filtered) == (15, 10, 15)
    assert batch.rows == part.rows == 40
    assert set(batch.good["id"] % 2) == {0}
    assert batch.rejected[REASON].unique().to_list() == ["x = 30.0 is over max 20"]


def test_rejected_rows_are_located_in_their_files(folder: Path) -> None:
    dataset = Dataset.open(str(folder), contract=Contract({"id": Rule(max=32)}))
    part = dataset.partitions(["id"])[0]
    source = dataset.source
    rejected = source.read(part, ["id"]).rejected
    found = quarantined(source.files, source.format, part, rejected)
    assert found["row"].to_list() == [3, 4, 5, 6, 7, 8, 9]
    assert set(found["file"]) == {str(folder / "month=2" / "p1.parquet")}


def test_the_fingerprint_tells_equal_from_changed(folder: Path) -> None:
    one = Dataset.open(str(folder)).fingerprint()
    assert one == Dataset.open(f"{folder}/month=*/*.parquet").fingerprint()
    assert one != Dataset.open(str(folder), where="id > 3").fingerprint()
    pl.DataFrame({"id": [1], "x": [1.0]}).write_parquet(folder / "month=1" / "p0.parquet")
    assert one != Dataset.open(str(folder)).fingerprint()


def test_to_dask_is_an_ordinary_dask_data_frame(folder: Path) -> None:
    pytest.importorskip("dask.dataframe")
    frame = Dataset.open(str(folder)).to_dask(["id", "x"])
    assert frame["id"].sum().compute(scheduler="synchronous") == sum(range(40))
    assert list(frame.columns) == ["id", "x"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PAR1....", "parquet"),
        (b"ARROW1..", "ipc"),
        (b'{"a": 1}\n', "ndjson"),
        (b"a,b\n1,2\n", "csv"),
        (b"\0\1\2", "parquet"),
    ],
)
def test_a_file_with_an_unknown_ending_is_known_by_its_first_bytes(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    (tmp_path / "x.data").write_bytes(content)
    assert guess(str(tmp_path / "x.data")) == kind


def test_columns_that_some_files_lack_are_left_out_with_a_note_that_names_the_files(
    tmp_path: Path,
) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n3,4\n")
    dataset = Dataset.open(str(tmp_path))
    assert list(dataset.schema) == ["a"]
    assert "'b' left out, missing in 1 of 2 files" in dataset.notes[0]
    with pytest.raises(InputError, match="'c' is missing in 1 of 2 files") as caught:
        dataset.require(["c"], "train.target")
    assert "1.csv" in str(caught.value.where)
    rules = {"b": Rule(required=False), "a": Rule(aliases=("A",))}
    (tmp_path / "3.csv").write_text("b,A\n6,5\n")
    dataset = Dataset.open(str(tmp_path), contract=Contract(rules))
    rows = dataset.source.read(dataset.partitions(["a", "b"])[0], ["a", "b"]).good
    assert rows.select("a", "b").rows() == [(1, 2), (3, None), (5, 6)]
