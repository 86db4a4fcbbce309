"""Row ranges of a large row group: equal to the whole, from the pages that hold them alone."""

import datetime
import os
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from columnar import Far, near, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import InputChanged, InputError
from engine.formats.columnar import fetch, nearby, parquet, ranges
from engine.formats.columnar.chunks import ColumnChunk
from engine.formats.columnar.footer import footer
from engine.formats.columnar.forward import has_checksums
from engine.formats.columnar.pages import Pages, header
from engine.formats.columnar.parquet import Parquet, by_arrow, by_polars
from engine.formats.columnar.ranges import read_range
from engine.formats.columnar.thrift import Malformed, fields

PARQUET = Parquet()
ROWS = 300


def _table() -> pa.Table:
    """Return columns of many types; some are stored in a way that only Arrow's own schema tells."""
    numbers = range(ROWS)
    noon = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)
    return pa.table(
        {
            "nested": pa.array([[i] * (i % 3) for i in numbers]),
            "whole": pa.array([None if i % 3 == 0 else i for i in numbers], pa.int64()),
            "none": pa.array([None if 40 < i < 250 else 1.5 for i in numbers], pa.float32()),
            "real.part": pa.array([i / 7 for i in numbers]),
            "pair": pa.array([{"a": i, "b": str(i)} for i in numbers]),
            "word": pa.array([f"v{i % 20}" for i in numbers]).dictionary_encode(),
            "text": pa.array(
                [None if i % 11 == 0 else "long " * (i % 9) + str(i) for i in numbers]
            ),
            "flag": pa.array([i % 5 == 0 for i in numbers]),
            "tiny": pa.array([i % 100 for i in numbers], pa.uint8()),
            "money": pa.array([Decimal(i) / 100 for i in numbers], pa.decimal128(9, 2)),
            "when": pa.array(
                [noon + datetime.timedelta(hours=i) for i in numbers],
                pa.timestamp("ns", "Europe/Berlin"),
            ),
            "seconds": pa.array(numbers, pa.timestamp("s")),
            "long": pa.array(numbers, pa.duration("ms")),
            "code": pa.array([i.to_bytes(4, "big") for i in numbers], pa.binary(4)),
        },
        pa.schema(
            {
                "nested": pa.list_(pa.int64()),
                "whole": pa.int64(),
                "none": pa.float32(),
                "real.part": pa.float64(),
                "pair": pa.struct({"a": pa.int64(), "b": pa.string()}),
                "word": pa.dictionary(pa.int32(), pa.string()),
                "text": pa.string(),
                "flag": pa.bool_(),
                "tiny": pa.uint8(),
                "money": pa.decimal128(9, 2),
                "when": pa.timestamp("ns", "Europe/Berlin"),
                "seconds": pa.timestamp("s"),
                "long": pa.duration("ms"),
                "code": pa.binary(4),
            }
        ),
    )


TABLE = _table()
COLUMNS = [name for name in TABLE.column_names if name not in ("nested", "pair")]

written = st.fixed_dictionaries(
    {
        "row_group_size": st.sampled_from([ROWS, 170]),
        "data_page_size": st.sampled_from([1, 100, 1000, 10**6]),
        "write_batch_size": st.sampled_from([1, 7, 64, 1024]),
        "dictionary_pagesize_limit": st.sampled_from([50, 10**6]),
        "use_dictionary": st.booleans(),
        "compression": st.sampled_from(["none", "snappy", "zstd", "lz4", "gzip"]),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "write_page_index": st.booleans(),
        "write_page_checksum": st.booleans(),
        "write_statistics": st.booleans(),
        "store_schema": st.booleans(),
    }
)
cuts = st.lists(st.integers(1, ROWS - 1), max_size=8, unique=True)
chosen = st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True)


@pytest.fixture(autouse=True)
def _cold() -> Iterator[None]:
    """Every test begins as a new process does."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    ranges._known.cache_clear()
    fetch._last.clear()
    nearby._kept.put((near(Path(__file__)), 0), {})


def _pages(file: Far, group: int, low: int, high: int, columns: list[str]) -> pl.DataFrame:
    """Read rows of a group from their pages; a failure is not made good by other means."""
    foot = footer(file)
    simple = foot.polars and not has_checksums(file)
    decode = by_polars if simple else partial(by_arrow, foot, group)
    return read_range(file, group, low, high, columns, decode)


@pytest.mark.parametrize("place", [near, Far.of])
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(options=written, cut=cuts, columns=chosen, order=st.randoms(use_true_random=False))
def test_ranges_in_any_order_equal_the_whole(place, options, cut, columns, order, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x.parquet"
    nullable = [
        field.with_nullable(i % 2 == 0 or field.name in ("whole", "none", "text"))
        for i, field in enumerate(TABLE.schema)
    ]
    pq.write_table(TABLE.cast(pa.schema(nullable)), path, **options)
    file = place(path)
    foot = footer(file)
    kinds = {name: foot.schema[name] for name in columns}
    whole = pl.from_arrow(pq.read_table(path, columns=columns)).select(columns)
    assert isinstance(whole, pl.DataFrame)
    edges = sorted({0, ROWS, *cut, *foot.starts})
    parts = list(pairwise(edges))
    order.shuffle(parts)
    for start, stop in parts:
        group = foot.group_of(start)
        low = start - foot.starts[group]
        found = _pages(file, group, low, low + stop - start, columns).cast(kinds)
        assert found.equals(whole.slice(start, stop - start).cast(kinds))


@pytest.mark.parametrize("place", [near, Far.of])
@pytest.mark.parametrize("writer", ["polars", "arrow"])
def test_a_slice_over_row_groups_is_put_together(monkeypatch, place, writer, tmp_path) -> None:  # type: ignore[no-untyped-def]
    for figure in ("_LARGE", "_WORTH"):
        monkeypatch.setattr(parquet, figure, 0)
    monkeypatch.setattr(parquet, "_FEW", 1)
    frame = pl.DataFrame({"a": range(1000), "b": [f"t{i % 300}" for i in range(1000)]})
    path = tmp_path / "x.parquet"
    if writer == "polars":
        frame.write_parquet(path, row_group_size=120, data_page_size=200)
    else:
        pq.write_table(frame.to_arrow(), path, row_group_size=120, data_page_size=200)
    for start, rows in ((0, 1000), (7, 990), (119, 2), (120, 120), (130, 5), (110, 130), (999, 1)):
        assert read(PARQUET, place(path), start, rows, ["b", "a"]).equals(
            frame.slice(start, rows).select("b", "a")
        )


@pytest.fixture(scope="module", params=[True, False], ids=["index", "no index"])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One row group of 4 columns of 3 MB, in pages of 160 kB."""
    noise = np.random.default_rng(0).normal(size=(4, 400_000))
    path = tmp_path_factory.mktemp("large") / "x.parquet"
    table = pa.table({f"c{i}": noise[i] for i in range(4)})
    index = {"write_page_index": request.param, "use_dictionary": False}
    pq.write_table(table, path, row_group_size=400_000, max_rows_per_page=20_000, **index)
    return path


def _asked(file: Far) -> int:
    return sum(min(stop, file.size) - start for start, stop in file.asked)


RANGES = [(i * 400_000 // 9, (i + 1) * 400_000 // 9) for i in range(9)]


def _read(file: Far, parts: list[tuple[int, int]]) -> None:
    names = [f"c{i}" for i in range(4)]
    for start, stop in parts:
        assert read(PARQUET, file, start, stop - start, names).height == stop - start


def test_a_far_row_group_in_ranges_is_fetched_once(large: Path) -> None:
    file = Far.of(large)
    _read(file, RANGES)
    assert _asked(file) < 1.15 * file.size


def test_of_processes_that_share_the_ranges_none_fetches_what_only_others_need(large: Path) -> None:
    """Without a page index it takes a look at all pages before; not so when it has been taken."""
    indexed = pq.read_metadata(large).row_group(0).column(0).has_offset_index
    file, fetched = Far.of(large), []
    for turn in range(3):
        _forget()
        file.asked.clear()
        _read(file, RANGES[turn::3])
        fetched.append(_asked(file) / file.size)
    # A range is a little more than two pages, and lies on four at most.
    assert all(share < (0.6 if indexed else 1.1) for share in fetched), fetched


def test_far_ranges_in_reverse_do_not_start_over(large: Path) -> None:
    file = Far.of(large)
    _read(file, RANGES[::-1])
    assert _asked(file) < 2.5 * file.size


def test_of_a_local_row_group_only_pages_are_read(large: Path) -> None:
    file = near(large)
    _read(file, RANGES[:1])
    before = _read_so_far()
    _read(file, RANGES)
    assert _read_so_far() - before < 2 * file.size


def _read_so_far() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_what_is_kept_is_bounded(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "KEPT_BYTES", 400_000)
    file = Far.of(large)
    _read(file, RANGES[:3])
    assert 0 < sum(map(len, nearby._kept.of((file, 0)).values())) <= 400_000
    _read(file, RANGES[-1:])
    assert len(ranges._known(file, 0)) == 4


def test_a_wrong_page_index_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"a": np.arange(10_000, dtype=float)})
    options = {"write_page_index": True, "use_dictionary": False, "compression": "none"}
    pq.write_table(table, path, max_rows_per_page=1000, **options)
    whole = bytearray(path.read_bytes())
    tail = whole.index(b"PAR1", 4) - 8 - int.from_bytes(whole[-8:-4], "little")
    at = next(i for i in range(tail, 80_000, -1) if _is_index(bytes(whole), i))
    refused = 0
    for byte in range(at, tail, 3):
        damaged = bytearray(whole)
        damaged[byte] ^= 2
        path.write_bytes(damaged)
        os.utime(path, ns=(byte, byte))
        for start in (0, 3500, 9000):
            try:
                found = _pages(near(path), 0, start, start + 1000, ["a"])
            except Malformed:
                refused += 1
            else:
                assert found["a"].to_list() == list(range(start, start + 1000))
    assert refused


def _is_index(whole: bytes, at: int) -> bool:
    """Say whether an offset index of ten pages starts here."""
    try:
        found, _ = fields(whole, at)
    except Malformed:
        return False
    return 1 in found and whole[found[1].start] == 0xAC


def test_damaged_pages_are_told_by_name_or_not_read(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for figure in ("_LARGE", "_WORTH"):
        monkeypatch.setattr(parquet, figure, 0)
    monkeypatch.setattr(parquet, "_FEW", 1)
    path = tmp_path / "x.parquet"
    table = pa.table({"a": [f"text {i}" for i in range(2000)]})
    pq.write_table(table, path, data_page_size=500, write_batch_size=10, write_page_checksum=True)
    whole = path.read_bytes()
    refused = 0
    for number in range(40):
        damaged = bytearray(whole)
        damaged[4 + number * (len(whole) // 2) // 40] ^= 1 << number % 8
        path.write_bytes(damaged)
        os.utime(path, ns=(number, number))
        try:
            found = read(PARQUET, near(path), 300, 900, ["a"])
        except InputError as error:
            assert "x.parquet" in str(error.where)
            refused += 1
        else:
            assert found["a"].to_list() == table["a"].to_pylist()[300:1200]
    assert refused > 10


@pytest.mark.parametrize("cut", [b"", b"\x15", b"\x15\x00\x15\x00", b"\xff" * 40, b"\x1c" * 40])
def test_what_is_no_page_header_is_malformed(cut: bytes) -> None:
    with pytest.raises(Malformed):
        header(cut)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_header_or_malformed(data: bytes) -> None:
    with suppress(Malformed):
        assert header(data).size <= len(data)
    pages = Pages.from_index(ColumnChunk(4, 1000, 1000, True, False), 10, data)
    assert pages is None or pages.known == 10


def test_a_file_replaced_between_ranges_is_told(large: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(large.read_bytes())
    file = near(path)
    _read(file, RANGES[:2])
    whole = bytearray(large.read_bytes())
    path.write_bytes(whole)
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputChanged):
        _read(file, RANGES[2:3])
