"""A key is refused exactly when two good rows have it, whatever partitions they are in."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine import uniqueness
from engine.contract import Contract, Rule
from engine.data.dataset import Dataset
from engine.errors import ContractRefused, MillraceError
from engine.statistics.repeats import key_hashes
from engine.tasks.execute import Done
from engine.uniqueness import _Keys, _Seen, assert_unique

ROWS = 6_000


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Two worker processes."""
    with connect(LocalCluster(workers=2, memory="400 MiB")) as opened:
        yield opened


def _open(folder: Path, contract: Contract, where: str | None = None) -> Dataset:
    return Dataset.open(str(folder), contract=contract, where=where)


def _write(folder: Path, ids: list[int | None], **columns: object) -> Path:
    """Three files; row groups of 500 rows."""
    frame = pl.DataFrame({"id": ids, **columns}, schema_overrides={"id": pl.Int64})
    for part in range(3):
        low = part * len(ids) // 3
        frame[low : (part + 1) * len(ids) // 3].write_parquet(
            folder / f"{part}.parquet", row_group_size=500
        )
    return folder


def _shuffled(**changes: int | None) -> list[int | None]:
    ids: list[int | None] = np.random.default_rng(3).permutation(ROWS).tolist()
    for place, value in changes.items():
        ids[int(place[1:])] = value
    return ids


def test_a_unique_key_passes_and_nulls_are_not_compared(session: Session, tmp_path: Path) -> None:
    folder = _write(tmp_path, _shuffled(_3=None, _5000=None))
    data = _open(folder, Contract({"id": Rule(unique=True)}))
    (found,) = assert_unique(session.client, data, threads=2)
    assert (found.key, found.rows, found.exact) == (("id",), ROWS - 2, True)
    assert str(found) == f"key (id): no repeats in {ROWS - 2:,} rows"


def test_repeats_are_counted_and_placed(session: Session, tmp_path: Path) -> None:
    ids = _shuffled(_7=123_456, _5001=123_456, _5002=123_456, _9=-1, _10=-1)
    data = _open(_write(tmp_path, ids), Contract({"id": Rule(unique=True)}, name="orders"))
    with pytest.raises(ContractRefused) as caught:
        assert_unique(session.client, data, threads=2)
    error = caught.value
    assert error.exit_code == 3
    assert "2 keys occur more than once, 3 rows too many" in error.what
    zero, two = tmp_path / "0.parquet", tmp_path / "2.parquet"
    places = f"{zero}, row 7 and {two}, row 1001 and {two}, row 1002"
    assert f"id = 123456: 3 rows, {places}" in str(error.where)
    assert f"id = -1: 2 rows, {zero}, row 9 and {zero}, row 10" in str(error.where)


def test_rows_that_are_not_good_are_no_repeats(session: Session, tmp_path: Path) -> None:
    ids = _shuffled(_7=-1, _5001=-1, _8=-2, _5002=-2)
    bad = [900 if row == 5001 else 1 for row in range(ROWS)]
    gone = [row == 5002 for row in range(ROWS)]
    folder = _write(tmp_path, ids, x=bad, gone=gone)
    contract = Contract({"id": Rule(unique=True), "x": Rule(max=100)})
    (found,) = assert_unique(session.client, _open(folder, contract, "not gone"), threads=2)
    assert found.exact
    with pytest.raises(ContractRefused, match="1 key occurs"):
        assert_unique(session.client, _open(folder, contract), threads=2)


def test_keys_of_several_columns(session: Session, tmp_path: Path) -> None:
    ids: list[int | None] = [row // 2 for row in range(ROWS)]
    side = ["ab"[row % 2] for row in range(ROWS)]
    folder = _write(tmp_path, ids, side=side)
    pair = Contract(unique=(("id", "side"),))
    assert len(assert_unique(session.client, _open(folder, pair), threads=2)) == 1
    both = Contract(unique=(("id", "side"), ("side",)))
    with pytest.raises(ContractRefused, match=r"\(side\) is not unique: 2 keys .* 5,998 rows"):
        assert_unique(session.client, _open(folder, both), threads=2)


def test_over_the_budget_an_estimate_says_so(session: Session, tmp_path: Path) -> None:
    contract = Contract({"id": Rule(unique=True)})
    (tmp_path / "a").mkdir()
    data = _open(_write(tmp_path / "a", _shuffled(_7=5)), contract)
    (found,) = assert_unique(session.client, data, threads=2, budget=1_000)
    assert not found.exact
    assert abs(found.distinct / ROWS - 1) < 4 * found.error
    assert "an estimate with a standard error of 0.8%" in str(found)
    (tmp_path / "b").mkdir()
    half: list[int | None] = [row // 2 for row in range(ROWS)]
    data = _open(_write(tmp_path / "b", half), contract)
    with pytest.raises(ContractRefused, match="different keys in 6,000 rows"):
        assert_unique(session.client, data, threads=2, budget=1_000)


def test_equal_hashes_of_different_keys_are_no_repeats(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _open(_write(tmp_path, _shuffled()), Contract({"id": Rule(unique=True)}))
    every = key_hashes(pl.DataFrame({"id": range(ROWS)}), ["id"]).sort().to_numpy()
    monkeypatch.setattr(uniqueness, "repeated", lambda _: every)
    (found,) = assert_unique(session.client, data, threads=2)
    assert found.exact


def test_no_keys_no_pass(tmp_path: Path) -> None:
    data = _open(_write(tmp_path, _shuffled()), Contract())
    assert assert_unique(None, data, threads=1) == []  # type: ignore[arg-type]


def test_workers_that_hash_differently_are_told(tmp_path: Path) -> None:
    data = _open(_write(tmp_path, _shuffled()), Contract({"id": Rule(unique=True)}))
    (part, *_) = data.partitions(["id"])
    work = _Keys(data.source, (("id",),), ())
    seen = (_Seen(probe, (np.zeros(1, np.uint64),), ()) for probe in (1, 2))
    with pytest.raises(MillraceError, match="hash the same key differently"):
        uniqueness._gathered((Done(part, one, "w", 0) for one in seen), work, 10)
