"""Parts that fail are tried alone, then set aside: on real workers, and row by row."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine.commit import Output, PartRecord, Run, Staged, run_key
from engine.data.dataset import Dataset
from engine.encoding import encoded
from engine.errors import (
    ContractRefused,
    InputChanged,
    InputError,
    MillraceError,
    ModelFailed,
    OutputRefused,
    TaskFailed,
)
from engine.plan import Partition, RowGroup, partitions
from engine.rejected.bad_parts import BadParts, SettingAside, is_its_own, set_aside

TABLE = pl.DataFrame({"id": range(400), "x": [i / 7 for i in range(400)]})
GROUP, PART = 20, 80


def write(path: Path, *damaged: int) -> Path:
    """Write `TABLE` in row groups of `GROUP`, a bit of ``x`` flipped in some of them."""
    pq.write_table(
        TABLE.to_arrow(),
        path,
        row_group_size=GROUP,
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )
    content, meta = bytearray(path.read_bytes()), pq.read_metadata(path)
    for group in damaged:
        chunk = meta.row_group(group).column(1)
        content[chunk.data_page_offset + chunk.total_compressed_size - 3] ^= 1
    path.write_bytes(content)
    return path


def parts_of(dataset: Dataset) -> list[Partition]:
    groups = [RowGroup(0, first, PART, first, 100, 100) for first in range(0, 400, PART)]
    assert dataset.rows == 400
    return partitions(groups, 100)


def begun(folder: Path) -> Run:
    planned = [PART] * 5
    return Output(folder / "out", run_key({}, planned)).begin({}, planned)


@given(st.sets(st.integers(0, 19)), st.sampled_from([None, "x < 40", "id % 3 = 0"]))
@settings(max_examples=12, deadline=None)
def test_every_row_of_a_bad_part_is_in_one_place(damaged: set[int], where: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name) / "0.parquet", *damaged)
        dataset = Dataset.open(str(path), where=where)
        errors: dict[int, MillraceError] = {i: TaskFailed("it broke\nhere") for i in range(5)}
        run = begun(Path(name))
        work = SettingAside(dataset.source, run, ("id", "x"), False, errors)
        for part in parts_of(dataset):
            record = set_aside(work, part).record
            assert record.bad is not None and record.bad.error == "it broke here"
            _assert_accounted(run, record, part, damaged, where)


def _assert_accounted(
    run: Run, record: PartRecord, part: Partition, damaged: set[int], where: str | None
) -> None:
    rows = set(range(part.slices[0].first, part.slices[0].first + part.rows))
    lost = {row for row in rows if row // GROUP in damaged}
    assert record.bad is not None
    unread = [row for one in record.bad.unread for row in range(one.first, one.first + one.rows)]
    assert sorted(unread) == sorted(lost) and record.unreadable == len(lost)
    left = TABLE.filter(pl.col("id").is_in(rows - lost))
    wanted = left if where is None else left.sql(f"select * from self where {where}")
    assert (record.scored, record.lost) == (0, 0)
    assert (record.quarantined, record.filtered) == (wanted.height, left.height - wanted.height)
    assert sum(record.reasons.values()) == wanted.height
    for file in record.rejected:
        aside = pl.read_parquet(run.open(file).read())
        assert aside["id"].to_list() == aside["row"].to_list() == wanted["id"].to_list()
        assert aside["reason"].unique().to_list() == ["part failed: it broke here"]
        assert aside["x"].to_list() == wanted["x"].to_list()


@pytest.mark.parametrize(
    ("error", "own"),
    [
        (InputError("damaged"), True),
        (ModelFailed("crashed"), True),
        (TaskFailed("three times"), True),
        (InputChanged("replaced"), False),
        (ContractRefused("a bad row"), False),
        (OutputRefused("taken"), False),
        (MillraceError("the disk is full"), False),
    ],
)
def test_only_what_lies_in_the_part_sets_it_aside(error: MillraceError, own: bool) -> None:
    assert is_its_own(error) is own


@dataclass(frozen=True)
class Work:
    """What the tasks of these tests share."""

    run: Run
    folder: Path
    kind: str
    bad: frozenset[int]


def stage(work: Work, part: Partition) -> Staged:
    """Stage a part of zeros; bad ones fail in the way that was asked for."""
    tries = work.folder / f"tries-{part.index}"
    with tries.open("a") as log:
        log.write("x")
    if part.index in work.bad and work.kind == "raises":
        raise ValueError("no")
    if part.index in work.bad and work.kind == "typed":
        raise ModelFailed("the model crashed", where=f"part {part.index}")
    if part.index in work.bad and work.kind == "once" and len(tries.read_text()) < 2:
        raise InputError("the store did not answer")
    if part.index in work.bad and work.kind == "full":
        raise MillraceError("The disk is full.")
    if part.index in work.bad and work.kind == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    rows = pl.DataFrame({"p": [0.0] * part.rows}).to_arrow()
    return work.run.stage(part.index, [encoded(rows)], rows_in=part.rows)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """One worker process: all that fails has the others beside it."""
    with connect(LocalCluster(workers=1, memory="500 MiB")) as opened:
        yield opened


def staged(session: Session, folder: Path, kind: str, *bad: int) -> dict[int, PartRecord]:
    """Stage five parts; return the records by part, each yielded once."""
    dataset = Dataset.open(str(write(folder / "0.parquet")))
    run, rule = begun(folder), BadParts(dataset.source, ("id", "x"), 5, False)
    work = Work(run, folder, kind, frozenset(bad))
    parts = parts_of(dataset)
    done = list(rule.over(session.client, stage, work, parts, run=run, threads=1))
    assert sorted(one.partition.index for one in done) == list(range(5))
    found = {one.partition.index: one.result.record for one in done}
    assert run.done() == found
    return found


def tries(folder: Path, part: int) -> int:
    return len((folder / f"tries-{part}").read_text())


@pytest.mark.parametrize(("kind", "count"), [("raises", 6), ("typed", 2)])
def test_a_part_that_fails_again_alone_is_set_aside(
    session: Session, tmp_path: Path, kind: str, count: int
) -> None:
    found = staged(session, tmp_path, kind, 1, 3)
    assert {part for part, record in found.items() if record.bad} == {1, 3}
    assert [tries(tmp_path, part) for part in range(5)] == [1, count, 1, count, 1]
    for part in (1, 3):
        assert (found[part].scored, found[part].quarantined) == (0, PART)
    assert [found[part].scored for part in (0, 2, 4)] == [PART] * 3


def test_a_part_that_does_better_alone_is_a_part_like_any_other(
    session: Session, tmp_path: Path
) -> None:
    found = staged(session, tmp_path, "once", 0, 1, 2, 3)
    assert not any(record.bad for record in found.values())


def test_what_would_fail_every_part_ends_the_pass(session: Session, tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="disk is full"):
        staged(session, tmp_path, "full", 2)


def test_when_all_fail_nothing_is_set_aside(session: Session, tmp_path: Path) -> None:
    with pytest.raises(ModelFailed):
        staged(session, tmp_path, "typed", *range(5))
    assert begun(tmp_path).done() == {}


@pytest.mark.long
def test_a_part_that_kills_its_workers_takes_no_other_with_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Dask blames all tasks of a worker that dies: the neighbour is condemned with the culprit.
    cluster = session.client.cluster
    assert cluster is not None
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 1)
    found = staged(session, tmp_path, "dies", 0)
    assert {part for part, record in found.items() if record.bad} == {0}
    bad = found[0].bad
    assert bad is not None and "took several workers down" in bad.error
    assert found[0].quarantined == PART  # its rows can be read: it is not they that kill
