"""Rows get the same windows whatever partition they are in, to the bit, or the data are refused."""

import pickle
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine import history as history_module
from engine.contract import Contract, Rule
from engine.data.dataset import Dataset
from engine.data.source import Batch, Source
from engine.errors import ContractRefused, SpecError
from engine.features.combine.windows import Difference, Lag, Rolling
from engine.features.step import Fitted
from engine.history import History
from engine.ledger import Ledger
from engine.plan import Partition, RowGroup, partitions
from engine.statistics.summary import Summary

CONTRACT = Contract({"x": Rule(max=100.0)})
WHERE = "kept or kept is null"
DERIVE = {"double": "x * 2", "k": "upper(k)"}


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Read backwards in blocks of a few rows, so that small data need several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_module, "FIRST_ROWS", 2)
        yield


def fitted(*steps: Any) -> list[Fitted]:
    """Return fitted steps."""
    return [step.fit(Summary(), "test") for step in steps]


STEPS = fitted(
    Lag(("x", "double"), "t", ("k", "n"), (1, 3)),
    Difference(("double",), "t", ("k", "n"), 2),
    Rolling(("x",), "t", ("k", "n"), 5, "mean"),
    Rolling(("x",), "t", ("k", "n"), 3, "std", current=True),
)
NAMES = [name for step in STEPS for name in step.sources()]


def rows(seed: int, count: int = 120) -> pl.DataFrame:
    """Return sorted rows: keys of very different lengths, ties, bad and filtered rows in runs."""
    draw = random.Random(seed)
    made: list[dict[str, Any]] = []
    bad = left = False
    for _ in range(count):
        bad, left = (draw.random() < (0.8 if one else 0.1) for one in (bad, left))
        made.append(
            {
                "k": draw.choice([None, "a", "b", "b", "b", "b", "b", "c"]),
                "n": draw.choice([None, 1, 1, 1, 2]),
                "t": draw.choice([None, *range(30)]),
                "x": 500.0 if bad else draw.choice([None, draw.gauss(0, 1), draw.gauss(0, 1e9)]),
                "kept": not left,
            }
        )
    schema = {"k": pl.String, "n": pl.Int32, "t": pl.Int64, "x": pl.Float64, "kept": pl.Boolean}
    return pl.DataFrame(made, schema=schema).sort("k", "n", "t", maintain_order=True)


def opened(folder: Path, frame: pl.DataFrame, cuts: list[int], **options: Any) -> Dataset:
    """Write rows as several Parquet files, cut at these rows, and open them."""
    edges = [0, *sorted(cuts), frame.height]
    for i, (low, high) in enumerate(pairwise(edges)):
        frame[low:high].write_parquet(folder / f"{i:03d}.parquet", row_group_size=30)
    return Dataset.open(str(folder), **options)


def cut(dataset: Dataset, size: int) -> list[Partition]:
    """Return partitions of about so many rows."""
    groups = [replace(g, decoded=g.rows, stored=g.rows) for g in dataset.row_groups(["x"])]
    return partitions(groups, size) or dataset.partitions([])


def windowed(
    dataset: Dataset, size: int, columns: tuple[str, ...] = ("x", "k", "n", "t")
) -> pl.DataFrame:
    """Read all partitions with their windows; make sure that no row is lost or counted twice."""
    parts = cut(dataset, size)
    history = History.of(STEPS, DERIVE, parts)
    assert history is not None
    ledger, good = Ledger(), []
    for part in parts:
        batch = history.read(dataset.source, part, columns)
        assert batch.rows == part.rows
        ledger = ledger.merge(Ledger.of(dataset.source.paths, part, batch))
        good.append(batch.good)
    ledger.check(dataset.rows_by_file())
    return pl.concat(good)


def reference(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the windows of good rows in the plainest way: a Python loop."""
    good = frame.filter((pl.col("x") <= 100).fill_null(True) & pl.col("kept"))
    past: dict[Any, list[float | None]] = {}
    lag1, lag3, mean5 = [], [], []
    for row in good.iter_rows(named=True):
        key = (row["k"] and row["k"].upper(), row["n"])
        before = past.setdefault(key, [])
        lag1.append(before[-1] if before else None)
        lag3.append(before[-3] if len(before) > 2 else None)
        known = [value for value in before[-5:] if value is not None]
        mean5.append(sum(known) / len(known) if len(before) > 4 and known else None)
        before.append(row["x"])
    made = {"x_lag1": lag1, "x_lag3": lag3, "x_mean5": mean5}
    return pl.DataFrame(made, schema=dict.fromkeys(made, pl.Float64)).cast(pl.Float32)


@given(st.integers(0, 10**6), st.lists(st.integers(0, 120), max_size=4), st.integers(3, 60))
@settings(max_examples=12, deadline=None)
def test_any_partitions_give_the_bits_of_one(seed: int, cuts: list[int], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        frame = rows(seed)
        data = opened(Path(folder), frame, cuts, contract=CONTRACT, where=WHERE)
        one, many = windowed(data, 10**9), windowed(data, size)
    assert_frame_equal(one, many, check_exact=True)
    bits = [pl.col(name).reinterpret(signed=False) for name in NAMES]
    assert one.select(bits).equals(many.select(bits))


@pytest.mark.parametrize("seed", range(3))
def test_windows_are_those_of_a_plain_loop_over_the_good_rows(tmp_path: Path, seed: int) -> None:
    frame = rows(seed)
    data = opened(tmp_path, frame, [30, 31, 100], contract=CONTRACT, where=WHERE)
    made, wanted = windowed(data, 7), reference(frame)
    assert_frame_equal(made.select(wanted.columns), wanted, rel_tol=1e-6, abs_tol=1e-6)


def test_byte_ranges_of_text_are_read_as_they_are(tmp_path: Path) -> None:
    frame = rows(5)
    (tmp_path / "csv").mkdir()
    for i, (low, high) in enumerate([(0, 50), (50, 51), (51, 120)]):
        frame[low:high].write_csv(tmp_path / "csv" / f"{i}.csv")
    types = {"k": "string", "n": "int32", "t": "int64", "kept": "bool"}
    rules = {"x": Rule(type="float64", max=100.0), **{n: Rule(type=t) for n, t in types.items()}}
    text = Dataset.open(str(tmp_path / "csv"), contract=Contract(rules), where=WHERE)
    wanted = reference(frame)
    made = windowed(text, 10).select(wanted.columns)
    assert_frame_equal(made, wanted, rel_tol=1e-6, abs_tol=1e-6)


def _tall(folder: Path, key: list[str], good: list[bool]) -> Dataset:
    """Return data of one file: time counts up, bad rows are over the limit."""
    columns = {"k": key, "n": [1] * len(key), "t": list(range(len(key)))}
    values = [float(i % 10) if one else 999.0 for i, one in enumerate(good)]
    frame = pl.DataFrame({**columns, "x": values}, schema_overrides={"n": pl.Int32})
    return opened(folder, frame, [], contract=CONTRACT)


def _rows_read(dataset: Dataset, size: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the rows of each read that the windows of the last partition take."""
    seen: list[int] = []
    read = Source.read

    def watched(self: Source, partition: Partition, columns: list[str]) -> Batch:
        seen.append(partition.rows)
        return read(self, partition, columns)

    monkeypatch.setattr(Source, "read", watched)
    parts = cut(dataset, size)
    history = History.of(STEPS, DERIVE, parts)
    assert history is not None
    history.read(dataset.source, parts[-1], ["x"])
    return seen


def test_it_reads_no_further_than_enough_good_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _tall(tmp_path, ["a"] * 1000, [True] * 1000)
    assert _rows_read(data, 10, monkeypatch) == [10, 5]


def test_it_reads_no_further_than_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _tall(tmp_path, ["a"] * 989 + ["b"] * 11, [True] * 1000)
    assert _rows_read(data, 10, monkeypatch) == [10, 5]
    _, rows_before = _rows_read(
        _tall(tmp_path, ["a"] * 990 + ["b"] * 10, [True] * 1000), 10, monkeypatch
    )
    assert rows_before == 5


def test_bad_rows_are_passed_in_blocks_no_larger_than_the_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _tall(tmp_path, ["a"] * 200, [*[True] * 20, *[False] * 170, *[True] * 10])
    read = _rows_read(data, 10, monkeypatch)
    assert read == [10, 5, *[10] * 17]


@pytest.mark.parametrize(
    "change, row",
    [
        (lambda f: pl.concat([f[:70], f[71:90], f[70:71], f[90:]]), 89),
        (lambda f: pl.concat([f[60:], f[:60]]), 60),
        (lambda f: f.with_columns(t=-pl.col("t")), 1),
    ],
    ids=["one row", "two halves", "backwards"],
)
@pytest.mark.parametrize("size", [1, 10, 1000])
def test_data_out_of_order_are_refused_with_the_place(
    tmp_path: Path, change: Any, row: int, size: int
) -> None:
    frame = pl.DataFrame({"k": ["a"] * 40 + ["b"] * 80, "n": [1] * 120, "t": list(range(120))})
    frame = change(frame.with_columns(x=pl.lit(1.0)))
    data = opened(tmp_path, frame, [40])
    where = f"{row // 40 > 0:03d}.parquet, row {row - 40 * (row >= 40)}"
    with pytest.raises(ContractRefused, match="sorted by k, n, t") as refused:
        windowed(data, size)
    assert refused.value.where is not None and refused.value.where.endswith(where)
    assert 'with a section [sort]: by = ["k", "n", "t"]' in str(refused.value.hint)


def test_bad_rows_may_be_out_of_order(tmp_path: Path) -> None:
    frame = rows(1)
    odd = pl.DataFrame({"k": ["zz"], "n": [1], "t": [0], "x": [999.0], "kept": [True]})
    mixed = pl.concat([frame[:50], odd.cast(dict(frame.schema)), frame[50:]])  # type: ignore[arg-type]
    data = opened(tmp_path, mixed, [51], contract=CONTRACT, where=WHERE)
    wanted = reference(frame)
    assert_frame_equal(windowed(data, 7).select(wanted.columns), wanted, rel_tol=1e-6, abs_tol=1e-6)


def test_without_keys_all_rows_are_one_series(tmp_path: Path) -> None:
    data = opened(tmp_path, pl.DataFrame({"t": range(50), "x": range(50)}), [13])
    parts = cut(data, 4)
    history = History.of(fitted(Lag(("x",), "t")), {}, parts)
    assert history is not None
    made = pl.concat(history.read(data.source, part, []).good for part in parts)
    assert made["x_lag1"].to_list() == [None, *range(49)]


def test_data_without_rows_have_the_columns(tmp_path: Path) -> None:
    data = opened(tmp_path, rows(0)[:0], [])
    assert windowed(data, 10).select(NAMES).schema == dict.fromkeys(NAMES, pl.Float32)
    assert windowed(data, 10).height == 0


def test_a_history_is_small_however_many_partitions_there_are(tmp_path: Path) -> None:
    parts = partitions([RowGroup(0, i * 10, 10, i * 10, 10, 10) for i in range(10_000)], 10)
    assert len(parts) == 10_000
    history = History.of(STEPS, DERIVE, parts)
    assert history is not None and len(history.slices) == 1
    assert len(pickle.dumps(history)) < 3_000


def test_steps_that_look_at_no_other_row_need_no_history() -> None:
    assert History.of([], {}, []) is None


def test_two_orders_are_refused() -> None:
    steps = fitted(Lag(("x",), "t", ("k",)), Lag(("x",), "t", ("n",)))
    with pytest.raises(SpecError, match=r"\(k, t\) and \(n, t\)"):
        History.of(steps, {}, [])


MORE = fitted(
    Lag(("x", "other"), "t", ("k", "n"), (1, 7)),
    Rolling(("other",), "t", ("k", "n"), 4, "max"),
)
OTHER = {"k": "upper(k)", "double": "x + 1", "other": "double * 3"}


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32), st.sets(st.integers(0, 120), max_size=3), st.integers(20, 90))
def test_several_pipelines_look_as_each_does_alone(seed: int, cuts: set[int], size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = opened(Path(folder), rows(seed), list(cuts), contract=CONTRACT, where=WHERE)
        parts = cut(data, size)
        apart = {"a": History.of(STEPS, DERIVE, parts), "b": History.of(MORE, OTHER, parts)}
        both = History.together({**apart, "c": None})
        assert both is not None and both.made == [*NAMES, "x_lag7", "other_lag1", *both.made[-2:]]
        assert set(both.reads) == {"x", "k", "n", "t"} and both.lookback == 7
        for part in parts:
            found = both.read(data.source, part, ["x"]).good
            for one in apart.values():
                assert one is not None
                alone = one.read(data.source, part, ["x"]).good.select(one.made)
                assert_frame_equal(found.select(one.made), alone, check_exact=True)


def test_pipelines_that_contradict_each_other() -> None:
    def of(derive: dict[str, str], *steps: Any) -> History | None:
        return History.of(fitted(*steps), derive, [])

    one = of(DERIVE, Lag(("double",), "t", ("k",)))
    assert History.together({"a": None}) is None
    for other, what in (
        (of(DERIVE, Lag(("x",), "t")), "different keys or times"),
        (of({}, Lag(("x",), "t", ("k",))), "different keys or times"),  # another k
        (of({**DERIVE, "double": "x * 3"}, Lag(("double",), "t", ("k",))), "'double_lag1'"),
    ):
        with pytest.raises(SpecError, match=what) as caught:
            History.together({"a": one, "b": other})
        assert caught.value.where == "a and b"
    same = of({**DERIVE, "more": "x"}, Lag(("double",), "t", ("k",), (1, 2)))
    both = History.together({"a": one, "b": same})
    assert both is not None and both.made == ["double_lag1", "double_lag2"]
