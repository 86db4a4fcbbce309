"""The commit without faults: ledger, reruns, refusals, overwriting, verification."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.commit import (
    IfExists,
    Manifest,
    Output,
    PartRecord,
    Run,
    Staged,
    StagedFile,
    garbage,
    run_key,
    verify,
)
from engine.commit.layout import load
from engine.commit.settling import settle
from engine.encoding import parquet_bytes
from engine.errors import CommitUnknown, MillraceError, OutputRefused
from engine.place import durable, folders
from engine.place.local import LocalPlace
from tests.engine.commit.tables import layout_path, path_of, stage

SPEC = {"model": "m1"}
OTHER = {"model": "m2"}
PLANNED = (3, 2)


def frame(part: int, rows: int, value: float = 0.5) -> pa.Table:
    ids = range(part * 10, part * 10 + rows)
    return pa.table({"id": pa.array(ids, pa.int64()), "p": pa.array([value] * rows, pa.float32())})


def output(location: Path, spec: dict[str, str] = SPEC, if_exists: IfExists = "error") -> Output:
    return Output(location, run_key(spec, PLANNED), if_exists)


def complete(
    location: Path, spec: dict[str, str] = SPEC, if_exists: IfExists = "error", reject: int = 0
) -> Manifest:
    """Run a whole job: its value depends on its spec."""
    place = output(location, spec, if_exists)
    place.preflight()
    run = place.begin(spec, PLANNED)
    for part, rows in enumerate(PLANNED):
        rejected = frame(part + 90, reject) if reject else None
        table = frame(part, rows - reject, value=float(spec["model"][1:]))
        stage(run, part, table, rejected, rows_in=rows, reasons={"r": reject} if reject else {})
    return place.commit(run)


def ids(folder: Path) -> list[int]:
    return pl.scan_parquet(folder).collect()["id"].to_list()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_readers_see_parts_and_an_empty_marker_only(out: Path) -> None:
    manifest = complete(out)
    names = sorted(os.listdir(out))
    assert names == ["_SUCCESS", *(part.data[0].name for part in manifest.parts)]
    assert (out / "_SUCCESS").stat().st_size == 0
    assert ids(out) == [0, 1, 2, 10, 11]
    assert pq.read_table(out).num_rows == 5
    assert not out.with_name("out.quarantine").exists()


def test_the_manifest_counts_where_every_row_went(out: Path) -> None:
    place = output(out)
    run = place.begin(SPEC, PLANNED)
    stage(run, 0, frame(0, 1), frame(9, 1), rows_in=3, filtered=1, reasons={"null": 1})
    stage(run, 1, frame(1, 0), frame(9, 2), rows_in=2, reasons={"null": 1, "range": 1})
    manifest = place.commit(run)
    assert (manifest.rows_in, manifest.scored) == (5, 1)
    assert (manifest.quarantined, manifest.filtered) == (3, 1)
    assert manifest.reasons == {"null": 2, "range": 1}
    assert len(ids(out.with_name("out.quarantine"))) == 3
    assert ids(out) == [0]


def test_a_second_run_finds_its_work_done(out: Path) -> None:
    manifest = complete(out)
    before = {path: path.stat() for path in out.iterdir()}
    place = output(out)
    place.preflight()
    assert place.committed() == manifest
    assert complete(out) == manifest
    assert {path: path.stat() for path in out.iterdir()} == before
    assert place.layout.versions() == [manifest.run]


def test_finished_parts_are_known_before_the_commit(out: Path) -> None:
    place = output(out)
    run = place.begin(SPEC, PLANNED)
    assert run.done() == {}
    staged = stage(run, 1, frame(1, 2), rows_in=2, worker="tcp://w")
    assert run.done() == {1: staged.record}
    assert place.begin(SPEC, PLANNED).done() == {1: staged.record}
    assert place.committed() is None


def test_a_run_travels_to_workers(out: Path) -> None:
    run = output(out).begin(SPEC, PLANNED)
    copy: Run = pickle.loads(pickle.dumps(run))
    staged: Staged = pickle.loads(pickle.dumps(stage(copy, 0, frame(0, 3), rows_in=3)))
    assert run.done() == {0: staged.record}


def test_a_relative_or_linked_location_is_resolved_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    monkeypatch.chdir(tmp_path)
    assert output(Path("link/out")).location == str(tmp_path.resolve() / "disk" / "out")
    complete(Path("link"))
    assert ids(tmp_path / "disk") == [0, 1, 2, 10, 11]


def test_rows_lost_in_a_worker_are_refused_before_anything_is_written(out: Path) -> None:
    run = output(out).begin(SPEC, PLANNED)
    with pytest.raises(MillraceError, match="Part 0 read 3 rows, but 2 scored"):
        stage(run, 0, frame(0, 2), rows_in=3)
    assert list(run.layout.place.entries(run.folder.stage)) == []


def test_a_missing_part_stops_the_commit(out: Path) -> None:
    place = output(out)
    run = place.begin(SPEC, PLANNED)
    stage(run, 0, frame(0, 3), rows_in=3)
    with pytest.raises(MillraceError, match="1 of 2 parts are missing, the first is 1"):
        place.commit(run)
    assert not out.exists()


def test_other_rows_than_planned_stop_the_commit(out: Path) -> None:
    place = output(out)
    run = place.begin(SPEC, PLANNED)
    stage(run, 0, frame(0, 3), rows_in=3)
    stage(run, 1, frame(1, 4), rows_in=4)
    with pytest.raises(MillraceError, match="Part 1 read 4 rows; 2 were planned"):
        place.commit(run)
    assert not out.exists()


def record(part: int, planned: int, scored: int, rejected: int, filtered: int) -> PartRecord:
    def file(word: str, rows: int) -> StagedFile:
        return StagedFile(name=f"{word}{part}", rows=rows, bytes=1, sha256="0")

    return PartRecord(
        part=part,
        rows_in=planned,
        filtered=filtered,
        data=(file("part", scored),),
        rejected=(file("rejected", rejected),) if rejected else (),
        inputs={},
        reasons={"r": rejected} if rejected else {},
        missing={},
        attempt="a",
        worker="w",
    )


COUNTS = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))


@given(st.lists(COUNTS), st.data())
def test_the_ledger_balances_exactly_when_every_row_is_somewhere(
    counts: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    planned = [sum(row) for row in counts]
    done = {i: record(i, planned[i], *row) for i, row in enumerate(counts)}
    manifest = settle("k.0", planned, done)
    assert manifest.rows_in == manifest.scored + manifest.quarantined + manifest.filtered
    assert manifest.rows_in == sum(planned)
    assert sum(manifest.reasons.values()) == manifest.quarantined
    if not counts:
        return
    part = data.draw(st.integers(0, len(counts) - 1))
    scored, rejected, filtered = counts[part]
    broken = data.draw(
        st.sampled_from(
            [
                record(part, planned[part], scored + 1, rejected, filtered),
                record(part, planned[part] + 1, scored + 1, rejected, filtered),
                None,
            ]
        )
    )
    wrong = {i: r for i, r in {**done, part: broken}.items() if r is not None}
    with pytest.raises(MillraceError):
        settle("k.0", planned, wrong)


def test_a_second_attempt_with_the_same_bytes_is_done_already(out: Path) -> None:
    run = output(out).begin(SPEC, PLANNED)
    first = stage(run, 0, frame(0, 3), rows_in=3, worker="w1")
    second = stage(run, 0, frame(0, 3), rows_in=3, worker="w2")
    assert not first.differs and not second.differs
    assert second.record == first.record
    assert second.record.worker == "w1"


def test_a_second_attempt_with_other_bytes_is_told_and_changes_nothing(out: Path) -> None:
    place = output(out)
    run = place.begin(SPEC, PLANNED)
    first = stage(run, 0, frame(0, 3, 0.5), rows_in=3)
    second = stage(run, 0, frame(0, 3, 0.25), rows_in=3)
    assert second.differs
    assert second.record == first.record
    stage(run, 1, frame(1, 2, 0.5), rows_in=2)
    place.commit(run)
    assert set(pl.read_parquet(out / "*.parquet")["p"].to_list()) == {0.5}


def test_a_staged_file_that_was_lost_is_staged_again(out: Path) -> None:
    run = output(out).begin(SPEC, PLANNED)
    first = stage(run, 0, frame(0, 3), rows_in=3)
    path_of(run, run.folder.file(first.record.data[0])).unlink()
    assert run.done() == {}
    assert stage(run, 0, frame(0, 3), rows_in=3).record == first.record
    assert run.done() == {0: first.record}


def test_a_truncated_staged_file_is_named(out: Path) -> None:
    run = output(out).begin(SPEC, PLANNED)
    first = stage(run, 0, frame(0, 3), rows_in=3)
    file = path_of(run, run.folder.file(first.record.data[0]))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(MillraceError, match=file.name):
        stage(run, 0, frame(0, 3), rows_in=3)


def test_the_key_depends_on_the_spec_and_the_plan_alone() -> None:
    assert run_key({"a": 1, "b": 2}, [1]) == run_key({"b": 2, "a": 1}, (1,))
    assert run_key({"a": 1}, [1]) != run_key({"a": 2}, [1])
    assert run_key({"a": 1}, [1]) != run_key({"a": 1}, [2])


def test_a_key_with_another_plan_is_refused(out: Path) -> None:
    place = output(out)
    place.begin(SPEC, PLANNED)
    with pytest.raises(MillraceError, match="Another plan"):
        place.begin(SPEC, (3, 3))
    with pytest.raises(ValueError, match="run key"):
        Output(out, "../../etc")


def test_a_run_that_was_not_begun_is_named(out: Path) -> None:
    place = output(out)
    with pytest.raises(MillraceError, match="never begun"):
        Run(place.layout, "00.0").done()


def test_a_damaged_record_is_named(out: Path) -> None:
    run = output(out).begin(SPEC, PLANNED)
    stage(run, 0, frame(0, 3), rows_in=3)
    path_of(run, run.folder.record(0)).write_text("{}")
    with pytest.raises(MillraceError, match=r"00000\.json"):
        run.done()


@pytest.mark.parametrize("if_exists", ["error", "overwrite"])
@pytest.mark.parametrize("place", ["out", "out.quarantine"])
def test_foreign_files_are_refused_and_stay(
    tmp_path: Path, if_exists: IfExists, place: str
) -> None:
    folder = tmp_path / place
    folder.mkdir()
    (folder / "precious.parquet").write_text("x")
    with pytest.raises(OutputRefused, match="did not write") as caught:
        output(tmp_path / "out", if_exists=if_exists).preflight()
    assert "another output" in str(caught.value.hint)
    assert (folder / "precious.parquet").read_text() == "x"
    assert not (tmp_path / "out.millrace").exists()


@pytest.mark.parametrize("if_exists", ["error", "overwrite"])
def test_foreign_files_that_come_meanwhile_are_refused_and_stay(
    out: Path, if_exists: IfExists
) -> None:
    place = output(out, if_exists=if_exists)
    place.preflight()
    run = place.begin(SPEC, PLANNED)
    for part, rows in enumerate(PLANNED):
        stage(run, part, frame(part, rows), rows_in=rows)
    out.mkdir()
    (out / "precious").touch()
    with pytest.raises(OutputRefused):
        place.commit(run)
    assert os.listdir(out) == ["precious"]
    (out / "precious").unlink()
    place.commit(run)
    assert verify(out).problems == ()


def test_a_file_as_output_is_refused(out: Path) -> None:
    out.write_text("x")
    with pytest.raises(OutputRefused, match="folder"):
        output(out).preflight()


def test_the_root_of_a_file_system_is_refused() -> None:
    with pytest.raises(OutputRefused, match="inside"):
        output(Path("/dev/shm" if os.path.ismount("/dev/shm") else "/proc")).preflight()


def test_preflight_is_quick_and_leaves_the_output_alone(out: Path) -> None:
    start = time.perf_counter()
    output(out).preflight()
    assert time.perf_counter() - start < 1
    assert not out.exists()
    assert os.listdir(out.parent) == ["out.millrace"]


def test_another_jobs_data_is_refused_before_any_work(out: Path) -> None:
    complete(out, OTHER)
    with pytest.raises(OutputRefused, match="data of another job") as caught:
        output(out, SPEC).preflight()
    assert '"overwrite" replaces' in str(caught.value.hint)
    assert verify(out).problems == ()


def test_overwriting_replaces_the_older_version_whole(out: Path) -> None:
    old, new = complete(out, OTHER, reject=1), complete(out, SPEC, if_exists="overwrite")
    assert output(out).layout.versions() == [old.run, new.run]
    assert set(pl.read_parquet(out / "*.parquet")["p"].to_list()) == {1.0}
    assert not out.with_name("out.quarantine").exists(), "the quarantine of the old version"
    assert verify(out).problems == ()
    assert garbage(out, days=0) == []


def test_overwriting_keeps_the_data_when_a_foreign_file_lies_in_it(out: Path) -> None:
    complete(out, OTHER)
    (out / "notes.txt").write_text("mine")
    before = sorted(os.listdir(out))
    with pytest.raises(OutputRefused):
        complete(out, SPEC, if_exists="overwrite")
    assert sorted(os.listdir(out)) == before


def test_a_job_can_take_its_place_back(out: Path) -> None:
    complete(out, SPEC)
    complete(out, OTHER, if_exists="overwrite")
    assert output(out, SPEC).committed() is None
    back = complete(out, SPEC, if_exists="overwrite")
    assert back.run.endswith(".1")
    assert len(output(out).layout.versions()) == 3
    assert set(pl.read_parquet(out / "*.parquet")["p"].to_list()) == {1.0}


@pytest.mark.parametrize("reject", [0, 1])
def test_a_deleted_output_is_made_anew(out: Path, reject: int) -> None:
    complete(out, reject=reject)
    for path in out.iterdir():
        path.unlink()
    out.rmdir()
    place = output(out)
    place.preflight()
    assert place.committed() is None
    assert place.begin(SPEC, PLANNED).done() == {}
    assert complete(out, reject=reject).run.endswith(".1")
    assert verify(out).problems == ()


def test_an_output_without_parts_can_be_committed(out: Path) -> None:
    place = Output(out, run_key(SPEC, ()))
    run = place.begin(SPEC, ())
    assert place.commit(run).rows_in == 0
    assert place.committed() is not None
    assert os.listdir(out) == ["_SUCCESS"]


def test_deleting_the_output_frees_its_space(out: Path) -> None:
    manifest = complete(out, reject=1)
    for file in [*manifest.files("data")]:
        assert (out / file.name).stat().st_nlink == 1


def staged(out: Path) -> tuple[Output, Run]:
    place = output(out)
    run = place.begin(SPEC, PLANNED)
    for part, rows in enumerate(PLANNED):
        stage(run, part, frame(part, rows), rows_in=rows)
    return place, run


class Storage:
    """Fails the write of the manifest with EIO, before or after it landed."""

    def __init__(self, landed: bool, readable: bool) -> None:
        self.landed, self.readable = landed, readable
        self.real = durable.put_if_absent

    def put(self, path: Path, data: bytes, temp: Path | None = None) -> bool:
        if path.name != "commit.json":
            return self.real(path, data, temp)
        if self.landed:
            self.real(path, data, temp)
        if not self.readable:
            path.mkdir()  # reading it is an error that is not "no such file"
        raise OSError(errno.EIO, "no answer", str(path))


def test_a_commit_of_unknown_outcome_that_landed_is_a_commit(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, run = staged(out)
    monkeypatch.setattr(durable, "put_if_absent", Storage(landed=True, readable=True).put)
    assert place.commit(run).rows_in == 5
    assert verify(out).problems == ()


def test_a_commit_that_did_not_land_fails_and_can_be_repeated(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, run = staged(out)
    with monkeypatch.context() as patch, pytest.raises(MillraceError, match="no answer"):
        patch.setattr(durable, "put_if_absent", Storage(landed=False, readable=True).put)
        place.commit(run)
    assert not out.exists()
    place.commit(run)
    assert verify(out).problems == ()


def test_a_commit_that_cannot_be_read_back_is_unknown_and_deletes_nothing(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, run = staged(out)
    before = sorted(os.listdir(path_of(run, run.folder.stage)))
    with monkeypatch.context() as patch, pytest.raises(CommitUnknown) as caught:
        patch.setattr(durable, "put_if_absent", Storage(landed=False, readable=False).put)
        place.commit(run)
    assert caught.value.hint
    assert sorted(os.listdir(path_of(run, run.folder.stage))) == before
    path_of(run, run.folder.commit).rmdir()
    place.commit(run)
    assert verify(out).problems == ()


@pytest.fixture
def committed(out: Path) -> Iterator[tuple[Path, Manifest]]:
    yield out, complete(out, reject=1)


def test_verify_finds_every_flipped_bit(committed: tuple[Path, Manifest]) -> None:
    out, manifest = committed
    path = out / manifest.parts[0].data[0].name
    data = path.read_bytes()
    for position in range(0, len(data), 23):
        path.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
        assert any("SHA-256" in problem.what for problem in verify(out).problems), position
    path.write_bytes(data)
    assert verify(out).problems == ()


def test_page_checksums_are_written(committed: tuple[Path, Manifest]) -> None:
    out, manifest = committed
    path = out / manifest.parts[0].data[0].name
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size - 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(OSError, match=r"checksum|CRC"):
        pq.ParquetFile(path, page_checksum_verification=True).read()


def test_verify_finds_what_is_missing_added_or_cut(committed: tuple[Path, Manifest]) -> None:
    out, manifest = committed
    quarantine = out.with_name("out.quarantine")
    (out / "_SUCCESS").unlink()
    (out / "extra").touch()
    (quarantine / manifest.files("rejected")[0].name).unlink()
    cut = out / manifest.parts[1].data[0].name
    cut.write_bytes(cut.read_bytes()[:-9])
    found = {(Path(problem.file).name, problem.what.split()[0]) for problem in verify(out).problems}
    assert ("_SUCCESS", "missing") in found
    assert ("extra", "not") in found
    assert (manifest.files("rejected")[0].name, "missing") in found
    assert (cut.name, "cannot") in found


def test_verify_of_nothing(out: Path) -> None:
    assert [problem.what for problem in verify(out).problems] == ["nothing was ever committed here"]


def test_young_scratch_and_foreign_files_are_no_garbage(out: Path) -> None:
    place, run = staged(out)
    old = layout_path(place.layout, place.layout.temp) / f"put-{'0' * 32}"
    dead = layout_path(place.layout, place.layout.temp) / f"publish-{'1' * 32}"
    dead.mkdir()
    for path in (
        old,
        layout_path(place.layout, place.layout.temp) / "notes.txt",
        dead / "_SUCCESS",
        dead / "mine.txt",
    ):
        path.touch()
    assert garbage(out) == []
    assert [left.where for left in garbage(out, days=0)] == [str(dead), str(old)]
    garbage(out, days=0, delete=True)
    left = [
        path.name
        for path in layout_path(place.layout, place.layout.temp).rglob("*")
        if path.is_file()
    ]
    assert sorted(left) == ["mine.txt", "notes.txt"]
    place.commit(run)


def test_the_bytes_of_a_part_depend_on_its_rows_alone() -> None:
    rows = 120_000
    scores = [i / 7 for i in range(rows)]
    words = [f"w{i}" if i % 3 else None for i in range(rows)]
    whole = pl.DataFrame({"id": range(rows), "s": words, "p": scores})
    pieces = [whole[:300], whole[300:70_001], whole[70_001:70_002], whole[70_002:]]
    chunked = pl.concat(pieces, rechunk=False)
    assert chunked.n_chunks() == len(pieces)
    expected = bytes(parquet_bytes(whole.to_arrow()))
    assert bytes(parquet_bytes(chunked.to_arrow())) == expected
    described = whole.to_arrow().replace_schema_metadata({"when": "now"})
    assert bytes(parquet_bytes(described)) == expected
    category = whole.with_columns(pl.col("s").cast(pl.Categorical))
    assert bytes(parquet_bytes(category.to_arrow())) == expected


def test_parts_read_back_as_they_were() -> None:
    table = pl.DataFrame(
        {
            "id": pl.Series([3, 1, 2], dtype=pl.UInt32),
            "when": pl.Series([1, None, 3], dtype=pl.Datetime("us", "UTC")),
            "score": pl.Series([0.5, float("nan"), None], dtype=pl.Float32),
            "list": [[1], [], None],
            "flag": [True, None, False],
        }
    )
    content = parquet_bytes(table.to_arrow())
    assert pl.read_parquet(bytes(content)).equals(table)
    columns = pq.ParquetFile(pa.BufferReader(content)).metadata.row_group(0)
    encodings = {
        columns.column(i).path_in_schema: columns.column(i).encodings
        for i in range(columns.num_columns)
    }
    assert "DELTA_BINARY_PACKED" in encodings["id"]
    assert not any("DICTIONARY" in encoding for encoding in encodings["score"])


def test_loading_tells_absent_from_damaged(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path, tmp_path)
    assert load(Manifest, place, "none.json") is None
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(MillraceError, match="damaged"):
        load(Manifest, place, "bad.json")


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("foreign", [True, False])
def test_what_happens_to_the_output_at_the_very_moment_of_replacing_it(
    out: Path, monkeypatch: pytest.MonkeyPatch, foreign: bool, exchange: bool
) -> None:
    """A file that a user drops in is put back with the folder; a deleted folder is no obstacle."""
    complete(out, OTHER)
    if not exchange:
        monkeypatch.setattr(folders, "_renameat2", lambda: None)
    interfered = False

    def interfere(name: str) -> None:
        nonlocal interfered
        if interfered or not name.startswith(("exchange out", "rename publish")):
            return
        interfered = True
        if foreign:
            (out / "precious").touch()
        else:
            shutil.rmtree(out)

    monkeypatch.setattr(durable, "step", interfere)
    if foreign:
        with pytest.raises(OutputRefused):
            complete(out, SPEC, if_exists="overwrite")
        assert (out / "precious").exists()
        assert len(os.listdir(out)) == len(PLANNED) + 2
    else:
        complete(out, SPEC, if_exists="overwrite")
        assert verify(out).problems == ()
    assert interfered


def test_a_committed_run_whose_stage_was_lost_is_told_and_made_anew(out: Path) -> None:
    place, run = staged(out)
    (out / "in the way").mkdir(parents=True)
    with pytest.raises(OutputRefused):
        place.commit(run)
    (out / "in the way").rmdir()
    next(path_of(run, run.folder.stage).iterdir()).unlink()
    with pytest.raises(MillraceError, match="Staged files of this run are missing"):
        place.commit(run)
    assert complete(out).run.endswith(".1")
    assert verify(out).problems == ()


def test_a_quarantine_that_is_renewed_while_the_old_one_is_withdrawn_stays(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete(out, OTHER, reject=1)
    newer = {"model": "m3"}
    interfered = False

    def interfere(name: str) -> None:
        nonlocal interfered
        if name.startswith("rename publish") and not interfered:
            interfered = True
            complete(out, newer, if_exists="overwrite", reject=1)

    monkeypatch.setattr(durable, "step", interfere)
    complete(out, SPEC, if_exists="overwrite")
    assert interfered
    assert output(out, newer).committed() is not None
    assert verify(out).problems == ()
