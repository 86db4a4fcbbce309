"""Quarantined rows say where they stand and what they broke; the ledger adds up."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import Contract, Rule
from engine.data.dataset import Dataset
from engine.data.source import Batch
from engine.errors import ContractRefused, MillraceError
from engine.ledger import Counts, Ledger
from engine.place.kept import Kept
from engine.plan import Slice
from engine.rejected.quarantine import HEAD, quarantined, write
from engine.storage import InputFile


class _Groups:
    """Places as a format gives them; it is asked for rows of the slice alone."""

    def place(self, file: InputFile, part: Slice, rows: Sequence[int]) -> list[str]:
        assert all(part.start <= row < part.start + part.rows for row in rows)
        return [f"row group {row // 4} of {Path(file.path).stem}" for row in rows]


@dataclass(frozen=True)
class _Read:
    dataset: Dataset
    batches: list[Batch]

    @property
    def tables(self) -> list[pl.DataFrame]:
        files = self.dataset.source.files
        parts = self.dataset.partitions(["x"], 60)
        return [
            quarantined(files, _Groups(), part, batch.rejected)
            for part, batch in zip(parts, self.batches, strict=True)
        ]

    @property
    def ledgers(self) -> list[Ledger]:
        paths = [file.path for file in self.dataset.source.files]
        parts = self.dataset.partitions(["x"], 60)
        return [Ledger.of(paths, part, b) for part, b in zip(parts, self.batches, strict=True)]


def _read(folder: Path, where: str | None = None, most: float = 25) -> _Read:
    for part in range(3):
        low = 10 * part
        frame = pl.DataFrame({"x": range(low, low + 10), "row": [f"r{i}" for i in range(10)]})
        frame.write_parquet(folder / f"p{part}.parquet", row_group_size=4)
    contract = Contract({"x": Rule(max=most), "row": Rule(pattern="r[0-8]")})
    data = Dataset.open(str(folder), contract=contract, where=where)
    parts = data.partitions(["x"], 60)
    assert len(parts) > 1
    return _Read(data, [data.source.read(part, ["x"]) for part in parts])


def test_a_quarantined_row_says_all(tmp_path: Path) -> None:
    table = pl.concat(_read(tmp_path).tables)
    assert table.columns == [*HEAD, "x", "data.row"]
    assert table["x"].to_list() == [9, 19, 26, 27, 28, 29]
    row = table.row(4, named=True)
    assert row == {
        "file": str(tmp_path / "p2.parquet"),
        "place": "row group 2 of p2",
        "row": 8,
        "column": "x",
        "rule": "max 25",
        "value": "28",
        "reason": "x = 28 is over max 25",
        "x": 28,
        "data.row": "r8",
    }
    assert table["reason"][5] == "x = 29 is over max 25; row = r9 is not of the pattern r[0-8]"


def test_no_bad_rows_make_an_empty_table_of_the_same_columns(tmp_path: Path) -> None:
    read = _read(tmp_path)
    empty = quarantined(
        read.dataset.source.files,
        _Groups(),
        read.dataset.partitions(["x"], 60)[0],
        read.batches[0].rejected.clear(),
    )
    assert empty.is_empty()
    assert empty.schema == read.tables[-1].schema


def test_the_same_rows_are_written_once_and_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    table = pl.concat(_read(tmp_path / "in").tables)
    out = tmp_path / "out" / "quarantine"
    path = out / "part-0.parquet"
    write(table, Kept.of(path))
    before = path.read_bytes()
    write(table.rechunk(), Kept.of(path))
    assert path.read_bytes() == before
    assert pl.read_parquet(path).equals(table)
    with pytest.raises(MillraceError, match="Other quarantined rows"):
        write(table.head(1), Kept.of(path))
    assert [p.name for p in out.iterdir()] == ["part-0.parquet"]


def test_the_ledger_balances_file_by_file(tmp_path: Path) -> None:
    read = _read(tmp_path, where="x % 2 = 0")
    total = Ledger()
    for ledger in read.ledgers:
        total = total.merge(pickle.loads(pickle.dumps(ledger)))
    paths = [str(tmp_path / f"p{part}.parquet") for part in range(3)]
    assert total.files[paths[0]] == Counts(10, 5, 1, 4)
    assert total.files[paths[2]] == Counts(10, 3, 4, 3)
    assert total.reasons == {"x: max 25": 4, "row: pattern r[0-8]": 2}
    assert total.total == Counts(30, 13, 6, 11)
    total.check(dict.fromkeys(paths, 10))
    with pytest.raises(MillraceError, match="of this file's 11 rows"):
        total.check({**dict.fromkeys(paths, 10), paths[1]: 11})
    with pytest.raises(MillraceError, match="0 of this file's 10 rows"):
        total.check({**dict.fromkeys(paths, 10), "never read": 10})


def test_a_lost_or_doubled_row_is_noticed(tmp_path: Path) -> None:
    read = _read(tmp_path)
    part = read.dataset.partitions(["x"], 60)[0]
    paths = [file.path for file in read.dataset.source.files]
    batch = read.batches[0]
    for good in (batch.good[1:], pl.concat([batch.good, batch.good[:1]])):
        with pytest.raises(MillraceError, match="came out"):
            Ledger.of(paths, part, replace(batch, good=good))


def test_a_share_of_bad_rows_over_the_limit_is_refused(tmp_path: Path) -> None:
    total = Ledger()
    for ledger in _read(tmp_path).ledgers:
        total = total.merge(ledger)
    total.refuse_over(0.2, "data.x.max_bad")
    with pytest.raises(ContractRefused) as caught:
        total.refuse_over(0.19, "data.x.max_bad")
    assert caught.value.exit_code == 3
    assert caught.value.what == (
        "6 of 30 rows (20.00%) break the contract, 19.00% are allowed; "
        "most often: x: max 25 (4), row: pattern r[0-8] (2)"
    )
    Ledger().refuse_over(0.0, "x")


COUNTS = st.builds(
    Counts, st.integers(0, 99), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)
)
LEDGERS = st.builds(
    Ledger,
    st.dictionaries(st.sampled_from("abc"), COUNTS),
    st.dictionaries(st.sampled_from("xy"), st.integers(1, 9)),
)


@given(one=LEDGERS, two=LEDGERS, three=LEDGERS)
def test_merging_is_the_same_in_any_order(one: Ledger, two: Ledger, three: Ledger) -> None:
    assert one.merge(two).merge(three) == three.merge(one.merge(two))
    merged = one.merge(two)
    for a, b, c in zip(one.total, two.total, merged.total, strict=True):
        assert a + b == c
