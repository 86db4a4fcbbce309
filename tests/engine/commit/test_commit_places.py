"""The commit means the same on a disk and on an object store."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from engine.commit import Encoded, IfExists, Run, garbage, verify
from engine.commit.manifest import SUCCESS
from engine.encoding import encoded
from engine.errors import MillraceError, OutputRefused
from engine.place.local import LocalPlace
from tests.engine.commit.jobs_of_rows import PLANNED, Job, Somewhere
from tests.engine.storage.storage_servers import CANARY, Bucket


@pytest.fixture(params=["disk", "s3"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Somewhere:
    if request.param == "disk":
        return Somewhere(tmp_path / "out")
    bucket = cast(Bucket, request.getfixturevalue("bucket"))
    return Somewhere(f"{bucket.url}/deep/out", bucket.access)


def put(where: Somewhere, name: str, data: bytes = b"mine") -> None:
    """Somebody else writes a file."""
    where.layout.place.put_if_absent(name, data)


def listing(where: Somewhere) -> list[tuple[str, int]]:
    """Return name and size of all records and staged files."""
    found = where.layout.place.entries(where.layout.root)
    return [(entry.name, entry.size) for entry in found if not entry.name.endswith("/")]


def test_readers_see_parts_and_an_empty_marker_and_a_rerun_changes_nothing(
    where: Somewhere,
) -> None:
    job = Job(where)
    manifest = job.run()
    where.check("a")
    for kind in ("data", "rejected"):
        assert where.names(kind) == [SUCCESS, *sorted(f.name for f in manifest.files(kind))]
    before = listing(where)
    assert job.output.committed() == manifest
    assert job.run() == manifest
    assert listing(where) == before


def test_the_bytes_are_the_same_on_a_disk_and_on_a_store(tmp_path: Path, bucket: Bucket) -> None:
    here, there = Somewhere(tmp_path / "out"), Somewhere(f"{bucket.url}/out", bucket.access)
    records = [Job(where).run().files("data") for where in (here, there)]
    assert here.contents() == there.contents()
    assert [f.sha256 for f in records[0]] == [f.sha256 for f in records[1]]


def test_finished_parts_are_kept_and_a_run_travels_without_a_secret(where: Somewhere) -> None:
    job = Job(where)
    job.output.preflight()
    run = job.begin()
    sent = pickle.dumps(run)
    assert CANARY.encode() not in sent
    copy: Run = pickle.loads(sent)
    job.stage(copy, 2)
    assert list(run.done()) == list(job.begin().done()) == [2]
    with pytest.raises(MillraceError, match="2 of 3 parts are missing, the first is 0"):
        job.output.commit(run)
    assert where.names() == []
    job.run()
    where.check("a")
    for name, _ in listing(where):
        assert CANARY.encode() not in (where.layout.place.read(name) or b"")


def test_of_two_attempts_the_first_counts(where: Somewhere) -> None:
    job = Job(where)
    run = job.begin()
    for part, value in ((0, 0.5), (0, 0.25), (1, 0.5), (2, 0.5)):
        job.stage(run, part, value)
    job.output.commit(run)
    undisturbed = Job(Somewhere(f"{where.location}-2", where.access))
    undisturbed.run()
    assert where.contents() == undisturbed.where.contents()


def test_a_staged_file_that_was_lost_is_staged_again(where: Somewhere) -> None:
    job = Job(where)
    run = job.begin()
    job.stage(run, 0)
    record = run.done()[0]
    where.layout.place.remove(run.folder.file(record.data[0]))
    assert run.done() == {}
    job.stage(run, 0)
    assert run.done() == {0: record}


@pytest.mark.parametrize("if_exists", ["error", "overwrite"])
@pytest.mark.parametrize("suffix", ["", ".quarantine"])
def test_foreign_files_are_refused_before_any_work_and_stay(
    where: Somewhere, if_exists: IfExists, suffix: str
) -> None:
    put(where, f"out{suffix}/precious.parquet")
    with pytest.raises(OutputRefused, match="did not write"):
        Job(where, if_exists=if_exists).output.preflight()
    assert where.layout.place.read(f"out{suffix}/precious.parquet") == b"mine"
    assert listing(where) == []


@pytest.mark.parametrize("if_exists", ["error", "overwrite"])
def test_foreign_files_that_come_meanwhile_are_refused_and_stay(
    where: Somewhere, if_exists: IfExists
) -> None:
    job = Job(where, if_exists=if_exists)
    run = job.begin()
    for part in range(len(PLANNED)):
        job.stage(run, part)
    put(where, "out/precious")
    with pytest.raises(OutputRefused):
        job.output.commit(run)
    assert where.names() == ["precious"]
    where.layout.place.remove("out/precious")
    job.output.commit(run)
    where.check("a")


def test_another_jobs_rows_are_refused_and_overwriting_replaces_them_whole(
    where: Somewhere,
) -> None:
    old = Job(where, "old").run()
    with pytest.raises(OutputRefused, match="data of another job"):
        Job(where, "new").output.preflight()
    where.check("old")
    new = Job(where, "new", if_exists="overwrite").run()
    where.check("new")
    back = Job(where, "old", if_exists="overwrite").run()
    where.check("old")
    assert where.layout.versions() == [old.run, new.run, back.run]
    assert back.run == old.run.replace(".0", ".1")
    assert garbage(where.location, where.access, days=0) == []


def test_a_foreign_file_in_an_older_version_is_never_removed(where: Somewhere) -> None:
    Job(where, "old").run()
    put(where, "out/notes.txt")
    before = where.names()
    with pytest.raises(OutputRefused):
        Job(where, "new", if_exists="overwrite").run()
    assert where.names() == before


def test_a_deleted_output_is_made_anew(where: Somewhere) -> None:
    first = Job(where).run()
    place = where.layout.place
    for name in where.names():
        place.remove(f"out/{name}")
    if isinstance(place, LocalPlace):
        place.path("out").rmdir()
    assert Job(where).output.committed() is None
    assert Job(where).run().run == first.run.replace(".0", ".1")
    where.check("a")


def test_files_may_lie_in_folders(where: Somewhere) -> None:
    job = Job(where)
    output, run = job.output, job.begin()
    for part, rows in enumerate(PLANNED):
        table = pa.table({"job": ["a"] * rows, "id": range(rows)})
        halves = [encoded(table[: rows // 2]), encoded(table[rows // 2 :])]
        months = [
            Encoded(half.rows, half.content, folder=f"year=2024/month={month}")
            for month, half in enumerate(halves)
        ]
        run.stage(part, months if rows else [], rows_in=rows)
    manifest = output.commit(run)
    names = sorted(file.name for file in manifest.files("data"))
    assert where.names() == [SUCCESS, *names]
    assert names[0].startswith("year=2024/month=0/part-00000-")
    assert output.committed() == manifest
    assert verify(where.location, where.access).problems == ()
    put(where, "out/year=2024/month=0/mine")
    assert verify(where.location, where.access).problems[0].what == "not in the manifest"
    assert output.committed() is None
    where.layout.place.remove("out/year=2024/month=0/mine")
    assert garbage(where.location, where.access, days=0) == []
    Job(where, "b", if_exists="overwrite").run()
    where.check("b")


@pytest.mark.parametrize("folder", ["../out", "a//b", "/tmp", ".hidden", "_x", "a/..", "a/"])
def test_a_folder_that_leads_elsewhere_is_refused(tmp_path: Path, folder: str) -> None:
    run = Job(Somewhere(tmp_path / "out")).begin()
    with pytest.raises(ValueError, match="no folder"):
        run.stage(0, [Encoded(5, memoryview(b"x"), folder=folder)], rows_in=5)


def test_verify_tells_what_is_missing_added_or_changed(where: Somewhere) -> None:
    manifest = Job(where).run()
    place = where.layout.place
    first, second = (f"out/{file.name}" for file in manifest.files("data")[:2])
    data = place.read(first) or b""
    place.remove(first)
    place.put_if_absent(first, data[:40] + bytes([data[40] ^ 4]) + data[41:])
    place.remove(second)
    place.remove(f"out/{SUCCESS}")
    put(where, "out/extra")
    found = verify(where.location, where.access)
    told = {(problem.file.rpartition("/")[2], problem.what) for problem in found.problems}
    assert (second[4:], "missing") in told
    assert (SUCCESS, "missing") in told
    assert ("extra", "not in the manifest") in told
    assert (first[4:], "its SHA-256 is not that of the manifest") in told
    assert found.run == manifest.run


def test_verify_of_nothing(where: Somewhere) -> None:
    found = verify(where.location, where.access)
    assert [problem.what for problem in found.problems] == ["nothing was ever committed here"]


def test_garbage_is_what_no_record_names(where: Somewhere) -> None:
    job = Job(where)
    run = job.begin()
    job.stage(run, 0)
    put(where, f"{run.folder.stage}/part-00001-0123456789ab.parquet", b"dead")
    put(where, f"{where.layout.temp}/probe-{'0' * 32}", b"x")
    put(where, f"{where.layout.temp}/notes.txt")
    assert garbage(where.location, where.access) == [], "too young"
    found = garbage(where.location, where.access, days=0)
    assert sorted((left.where.rpartition("/")[2][:10], left.bytes) for left in found) == [
        ("part-00001", 4),
        ("probe-0000", 1),
    ]
    assert garbage(where.location, where.access, days=0, delete=True) == found
    assert garbage(where.location, where.access, days=0) == []
    assert where.layout.place.read(f"{where.layout.temp}/notes.txt") == b"mine"
    assert list(run.done()) == [0]
    job.run()
    where.check("a")


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/", "https://host/x/y"])
def test_a_url_that_is_no_folder_of_a_store_is_refused(url: str) -> None:
    with pytest.raises(OutputRefused, match="no folder of an object store"):
        assert Job(Somewhere(url)).output
