"""A data set is sorted on real worker processes: no row lost, changed or out of order."""

import random
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine.commit import Manifest, Output, run_key, verify
from engine.contract import Contract, Rule
from engine.data.dataset import Dataset
from engine.errors import ContractRefused, MillraceError, SpecError
from engine.history import History
from engine.plan import Partition, Slice
from engine.reserved import ROW
from engine.sorting import sort as sorting
from engine.sorting import spilling
from engine.sorting import tasks as sort_tasks
from engine.sorting.order import comparable, first_unsorted, sorted_cuts
from engine.sorting.sort import Sort, sort_dataset
from engine.sorting.tasks import Sampling, Spilled, Spilling, spill_file

ROWS = 3_000


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Two worker processes."""
    with connect(LocalCluster(workers=2, memory="500 MiB")) as opened:
        yield opened


@cache
def rows(seed: int = 1, count: int = ROWS) -> pl.DataFrame:
    """Return rows in any order: one key has half of them, some repeat, keys and times may miss."""
    draw = random.Random(seed)
    made = [
        {
            "k": draw.choice(["most", "most", "most", None, "é", "a", "B", f"{draw.random():.4f}"]),
            "n": draw.choice([None, -1, 0, 7, 2**40]),
            "t": draw.choice([None, *(datetime(2020, 1, 1 + i, i) for i in range(20))]),
            "x": draw.choice([None, 0.0, -0.0, 1e-300, draw.random()]),
            "day": date(2000 + draw.randrange(30), 1, 1),
            "money": Decimal(draw.randrange(10**6)) / 100,
            "ok": draw.choice([None, True, False]),
            "word": draw.choice(["", None, "x" * draw.randrange(40)]),
        }
        for _ in range(count)
    ]
    frame = pl.DataFrame(made, schema_overrides={"money": pl.Decimal(12, 2), "n": pl.Int64})
    kinds = [pl.col("k").alias("kind").cast(pl.Categorical)]
    return pl.concat([frame[: -count // 4], frame[: count // 4]]).with_columns(kinds)


def opened(folder: Path, frame: pl.DataFrame, **options: Any) -> Dataset:
    """Write rows as three files and open them."""
    folder.mkdir()
    for i in range(3):
        low, high = (frame.height * part // 3 for part in (i, i + 1))
        frame[low:high].write_parquet(folder / f"{i}.parquet", row_group_size=250)
    return Dataset.open(str(folder), **options)


def run(
    session: Session,
    data: Dataset,
    by: list[str],
    out: Path,
    target: int | None = None,
    **options: Any,
) -> Manifest:
    """Sort with partitions of some hundred rows, and commit."""
    parts = data.partitions(list(data.schema), target or max(1, data.rows * 100 // 12))
    sort = Sort(data, tuple(by), parts, **options)
    spec: dict[str, Any] = {"by": by}
    place = Output(out, run_key(spec, [part.rows for part in parts]))
    place.preflight()
    scratch = place.scratch(out)
    return place.commit(sort_dataset(session.client, sort, place, spec, scratch, threads=2))


def read(out: Path) -> pl.DataFrame:
    """Return all parts in order."""
    return pl.concat([pl.read_parquet(path) for path in sorted(out.glob("*.parquet"))])


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows as they are stored."""
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


@pytest.mark.parametrize(
    "by", [["k", "t"], ["n"], ["t", "x", "k"], ["kind", "money"], ["ok", "day"]]
)
def test_it_is_polars_stable_sort(session: Session, tmp_path: Path, by: list[str]) -> None:
    data = opened(tmp_path / "in", rows())
    manifest = run(session, data, by, tmp_path / "out")
    wanted = plain(rows()).sort(by, maintain_order=True)
    assert_frame_equal(read(tmp_path / "out"), wanted, check_exact=True)
    assert manifest.rows_in == manifest.scored == manifest.ledger.total.good == wanted.height
    assert not verify(tmp_path / "out").problems
    sizes = [part.scored for part in manifest.parts]
    assert len(sizes) >= 6 and max(sizes) < 2 * wanted.height / len(sizes)
    assert not list((tmp_path / "out.millrace" / "tmp").iterdir())


def test_bad_rows_are_kept_apart_and_filtered_rows_left_out(
    session: Session, tmp_path: Path
) -> None:
    contract = Contract({"x": Rule(max=0.5)})
    data = opened(tmp_path / "in", rows(), contract=contract, where="n = 7 or n is null")
    manifest = run(session, data, ["k", "t"], tmp_path / "out")
    good = plain(rows()).filter((pl.col("x") <= 0.5).fill_null(True))
    kept = good.filter((pl.col("n") == 7) | pl.col("n").is_null())
    wanted = kept.sort("k", "t", maintain_order=True)
    assert_frame_equal(read(tmp_path / "out"), wanted, check_exact=True)
    total = manifest.ledger.total
    assert (total.rows, total.good) == (data.rows, wanted.height)
    rejected = read(tmp_path / "out.quarantine")
    assert total.quarantined == data.rows - good.height == rejected.height
    assert total.filtered == good.height - kept.height
    assert (manifest.rows_in, manifest.scored) == (total.rows, total.good)
    assert (manifest.quarantined, manifest.filtered) == (total.quarantined, total.filtered)
    assert rejected.select(list(data.schema)).equals(plain(rows().filter(pl.col("x") > 0.5)))
    assert not verify(tmp_path / "out").problems
    assert manifest.ledger.reasons == {"x: max 0.5": total.quarantined}


def test_what_is_sorted_can_be_looked_back_on(session: Session, tmp_path: Path) -> None:
    """The order is the one that steps with windows ask for."""
    from engine.features.combine.windows import FittedLag

    run(session, opened(tmp_path / "in", rows()), ["k", "t"], tmp_path / "out")
    data = Dataset.open(str(tmp_path / "out"))
    parts = data.partitions(["x"], 1_000)
    history = History.of([FittedLag(["x"], "t", ["k"], [1])], {}, parts)
    assert history is not None and len(parts) > 3
    good = pl.concat(history.read(data.source, part, []).good for part in parts)
    assert good.height == data.rows


def test_parts_that_are_staged_are_kept(session: Session, tmp_path: Path) -> None:
    data = opened(tmp_path / "in", rows())
    parts = data.partitions(list(data.schema), data.rows * 10)
    place = Output(tmp_path / "out", run_key({}, []))
    place.preflight()

    def stage() -> dict[int, str]:
        sort = Sort(data, ("k",), parts)
        made = sort_dataset(session.client, sort, place, {}, tmp_path, threads=2)
        return {index: record.attempt for index, record in made.done().items()}

    first = stage()
    assert len(first) > 3
    assert stage() == first
    place.commit(place.begin({}, place._current().plan().planned))
    assert first_unsorted(read(tmp_path / "out"), ["k"]) is None


def test_other_partitions_give_the_same_rows(session: Session, tmp_path: Path) -> None:
    data = opened(tmp_path / "in", rows())
    for name, target in (("one", 10**9), ("many", data.rows * 5)):
        run(session, data, ["k", "n"], tmp_path / name, target=target)
    assert len(list((tmp_path / "one").glob("*.parquet"))) == 1
    assert_frame_equal(read(tmp_path / "one"), read(tmp_path / "many"), check_exact=True)


@pytest.mark.parametrize("count", [0, 1])
def test_no_row_and_one_row(session: Session, tmp_path: Path, count: int) -> None:
    data = opened(tmp_path / "in", rows()[:count])
    run(session, data, ["k"], tmp_path / "out")
    assert_frame_equal(read(tmp_path / "out"), plain(rows()[:count]))


def test_no_row_is_good(session: Session, tmp_path: Path) -> None:
    data = opened(tmp_path / "in", rows(), where="n = 12345")
    manifest = run(session, data, ["k"], tmp_path / "out")
    assert manifest.ledger.total.filtered == data.rows
    assert read(tmp_path / "out").height == 0
    assert len(manifest.parts) == 1


@pytest.mark.parametrize("most", [0.0, 0.98])
def test_bad_rows_are_as_many_files_as_they_need(
    session: Session, tmp_path: Path, most: float
) -> None:
    """All rows are bad, in as many files as there were partitions; or a few, in one."""
    where = pl.col("x") > most if most else pl.lit(True)
    frame = rows().filter(pl.col("x").is_not_null()).with_columns(bad=where)
    contract = Contract({}, checks=("not bad",))
    data = opened(tmp_path / "in", frame, contract=contract)
    manifest = run(session, data, ["k"], tmp_path / "out")
    assert manifest.quarantined == frame["bad"].sum() > 0
    assert read(tmp_path / "out.quarantine").height == manifest.quarantined
    assert read(tmp_path / "out").height == frame.height - manifest.quarantined
    assert len(manifest.files("rejected")) == (1 if most else len(manifest.parts))


def _changed(work: Spilling, partition: Partition) -> Spilled:
    """Spill, then change one value on the disk."""
    return _tampered(work, partition, lambda frame: frame.with_columns(x=pl.lit(0.25)))


def _lost(work: Spilling, partition: Partition) -> Spilled:
    """Spill, then lose rows on the disk."""
    return _tampered(work, partition, lambda frame: frame[1:])


def _tampered(work: Spilling, partition: Partition, change: Any) -> Spilled:
    told = sort_tasks.spill(work, partition)
    path = spill_file(work.folder, partition.index)
    count = len(told.ranges)
    batches = [spilling.read(path, i, count) for i in range(count)]
    frame = pl.concat([change(batches[0]), *batches[1:]])
    edges = [0, frame.height - sum(told.ranges[1:])]
    for size in told.ranges[1:]:
        edges.append(edges[-1] + size)
    spilling.write(path, frame, edges)
    return told


def _gone(work: Spilling, partition: Partition) -> Spilled:
    """Spill, then lose the file, as another driver of the same job would do at its end."""
    told = sort_tasks.spill(work, partition)
    spill_file(work.folder, partition.index).unlink()
    return told


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (_changed, "lost, doubled or changed"),
        (_lost, "lost, doubled or changed"),
        (_gone, "spilled rows are gone"),
    ],
)
def test_rows_that_change_on_the_way_end_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Any, told: str
) -> None:
    monkeypatch.setattr(sorting, "spill", task)
    data = opened(tmp_path / "in", rows())
    with pytest.raises(MillraceError, match=told):
        run(session, data, ["k"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    run(session, data, ["k"], tmp_path / "out")
    assert read(tmp_path / "out").height == data.rows


def test_data_that_may_not_be_bad_are_refused(session: Session, tmp_path: Path) -> None:
    data = opened(tmp_path / "in", rows(), contract=Contract({"x": Rule(max=0.5)}))
    for number, options in enumerate(({"fail": True}, {"max_bad": 0.01})):
        with pytest.raises(ContractRefused):
            run(session, data, ["k"], tmp_path / f"{number}", **options)
        assert not (tmp_path / f"{number}").exists()


def test_columns_that_cannot_be_sorted_by(session: Session, tmp_path: Path) -> None:
    data = opened(tmp_path / "in", rows())
    for by in ((), ("k", "k"), ("gone",)):
        with pytest.raises(SpecError):
            Sort(data, by, [])


def test_a_range_has_as_many_bytes_where_rows_are_wider(tmp_path: Path) -> None:
    """Sampled keys stand for bytes and not for rows."""
    data = opened(tmp_path / "in", rows())
    parts = [
        Partition(i, (Slice(0, 0, 10_000, 0),), 10_000, size, size, size)
        for i, size in enumerate((20_000, 920_000, 60_000))
    ]
    work = Sampling.of(data.source, ("k",), parts, 400)
    drawn = [work.share(part) * part.rows for part in parts]
    assert sum(drawn) == pytest.approx(400)
    assert drawn[1] / drawn[0] == pytest.approx((920_000 + 80_000) / (20_000 + 80_000))
    assert Sampling.of(data.source, ("k",), parts, 10**9).share(parts[0]) == 1


KEYS = st.lists(
    st.tuples(st.sampled_from([None, "a", "b", "é"]), st.sampled_from([None, 1.5, -0.0, 0.0, 9.0])),
    max_size=40,
)


@given(KEYS, st.lists(st.integers(0, 39), max_size=5))
@settings(max_examples=100, deadline=None)
def test_cuts_put_each_row_in_its_range(keys: list[tuple[Any, Any]], places: list[int]) -> None:
    frame = pl.DataFrame(keys, schema={"a": pl.String, "b": pl.Float64}, orient="row")
    frame = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
    by = ["a", "b", ROW]
    order = frame.sort(by)
    bounds = comparable(order, by)[sorted({p for p in places if p < order.height})]
    made, cuts = sorted_cuts(frame.sample(fraction=1, shuffle=True, seed=1), by, bounds)
    assert made.equals(order)
    assert comparable(order, by)[cuts].equals(bounds)
    assert first_unsorted(made, by) is None


@pytest.mark.parametrize(
    "change, place", [({"a": "0"}, 1), ({"a": None}, 1), ({"b": None}, 2), ({"b": 0}, None)]
)
def test_the_first_row_out_of_order_is_found(change: dict[str, Any], place: int | None) -> None:
    wanted = [("a", None), ("a", 0), ("a", 0), ("b", -5)]
    frame = pl.DataFrame(wanted, schema={"a": pl.String, "b": pl.Int64}, orient="row")
    assert first_unsorted(frame, ["a", "b"]) is None
    row = {**frame.row(2 if "b" in change else 1, named=True), **change}
    at = 2 if "b" in change else 1
    odd = pl.concat([frame[:at], pl.DataFrame([row], schema=frame.schema), frame[at + 1 :]])
    assert first_unsorted(odd, ["a", "b"]) == place
