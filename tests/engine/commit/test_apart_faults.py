"""Crash, freeze and race jobs that add rows, or versions, in folders of their own.

The harness is that of `test_commit_faults`. What is there before, by millrace or by others, is
looked at before every operation: it must be the same files, not only the same bytes.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.commit import IfExists, apart, garbage, latest, verify
from engine.commit.manifest import SUCCESS
from engine.errors import MillraceError
from tests.engine.commit.test_commit_faults import (
    PLANNED,
    SHARED_MEMORY,
    Job,
    Process,
    World,
    crash_everywhere,
    expected,
    freeze_everywhere,
    fresh,
    key_of,
    operations,
    parquets,
    race,
    rows,
    watched,
)


@dataclass
class Shared(World):
    """An output that several jobs add to, with files of others in it."""

    before: dict[Path, tuple[int, bytes]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Let another job write its rows, and somebody else a file."""
        self.before.clear()
        Job(self, "old", self.if_exists).run()
        (self.location / "theirs.parquet").write_bytes(b"precious")
        (self.location / "month=1").mkdir()
        (self.location / "month=1" / "theirs.parquet").write_bytes(b"precious too")
        for path in self.location.rglob("*"):
            if path.is_file() and path.name != "latest":
                self.before[path] = (path.stat().st_ino, path.read_bytes())

    def observe(self) -> None:
        """Each folder of a run is whole; what was there is the same file."""
        for path, (number, _) in self.before.items():
            assert path.stat().st_ino == number, path
        if not self.location.exists():
            return
        for folder in self.location.iterdir():
            if folder.name.startswith(("run-", "version-")):
                names = {path.name for path in folder.iterdir()}
                assert SUCCESS in names and len(names) == len(PLANNED) + 1, names
        link = self.location / "latest"
        assert not link.is_symlink() or (link / SUCCESS).exists()

    def check(self, job: str) -> None:
        """Its rows are there once; nothing that was there has changed."""
        super().check(job)
        for path, (number, data) in self.before.items():
            assert (path.stat().st_ino, path.read_bytes()) == (number, data), path

    def check_all(self, *jobs: str) -> None:
        """Rows of these jobs, each once, are all that readers of the whole folder see."""
        for job in jobs:
            self.check(job)
        found = [row for path in sorted(self.location.glob("*-*")) for row in seen(path)]
        assert Counter(found) == Counter(row for job in jobs for row in expected(job, "data"))
        if self.if_exists == "version":
            assert os.readlink(self.location / "latest") == f"version-{len(jobs):04d}"


def seen(folder: Path) -> list[tuple[str, int]]:
    return [row for file in parquets(folder) for row in rows(file)]


@contextmanager
def in_memory() -> Iterator[Path]:
    """Return a folder where syncing costs nothing."""
    home = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=home) as path:
        yield Path(path)


@pytest.fixture(params=["append", pytest.param("version", marks=pytest.mark.long)])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    with in_memory() as path:
        world = Shared(path / "out", if_exists=request.param)
        watched(world, monkeypatch)
        yield world


def test_a_crash_at_any_operation_shows_all_or_nothing_and_a_rerun_adds_every_row_once(
    shared: Shared,
) -> None:
    job = Job(shared, "new", shared.if_exists, noise=True)
    crash_everywhere(shared, job, shared.prepare)
    shared.check_all("old", "new")
    before = sorted(path for path in shared.location.parent.rglob("*"))
    assert job.outcome(Process()) == "committed"
    assert sorted(path for path in shared.location.parent.rglob("*")) == before


@pytest.mark.parametrize("other", [pytest.param("new", marks=pytest.mark.long), "other"])
def test_a_zombie_takes_nothing_away(shared: Shared, other: str) -> None:
    """Of the same job and of another one that also adds its rows: both are committed."""
    zombie, second = (Job(shared, name, shared.if_exists) for name in ("new", other))
    assert set(freeze_everywhere(shared, zombie, second, shared.prepare)) == {"committed"}
    shared.check_all(*dict.fromkeys(["old", "new", other]))


def test_jobs_that_add_at_once_are_all_there(shared: Shared) -> None:
    for seed in range(12):
        fresh(shared)
        shared.prepare()
        jobs = [Job(shared, name, shared.if_exists, noise=True) for name in "abac"]
        assert race(seed, jobs) == ["committed"] * 4, seed
        shared.check_all("old", "a", "b", "c")
        assert verify(shared.location).rows == 4 * len(expected("a", "data"))


def test_jobs_that_die_at_once_are_all_there_after_a_rerun(shared: Shared) -> None:
    dice = random.Random(3)
    total = operations(Job(shared, "a", shared.if_exists))
    for seed in range(12):
        fresh(shared)
        shared.prepare()
        jobs = [Job(shared, name, shared.if_exists) for name in "ab"]
        assert race(seed, jobs, die_at=dice.randint(1, total))[1] == "committed"
        garbage(shared.location, delete=True, days=0)
        assert jobs[0].outcome(Process()) == "committed"
        shared.check_all("old", "a", "b")


def test_rows_that_are_added_while_a_job_replaces_are_never_lost() -> None:
    """The job that replaces may be refused, at any moment."""
    outcomes = set()
    for seed in range(25):
        with in_memory() as path, pytest.MonkeyPatch.context() as patch:
            world = World(path / "out", contested=True)
            patch.setattr(world, "observe", lambda: None)
            watched(world, patch)
            Job(world, "old").run()
            jobs = [Job(world, "new", "overwrite"), Job(world, "more", "append")]
            outcomes.add(tuple(race(seed, jobs)))
            found = seen(world.location / f"run-{key_of('more')[:16]}")
            assert Counter(found) == Counter(expected("more", "data")), seed
            flat = {name for name, _ in seen(world.location)}
            assert len(flat) == 1 and flat <= {"old", "new"}, seed
    assert {tuple(one) for one in outcomes} <= {("committed",) * 2, ("refused", "committed")}
    assert len(outcomes) == 2


def link_parts_one_by_one(patch: pytest.MonkeyPatch) -> None:
    from engine.commit import moving
    from tests.engine.commit import test_commit_faults

    test_commit_faults.link_parts_one_by_one(patch)
    assert moving._place.__name__ == "mutant"


def no_second_look_at_the_numbers(patch: pytest.MonkeyPatch) -> None:
    def mutant(base: apart.Layout, kind: apart.Apart, key: str) -> None:
        number = len(apart._jobs(base, kind)) + 1
        entry = apart._entry(base, kind, number)
        base.place.put_if_absent(entry, apart.Claim(job=key[:16]).encode())
        found = apart.Number(number=number)
        base.place.put_if_absent(apart._number(base, kind, key[:16]), found.encode())

    patch.setattr("engine.commit.output.claim", mutant)


def a_pointer_that_is_set_once(patch: pytest.MonkeyPatch) -> None:
    original = latest.point
    patch.setattr(latest, "point", lambda base: None if latest.of(base) else original(base))


def same_folder_for_all(patch: pytest.MonkeyPatch) -> None:
    original = apart._layout

    def mutant(base: apart.Layout, kind: apart.Apart, job: str, number: int) -> apart.Layout:
        found = original(base, kind, job, number)
        return apart.replace(found, folder="run-" + "0" * 16)

    patch.setattr(apart, "_layout", mutant)


def a_small_campaign(world: Shared) -> None:
    """A few of the scenarios above, enough to see each mutant."""
    for seed in range(9):
        fresh(world)
        world.prepare()
        Job(world, "a", world.if_exists).outcome(Process(die_at=50 + 9 * seed))
        world.observe()
        jobs = [Job(world, name, world.if_exists) for name in "abc"]
        assert race(seed, jobs) == ["committed"] * 3
        world.check_all("old", "a", "b", "c")


@pytest.mark.long
def test_the_small_campaign_passes_on_the_real_protocol(shared: Shared) -> None:
    a_small_campaign(shared)


@pytest.mark.parametrize(
    ("way", "mutate"),
    [
        ("append", link_parts_one_by_one),
        ("append", same_folder_for_all),
        ("version", no_second_look_at_the_numbers),
        ("version", a_pointer_that_is_set_once),
    ],
)
def test_the_harness_sees_a_broken_protocol(
    monkeypatch: pytest.MonkeyPatch, way: IfExists, mutate: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mutate(monkeypatch)
    with in_memory() as path, pytest.raises((AssertionError, OSError, MillraceError)):
        world = Shared(path / "out", if_exists=way)
        watched(world, monkeypatch)
        a_small_campaign(world)
