"""Rows that are appended, and numbered versions, on a disk and on a store."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from engine.commit import IfExists, Output, garbage, partial, run_key, verify
from engine.commit.manifest import SUCCESS
from engine.encoding import encoded
from engine.errors import OutputRefused
from engine.place.local import LocalPlace
from tests.engine.commit import readers
from tests.engine.commit.jobs_of_rows import PLANNED, Job, Somewhere, fate
from tests.engine.storage.storage_servers import Bucket


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.long)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Somewhere:
    if request.param == "disk":
        return Somewhere(tmp_path / "out")
    bucket = cast(Bucket, request.getfixturevalue("bucket"))
    return Somewhere(f"{bucket.url}/deep/out", bucket.access)


def put(where: Somewhere, name: str, data: bytes = b"mine") -> None:
    """Somebody else writes a file."""
    where.layout.place.put_if_absent(name, data)


def delete(where: Somewhere, folder: str) -> None:
    """Somebody deletes a folder."""
    place = where.layout.place
    for entry in place.entries(folder):
        place.remove(entry.name)
    if isinstance(place, LocalPlace):
        place.path(folder).rmdir()


def counted(*jobs: str) -> Counter[tuple[str, int]]:
    """Return the rows of jobs, by job and id."""
    return Counter((j, row) for j in jobs for row in range(sum(PLANNED)) if fate(row) == "data")


def everything(where: Somewhere) -> dict[str, bytes | None]:
    """Return all files that readers see, with their bytes."""
    place = where.layout.place
    entries = [e for k in ("out", "out.quarantine") for e in place.entries(below(where, k))]
    return {e.name: place.read(e.name) for e in entries if not e.name.endswith("/latest")}


def below(where: Somewhere, name: str) -> str:
    """Return a name of the place: ``out`` is the output itself."""
    return where.layout.name + name.removeprefix("out")


def recorded(where: Somewhere) -> list[tuple[str, int]]:
    """Return name and size of all records."""
    found = where.layout.place.entries(where.layout.root)
    return [(entry.name, entry.size) for entry in found]


def folder_of(job: Job) -> str:
    """Return the folder of a job's rows below the output."""
    return job.output.layout.folder


def added(where: Somewhere, name: str, way: IfExists = "append") -> Job:
    """Return a job that has run."""
    job = Job(where, name, way)
    job.run()
    return job


def test_on_a_store_jobs_add_their_rows_and_versions_get_numbers(bucket: Bucket) -> None:
    where = Somewhere(f"{bucket.url}/out", bucket.access)
    put(where, "out/theirs")
    added(where, "a"), added(where, "b")
    assert Counter(where.rows()) == counted("a", "b")
    assert where.layout.place.read("out/theirs") == b"mine"
    versions = Somewhere(f"{bucket.url}/versions", bucket.access)
    assert folder_of(added(versions, "a", "version")) == "version-0001"
    assert pointer(versions) == "version-0001"
    assert verify(versions.location, versions.access).problems == ()


def test_each_job_adds_its_rows_once(where: Somewhere) -> None:
    for name in "aba":
        added(where, name)
    assert Counter(where.rows()) == counted("a", "b")
    folders = {name.split("/")[0] for name in where.names()}
    assert folders == {folder_of(Job(where, name, "append")) for name in "ab"}
    assert all(f"{folder}/{SUCCESS}" in where.names() for folder in folders)
    before, records = everything(where), recorded(where)
    again = Job(where, "a", "append")
    assert again.output.committed() == again.run()
    assert everything(where) == before
    assert recorded(where) == records
    found = verify(where.location, where.access)
    assert (found.rows, found.problems) == (2 * len(counted("a")), ())
    assert found.run == Job(where, "b", "append").run().run, "the last that was added"


def test_rows_of_others_stay_as_they_are(where: Somewhere) -> None:
    Job(where, "flat").run()
    put(where, below(where, "out/month=1/theirs.parquet"))
    put(where, below(where, "out/notes.txt"))
    before = everything(where)
    job = added(where, "a")
    put(where, below(where, "out/later.txt"))
    added(where, "b")
    after = everything(where)
    assert {name: after[name] for name in before} == before
    assert after[below(where, "out/later.txt")] == b"mine"
    told = {p.file.rpartition("out/")[2] for p in verify(where.location, where.access).problems}
    assert told == {"month=1/theirs.parquet", "notes.txt", "later.txt"}, "beside those of `flat`"
    assert garbage(where.location, where.access, days=0) == []
    assert verify(job.output.told, where.access).problems == ()


def test_a_job_finds_its_rows_after_others_have_added_theirs(where: Somewhere) -> None:
    first = Job(where, "flat").run()
    added(where, "a")
    assert Job(where, "flat").run() == first
    where_flat = [name for name in where.names() if "/" not in name]
    assert where_flat == [SUCCESS, *sorted(file.name for file in first.files("data"))]
    assert verify(where.location, where.access).problems == ()


@pytest.mark.parametrize("how", ["error", "overwrite"])
def test_what_was_added_is_never_replaced(where: Somewhere, how: IfExists) -> None:
    if how == "overwrite":
        Job(where, "flat").run()
    added(where, "a")
    before = everything(where)
    with pytest.raises(OutputRefused, match="folders of their own") as caught:
        Job(where, "b", how).run()
    assert "append" in str(caught.value.hint)
    assert everything(where) == before


@pytest.mark.parametrize("way", ["append", "version"])
def test_a_folder_that_was_deleted_is_made_again_and_the_others_are_not(
    where: Somewhere, way: IfExists
) -> None:
    one, two = added(where, "a", way), added(where, "b", way)
    for job in (one, two):
        delete(where, below(where, f"out/{folder_of(job)}"))
    found = verify(where.location, where.access)
    assert [problem.what for problem in found.problems] == ["all 3 files are gone"] * 2
    assert two.run().run.endswith(".1")
    assert Counter(where.rows()) == counted("b")
    assert verify(two.output.told, where.access).problems == ()


def test_a_folder_with_a_strange_file_or_without_one_of_its_own_is_refused(
    where: Somewhere,
) -> None:
    job = added(where, "a")
    target = job.output.layout.target("data")
    put(where, f"{target}/theirs")
    with pytest.raises(OutputRefused, match="did not write"):
        job.run()
    assert verify(job.output.told, where.access).problems[0].what == "not in the manifest"
    assert where.layout.place.read(f"{target}/theirs") == b"mine"


def test_a_file_in_the_place_of_the_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(OutputRefused):
        Job(Somewhere(tmp_path / "out"), "a", "append").run()
    assert (tmp_path / "out").read_bytes() == b"mine"


def pointer(where: Somewhere) -> str:
    """Return where the pointer leads."""
    place = where.layout.place
    if isinstance(place, LocalPlace):
        return os.readlink(place.path("out/latest"))
    told = json.loads(place.read(below(where, "out/latest.json")) or b"")
    assert told["url"] == f"{where.location}/{told['folder']}"
    return str(told["folder"])


def test_versions_are_numbered_and_the_newest_is_the_latest(where: Somewhere) -> None:
    jobs = [added(where, name, "version") for name in "abc"]
    assert [folder_of(job) for job in jobs] == [f"version-000{n}" for n in (1, 2, 3)]
    assert pointer(where) == "version-0003"
    before = everything(where)
    for job in jobs:
        assert job.output.committed() == job.run()
        assert job.output.told == f"{where.location}/{folder_of(job)}"
        assert verify(job.output.told, where.access).problems == ()
        found = partial(job.output.told, where.access)
        assert found is not None and found.run.name == job.run().run
    assert pointer(where) == "version-0003"
    assert everything(where) == before
    assert verify(where.location, where.access).problems == ()


def test_a_job_that_only_began_has_no_number(where: Somewhere) -> None:
    job = Job(where, "a", "version")
    job.stage(job.begin(), 0)
    assert verify(where.location, where.access).run is None
    assert folder_of(added(where, "b", "version")) == "version-0001"
    job.run()
    assert folder_of(job) == "version-0002"
    assert pointer(where) == "version-0002"


def test_the_pointer_passes_over_a_version_that_was_deleted(where: Somewhere) -> None:
    jobs = [added(where, name, "version") for name in "ab"]
    delete(where, below(where, "out/version-0002"))
    jobs[0].run()
    assert pointer(where) == "version-0001"
    jobs[1].run()
    assert pointer(where) == "version-0002"


def test_a_pointer_of_others_is_refused_and_stays(where: Somewhere) -> None:
    local = isinstance(where.layout.place, LocalPlace)
    name = below(where, "out/latest" if local else "out/latest.json")
    put(where, name)
    with pytest.raises(OutputRefused, match="latest"):
        Job(where, "a", "version").output.preflight()
    assert where.layout.place.read(name) == b"mine"


def test_versions_do_not_go_beside_rows_without_one(where: Somewhere) -> None:
    Job(where, "flat").run()
    with pytest.raises(OutputRefused, match="without a version"):
        Job(where, "a", "version").output.preflight()


@pytest.mark.parametrize("way", ["append", "version"])
def test_what_is_there_so_far_can_be_looked_at(where: Somewhere, way: IfExists) -> None:
    assert partial(where.location, where.access) is None
    job = Job(where, "a", way)
    run = job.begin()
    job.stage(run, 2)
    for name in (None, run.name):
        found = partial(where.location, where.access, name)
        assert found is not None and (found.committed, found.planned) == (False, 3)
        assert [part.part for part in found.parts] == [2]
    job.run()
    added(where, "b", way)
    found = partial(where.location, where.access, run.name)
    assert found is not None and found.committed
    names = [file.name for file in job.run().files("data") if file.rows]
    assert [file.name for file, _ in found.files()] == names
    newest = partial(where.location, where.access)
    assert newest is not None and newest.run.name == Job(where, "b", way).run().run


@pytest.mark.parametrize("way", ["append", "version"])
def test_garbage_of_jobs_that_died_is_found(where: Somewhere, way: IfExists) -> None:
    added(where, "a", way)
    job = Job(where, "b", way)
    run = job.begin()
    job.stage(run, 0)
    put(where, f"{run.folder.stage}/part-00001-0123456789ab.parquet", b"dead")
    (left,) = garbage(where.location, where.access, days=0, delete=True)
    assert left.where.endswith("part-00001-0123456789ab.parquet")
    job.run()
    assert Counter(where.rows()) == counted("a", "b")


def write(folder: Path, version: int, way: IfExists, hive: bool) -> None:
    """Write four rows of a version."""
    spec, planned = {"version": version}, [4]
    output = Output(folder, run_key(spec, planned), way)
    output.preflight()
    run = output.begin(spec, planned)
    table = pa.table({"id": range(4 * version, 4 * version + 4), "version": [version] * 4})
    file = encoded(table)
    run.stage(0, [replace(file, folder="month=1") if hive else file], rows_in=4)
    output.commit(run)


@pytest.mark.parametrize("hive", [False, True])
@pytest.mark.parametrize("library", readers.LIBRARIES)
def test_libraries_read_what_was_added_as_one_table(
    tmp_path: Path, library: str, hive: bool
) -> None:
    write(tmp_path / "out", 0, "error", hive)
    for version in (1, 2):
        write(tmp_path / "out", version, "append", hive)
    found = readers.LIBRARIES[library](str(tmp_path / "out"))
    assert sorted(found["id"]) == list(range(12))
    assert list(found) == ["id", "version", *(["month"] if hive else [])]


@pytest.mark.parametrize("library", readers.LIBRARIES)
def test_libraries_read_the_latest_version(tmp_path: Path, library: str) -> None:
    for version in range(2):
        write(tmp_path / "out", version, "version", hive=True)
    for folder, first in (("latest", 4), ("version-0002", 4), ("version-0001", 0)):
        found = readers.LIBRARIES[library](str(tmp_path / "out" / folder))
        assert list(found["id"]) == list(range(first, first + 4))
        assert list(found) == ["id", "version", "month"]
