"""The section [sort]: every row once or its reason, in one order, however the data are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.data.dataset import Dataset
from engine.errors import ContractRefused, MillraceError, OutputRefused, SpecError
from jobs.planning.plan import plan_job
from jobs.runs.result import Result
from jobs.show.text import plan_text
from jobs.spec.jobfile import JobFileError, load_job
from jobs.work.sorting import passes
from tests.jobs.input_jobs import files, ledger, one_cluster, run, set_aside, table

HEAD = """
name = "sorted"
[cluster]
workers = 1
memory = "1 GiB"
[data.table]
path = "data"
key = ["id"]
where = "n < 49"
contract.x = { max = 2 }
"""
SORT = """
[sort]
data = "table"
by = ["kind", "at"]
output = "out"
"""
BYTES = 30_000


@pytest.fixture(scope="module", autouse=True)
def cluster() -> object:
    with one_cluster():
        yield


def rows(count: int = 3_000) -> pl.DataFrame:
    """Return rows in no order: a few kinds, times that repeat and miss, values that are bad."""
    frame = table(count).with_columns(at=(pl.col("id") * 7_919) % (count // 3))
    missing = pl.when(pl.col("id") % 50 == 3).then(None).otherwise("at")
    return frame.with_columns(at=missing, text=pl.format("{}-{}", "kind", pl.col("id") * 31))


def job(folder: Path, *sections: str, head: str = HEAD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "job.toml"
    path.write_text(head + "".join(sections), encoding="utf-8")
    return path


def read(folder: Path, name: str = "out") -> pl.DataFrame:
    """Return all parts in the order of their names."""
    return pl.concat([pl.read_parquet(path) for path in sorted(folder.glob(f"{name}/*.parquet"))])


def wanted(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort by hand."""
    good = frame.filter((pl.col("x") <= 2) & (pl.col("n") < 49))
    return good.sort("kind", "at", maintain_order=True)


def cut(folder: Path, monkeypatch: pytest.MonkeyPatch, size: int = BYTES) -> Result:
    """Sort `rows`, in three files, with small partitions."""
    frame = rows()
    files(folder, frame[:700], frame[700:2_000], frame[2_000:])
    monkeypatch.setattr(Dataset, "target_bytes", lambda *_: size)
    return run(job(folder, SORT))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("sorted")
    with pytest.MonkeyPatch.context() as patch:
        return folder, cut(folder, patch)


def test_every_row_is_there_once_in_order_or_its_reason_is(done: tuple[Path, Result]) -> None:
    folder, result = done
    frame = rows()
    assert result.sorted == folder / "out"
    assert_frame_equal(read(folder), wanted(frame), check_exact=True)
    assert len(list(folder.glob("out/*.parquet"))) >= 5
    rejected = set_aside(folder / "job.toml")
    assert set(rejected["id"]) == set(frame.filter(pl.col("x") > 2)["id"]) != set()
    assert len(list(folder.glob("out.quarantine/*.parquet"))) < 4


def test_the_ledger_holds_for_every_file(done: tuple[Path, Result]) -> None:
    folder, result = done
    found = ledger(folder / "job.toml")
    assert {name: counts[0] for name, counts in found.items()} == {
        "0.parquet": 700,
        "1.parquet": 1_300,
        "2.parquet": 1_000,
    }
    told = result.sorted_rows
    assert told["rows_in"] == 3_000 == told["written"] + told["quarantined"] + told["filtered"]
    assert told["reasons"] == {"x: max 2": told["quarantined"]}
    assert min(told["written"], told["quarantined"], told["filtered"]) > 0


def test_measured_is_no_more_than_projected(done: tuple[Path, Result]) -> None:
    memory = done[1].memory["sort"]
    assert memory["measured"] is not None and memory["projected"] is not None
    assert 0 < memory["measured"] <= memory["projected"]
    assert Path(done[1].report).exists()


@pytest.mark.parametrize("size", [15_000, 10**9])
def test_the_same_rows_however_the_data_are_cut(
    done: tuple[Path, Result], tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(tmp_path, monkeypatch, size)
    assert_frame_equal(read(tmp_path), read(done[0]), check_exact=True)
    assert_frame_equal(
        set_aside(tmp_path / "job.toml").drop("file"),
        set_aside(done[0] / "job.toml").drop("file"),
    )


def test_the_same_data_cut_alike_give_the_same_bytes(
    done: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of parts carry the digest of their bytes."""
    cut(tmp_path, monkeypatch)
    one, two = (
        {path.name: path.stat().st_size for path in folder.glob("out/*.parquet")}
        for folder in (done[0], tmp_path)
    )
    assert one == two


def test_the_plan_tells_the_passes_and_why(done: tuple[Path, Result]) -> None:
    planned = plan_job(load_job(done[0] / "job.toml"))
    assert len(planned.sort_partitions) == 1 and passes(planned.sort_partitions) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dataset, "target_bytes", lambda *_: BYTES)
        planned = plan_job(load_job(done[0] / "job.toml"))
    (step,) = planned.plan.steps
    assert step.name == "sort" and step.partitions > 5
    assert step.peak == sum(term.bytes for term in step.terms) <= planned.plan.limit
    assert step.output_bytes > 0 and step.bytes_read > step.output_bytes
    text = plan_text(planned.to_dict())
    for told in ("1: kind, at alone", "2: each partition sorted and spilled", "3: each range"):
        assert f"pass {told}" in text


def test_what_is_sorted_is_not_sorted_again_nor_overwritten(tmp_path: Path) -> None:
    files(tmp_path, rows(300))
    assert run(job(tmp_path, SORT)).skipped == []
    before = read(tmp_path)
    again = run(job(tmp_path, SORT))
    assert again.skipped == ["sort"] and again.sorted_rows["written"] == before.height
    other = SORT.replace('"at"', '"n"')
    with pytest.raises(OutputRefused):
        run(job(tmp_path, other))
    assert_frame_equal(read(tmp_path), before)
    run(job(tmp_path, other, 'if_exists = "overwrite"\n'))
    assert_frame_equal(read(tmp_path), before.sort("kind", "n", "id"), check_exact=True)


LAG = """
[data.sorted]
path = "out"
key = ["id"]
[features]
columns = ["x"]
steps = [{ combine = ["x"], with = "lag", by = ["kind"], time = "at", rows = [1, 2] }]
[prepare]
data = "sorted"
output = "prepared"
"""


def test_data_for_a_lag_are_refused_then_sorted_then_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = rows(900).filter(pl.col("at").is_not_null())
    files(tmp_path, frame[:300], frame[300:])
    monkeypatch.setattr(Dataset, "target_bytes", lambda *_: 8_000)
    unsorted = LAG.replace('path = "out"', 'path = "data"')
    with pytest.raises(ContractRefused, match="sorted by kind, at") as refused:
        run(job(tmp_path, unsorted))
    assert 'section [sort]: by = ["kind", "at"]' in str(refused.value.hint)
    with pytest.raises(JobFileError, match="sort in a job of its own before"):
        load_job(job(tmp_path, SORT, LAG))
    run(job(tmp_path, SORT))
    path = job(tmp_path, LAG)
    assert len(plan_job(load_job(path)).prepare_partitions) > 3
    run(path)
    lagged = wanted(frame).select(
        "id",
        pl.col("x").cast(pl.Float32),
        *(pl.col("x").shift(n).over("kind").cast(pl.Float32).alias(f"x_lag{n}") for n in (1, 2)),
    )
    assert_frame_equal(read(tmp_path, "prepared"), lagged, check_exact=True)


@pytest.mark.parametrize(
    ("old", "new", "kind", "told"),
    [
        ('"at"]', '"att"]', SpecError, "did you mean 'at'"),
        ('["kind", "at"]', "[]", JobFileError, "sort.by"),
        ('["kind", "at"]', '["at", "at"]', JobFileError, "named twice: at"),
        ('output = "out"', 'output = "data/sorted"', JobFileError, "sort.output: lies in"),
        ('data = "table"', 'data = "tabel"', JobFileError, "did you mean 'table'"),
    ],
)
def test_what_cannot_be_sorted_is_told_before_anything_runs(
    tmp_path: Path, old: str, new: str, kind: type[MillraceError], told: str
) -> None:
    files(tmp_path, table(50).rename({"n": "at"}).with_columns(n=1))
    with pytest.raises(kind, match=told):
        run(job(tmp_path, SORT.replace(old, new)))
    assert not (tmp_path / "runs").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("head", "more", "told"),
    [
        (HEAD + "max_bad = 0.001\n", "", "break the contract, 0.10% are allowed"),
        (HEAD, 'on_bad_rows = "fail"\n', "rows of this partition break the contract"),
        (HEAD + 'contract.unique = [["kind"]]\n', "", "is not unique"),
    ],
)
def test_data_that_break_the_contract_are_not_published(
    tmp_path: Path, head: str, more: str, told: str
) -> None:
    files(tmp_path, rows(300))
    with pytest.raises(ContractRefused, match=told):
        run(job(tmp_path, SORT, more, head=head))
    assert not {"out", "out.quarantine"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("change", [lambda f: f[:0], lambda f: f.with_columns(n=50)])
def test_no_rows_are_sorted_into_a_part_with_the_columns(tmp_path: Path, change: Any) -> None:
    frame = change(rows(60))
    files(tmp_path, frame, frame)
    result = run(job(tmp_path, SORT))
    assert read(tmp_path).equals(frame[:0])
    told = result.sorted_rows
    assert told["written"] == 0 and told["filtered"] + told["quarantined"] == 2 * frame.height
