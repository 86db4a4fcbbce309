"""Crash, freeze and race the commit at every operation that another process can see.

The simulated processes are threads; `engine.place.durable.step` is where they die, freeze or hand
over. After each scenario every row is counted. The mutants at the end show that the harness can
fail.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.commit import (
    Encoded,
    IfExists,
    Manifest,
    Output,
    PartRecord,
    Run,
    StagedFile,
    deciding,
    garbage,
    moving,
    run_key,
    staging,
    verify,
)
from engine.commit.layout import load
from engine.commit.manifest import KINDS, SUCCESS, Head
from engine.commit.settling import settle
from engine.errors import MillraceError, OutputRefused
from engine.place import durable, folders, local
from tests.engine.commit.tables import layout_path
from tests.engine.commit.tables import stage as put

PLANNED = (6, 0, 9)
SHARED_MEMORY = Path("/dev/shm")


class DiedError(BaseException):
    """The process is gone: like a kill, no handler for errors may catch it."""


class Process:
    """A simulated process: it may die or freeze at its n-th operation."""

    def __init__(self, *, die_at: int = 0, freeze_at: int = 0) -> None:
        self.die_at, self.freeze_at = die_at, freeze_at
        self.operations = 0
        self.dead = False
        self.names: list[str] = []
        self.frozen, self.thaw = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def step(self, name: str) -> None:
        with self._lock:
            self.operations += 1
            self.names.append(name)
            here = self.operations
            self.dead = self.dead or here == self.die_at
        if here == self.freeze_at:
            self.frozen.set()
            assert self.thaw.wait(60)
        if self.dead:
            raise DiedError(name)


CURRENT = threading.local()


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder in memory, where syncing costs nothing; the protocol is the same."""
    home = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=home) as path:
        yield Path(path)


@dataclass
class World:
    """One output and all who write to it."""

    location: Path
    seen: dict[Path, bytes] = field(default_factory=dict)
    contested: bool = False  # several jobs replace one another: the quarantine may flicker
    if_exists: IfExists = "error"  # how the jobs that are checked write

    def observe(self) -> None:
        """What a reader sees at any moment is nothing or a whole version, quarantine included."""
        try:
            names = set(os.listdir(self.location))
        except FileNotFoundError:
            return
        if not names:
            return
        assert SUCCESS in names, names
        assert len(names) == len(PLANNED) + 1, names
        assert self.contested or Path(f"{self.location}.quarantine").exists()

    def records_never_change(self) -> None:
        for path in sorted(Path(f"{self.location}.millrace").rglob("*.json")):
            data = path.read_bytes()
            assert self.seen.setdefault(path, data) == data, f"{path} was replaced"

    def check(self, job: str) -> None:
        """Exactly the rows of this job, none lost, none twice, bytes as in the manifest."""
        layout = Output(self.location, key_of(job), self.if_exists).layout
        newest = layout.versions()
        assert len(newest) == len(set(newest)), newest
        manifest = load(Manifest, layout.place, layout.run(newest[-1]).commit)
        assert manifest is not None and manifest.run.startswith(key_of(job))
        for kind in KINDS:
            found = [
                row
                for file in parquets(layout_path(layout, layout.target(kind)))
                for row in rows(file)
            ]
            assert Counter(found) == Counter(expected(job, kind)), kind
        for record in manifest.parts:
            name = layout.run(manifest.run).record(record.part)
            written = load(PartRecord, layout.place, name)
            assert written == record, "the part record is not that of the manifest"
        assert verify(self.location).problems == ()
        self.records_never_change()


def parquets(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def rows(file: Path) -> list[tuple[str, int]]:
    table = pq.read_table(file, columns=["job", "id"])
    return list(zip(table["job"].to_pylist(), table["id"].to_pylist(), strict=True))


def fate(row: int) -> str:
    return "filtered" if row % 7 == 3 else "rejected" if row % 5 == 0 else "data"


def ids_of(part: int) -> range:
    return range(sum(PLANNED[:part]), sum(PLANNED[: part + 1]))


def expected(job: str, kind: str) -> list[tuple[str, int]]:
    return [(job, i) for i in range(sum(PLANNED)) if fate(i) == kind]


def spec_of(job: str) -> dict[str, str]:
    return {"job": job}


def key_of(job: str) -> str:
    return run_key(spec_of(job), PLANNED)


def table_of(job: str, ids: list[int], noise: bool) -> pa.Table:
    score = [random.random() if noise else i / 7 for i in ids]
    columns = {
        "job": pa.array([job] * len(ids), pa.string()),
        "id": pa.array(ids, pa.int64()),
        "score": pa.array(score, pa.float32()),
    }
    return pa.table(columns)


def stage(run: Run, job: str, part: int, noise: bool) -> None:
    fates = {kind: [i for i in ids_of(part) if fate(i) == kind] for kind in (*KINDS, "filtered")}
    put(
        run,
        part,
        table_of(job, fates["data"], noise),
        table_of(job, fates["rejected"], noise),
        rows_in=PLANNED[part],
        filtered=len(fates["filtered"]),
        reasons={"five": len(fates["rejected"])} if fates["rejected"] else {},
        worker="w",
    )


@dataclass(frozen=True)
class Job:
    """A scoring job as the engine runs it: its parts in parallel, then the commit."""

    world: World
    name: str = "a"
    if_exists: IfExists = "error"
    noise: bool = False  # every attempt makes other bytes
    threads: int = 1
    careless: bool = False  # the driver commits although a worker died

    def run(self, process: Process | None = None) -> Manifest:
        CURRENT.process = process
        try:
            return self._run(process)
        finally:
            CURRENT.process = None

    def _run(self, process: Process | None) -> Manifest:
        output = Output(self.world.location, key_of(self.name), self.if_exists)
        output.preflight()
        committed = output.committed()
        if committed is not None:
            return committed
        run = output.begin(spec_of(self.name), PLANNED)
        todo = [part for part in range(len(PLANNED)) if part not in run.done()]
        self._stage_all(run, todo, process)
        return output.commit(run)

    def _stage_all(self, run: Run, todo: list[int], process: Process | None) -> None:
        def work(part: int) -> None:
            CURRENT.process = process
            stage(run, self.name, part, self.noise)

        if self.careless:
            todo = todo[:-1]
        if self.threads == 1:
            for part in todo:
                stage(run, self.name, part, self.noise)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            for future in [pool.submit(work, part) for part in todo]:
                future.result()

    def outcome(self, process: Process) -> str:
        try:
            self.run(process)
        except DiedError:
            return "died"
        except OutputRefused:
            return "refused"
        except MillraceError as error:
            return f"failed: {error.what}"
        return "committed"


@pytest.fixture
def world(root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return watched(World(root / "out"), monkeypatch)


def watched(world: World, patch: pytest.MonkeyPatch) -> World:
    """Route every operation to the process that does it, with a reader looking each time."""

    def hook(name: str) -> None:
        process = getattr(CURRENT, "process", None)
        if process is not None:
            world.observe()
            process.step(name)

    patch.setattr(durable, "step", hook)
    return world


def fresh(world: World) -> World:
    """Start again from an empty folder, which is cheaper than a new fixture."""
    for path in world.location.parent.iterdir():
        shutil.rmtree(path)
    world.seen.clear()
    return world


def operations(job: Job) -> int:
    """How many operations the job does when nothing disturbs it."""
    process = Process()
    assert job.outcome(process) == "committed"
    return process.operations


def old_version(world: World) -> None:
    Job(world, "old").run()


def crash_everywhere(world: World, job: Job, prepare: Callable[[], None] = lambda: None) -> None:
    prepare()
    total = operations(job)
    assert total > 40
    for point in range(1, total + 1):
        fresh(world)
        prepare()
        assert job.outcome(Process(die_at=point)) == "died", point
        world.observe()
        world.records_never_change()
        assert job.outcome(Process()) == "committed", point
        world.check(job.name)


def freeze_everywhere(
    world: World, zombie: Job, other: Job, prepare: Callable[[], None] = lambda: None
) -> list[str]:
    """Freeze one process at each operation, let another run to its end, then thaw the first."""
    outcomes = []
    prepare()
    for point in range(1, operations(zombie) + 1):
        fresh(world)
        prepare()
        frozen = Process(freeze_at=point)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(zombie.outcome, frozen)
            assert frozen.frozen.wait(60)
            try:
                assert other.outcome(Process()) == "committed", point
                world.records_never_change()
                folder = world.location.stat().st_ino
            finally:
                frozen.thaw.set()
            outcomes.append(future.result())
        if zombie.if_exists != "overwrite":
            assert world.location.stat().st_ino == folder, "it was published again"
        world.observe()
        world.check(other.name)
    return outcomes


@pytest.mark.parametrize(
    ("threads", "noise"),
    [
        (1, False),
        (3, True),
        pytest.param(1, True, marks=pytest.mark.long),
        pytest.param(3, False, marks=pytest.mark.long),
    ],
)
def test_a_crash_at_any_operation_and_a_rerun_give_every_row_once(
    world: World, threads: int, noise: bool
) -> None:
    crash_everywhere(world, Job(world, threads=threads, noise=noise))


def test_a_crash_at_any_operation_of_replacing_leaves_the_old_or_the_new_version(
    world: World,
) -> None:
    crash_everywhere(world, Job(world, "new", if_exists="overwrite"), lambda: old_version(world))


def test_a_crash_at_any_operation_without_atomic_exchange(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_renameat2", lambda: None)
    world.contested = True  # between the two renames the quarantine is gone for a moment
    crash_everywhere(world, Job(world, "new", if_exists="overwrite"), lambda: old_version(world))


def test_two_crashes_at_random_operations(world: World) -> None:
    dice = random.Random(11)
    total = operations(Job(world, threads=2, noise=True))
    for _ in range(60):
        fresh(world)
        for _ in range(2):
            job = Job(world, threads=dice.choice([1, 2, 3]), noise=True)
            job.outcome(Process(die_at=dice.randint(1, total)))
            world.observe()
            world.records_never_change()
        assert Job(world, noise=True).outcome(Process()) == "committed"
        world.check("a")


@pytest.mark.parametrize("noise", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_zombie_of_the_same_job_changes_nothing(world: World, noise: bool) -> None:
    job = Job(world, noise=noise)
    assert set(freeze_everywhere(world, job, job)) == {"committed"}


def test_a_zombie_of_the_same_job_changes_nothing_when_replacing(world: World) -> None:
    job = Job(world, "new", if_exists="overwrite", noise=True)
    freeze_everywhere(world, job, job, lambda: old_version(world))


def test_a_zombie_of_another_job_is_refused(world: World) -> None:
    """It was first to begin but not to commit; where it had committed, it is the other's turn."""
    zombie, other = Job(world, "z"), Job(world, "a", if_exists="overwrite")
    outcomes = freeze_everywhere(world, zombie, other)
    assert set(outcomes) == {"refused", "committed"}
    assert outcomes.index("committed") > len(outcomes) * 0.8  # only when it was about to return


def test_a_zombie_that_replaces_gives_way_to_the_newer_version(world: World) -> None:
    """When it had entered the log first; else it is the newest and replaces in turn."""
    world.contested = True
    zombie, other = Job(world, "z", if_exists="overwrite"), Job(world, "a", if_exists="overwrite")
    Job(world, "old").run()
    for point in range(1, operations(zombie) + 1):
        fresh(world)
        Job(world, "old").run()
        frozen = Process(freeze_at=point)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(zombie.outcome, frozen)
            assert frozen.frozen.wait(60)
            assert other.outcome(Process()) == "committed"
            frozen.thaw.set()
            assert future.result() in {"committed", "refused"}
        newest = Output(world.location, key_of("a")).layout.versions()[-1]
        world.check("z" if newest.startswith(key_of("z")) else "a")


class Schedule:
    """Lets one of several processes go on at a time; a seed decides who, at every operation."""

    def __init__(self, seed: int, processes: int) -> None:
        self.dice, self.alive = random.Random(seed), set(range(processes))
        self.turn = self.dice.randrange(processes)
        self.changed = threading.Condition()

    def wait(self, me: int) -> None:
        with self.changed:
            # A long run of one process now and then: others sleep through whole phases of it.
            if self.turn == me and self.dice.random() < 0.3:
                self._hand_over()
            assert self.changed.wait_for(lambda: self.turn == me, timeout=60)

    def leave(self, me: int) -> None:
        with self.changed:
            self.alive.discard(me)
            self._hand_over()

    def _hand_over(self) -> None:
        if self.alive:
            self.turn = self.dice.choice(sorted(self.alive))
        self.changed.notify_all()


class Scheduled(Process):
    """A process that goes on only when it is its turn."""

    def __init__(self, schedule: Schedule, me: int, *, die_at: int = 0) -> None:
        super().__init__(die_at=die_at)
        self.schedule, self.me = schedule, me

    def step(self, name: str) -> None:
        if not self.dead:
            self.schedule.wait(self.me)
        super().step(name)


def race(seed: int, jobs: list[Job], die_at: int = 0) -> list[str]:
    schedule = Schedule(seed, len(jobs))

    def go(me: int) -> str:
        try:
            return jobs[me].outcome(Scheduled(schedule, me, die_at=die_at if me == 0 else 0))
        finally:
            schedule.leave(me)

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(go, range(len(jobs))))


@pytest.mark.parametrize("noise", [pytest.param(False, marks=pytest.mark.long), True])
def test_three_runs_of_one_job_at_once_all_report_the_same_commit(
    world: World, noise: bool
) -> None:
    for seed in range(25):
        fresh(world)
        assert race(seed, [Job(world, noise=noise)] * 3) == ["committed"] * 3
        world.check("a")


def test_three_runs_at_once_of_which_one_dies(world: World) -> None:
    dice = random.Random(5)
    for seed in range(25):
        fresh(world)
        outcomes = race(seed, [Job(world, noise=True)] * 3, die_at=dice.randint(1, 90))
        assert outcomes[1:] == ["committed"] * 2
        world.check("a")


def test_of_three_different_jobs_at_once_one_commits_and_the_others_are_refused(
    world: World,
) -> None:
    winners = set()
    for seed in range(25):
        fresh(world)
        outcomes = race(seed, [Job(world, name) for name in "abc"])
        assert sorted(outcomes) == ["committed", "refused", "refused"], seed
        winners.add("abc"[outcomes.index("committed")])
        world.check("abc"[outcomes.index("committed")])
    assert len(winners) > 1


def test_of_different_jobs_that_replace_the_newest_version_stays(world: World) -> None:
    world.contested = True
    for seed in range(25):
        fresh(world)
        outcomes = race(seed, [Job(world, name, if_exists="overwrite") for name in "abc"])
        assert set(outcomes) <= {"committed", "refused"}, seed
        newest = Output(world.location, key_of("a")).layout.versions()[-1]
        (winner,) = (name for name in "abc" if newest.startswith(key_of(name)))
        assert outcomes["abc".index(winner)] == "committed"
        world.check(winner)


def test_a_driver_that_overlooks_a_dead_worker_cannot_commit(world: World) -> None:
    assert "missing" in Job(world, careless=True).outcome(Process())
    assert not world.location.exists()
    Job(world).run()
    world.check("a")


def test_what_crashes_leave_behind_is_garbage_and_deleting_it_harms_nothing(world: World) -> None:
    total = operations(Job(world))
    fresh(world)
    collected = 0
    for point in range(3, total, 5):
        Job(world, noise=True).outcome(Process(die_at=point))
        collected += len(garbage(world.location, delete=True, days=0))
        assert garbage(world.location, days=0) == []
        world.observe()
        world.records_never_change()
    assert collected > 5
    assert Job(world, noise=True).run().run.endswith(".0"), "nothing had to be made anew"
    world.check("a")


# Mutants: the protocol with one idea taken out. The harness must see each of them.


def replace_instead_of_link(patch: pytest.MonkeyPatch) -> None:
    def mutant(scratch: Path, path: Path) -> bool:
        durable.step(f"link {path.name}")
        os.replace(scratch, path)
        return True

    patch.setattr(durable, "_link_once", mutant)
    patch.setattr(local, "probe", lambda temp, parent: None)  # it would see the mutant at once


def fixed_part_names(patch: pytest.MonkeyPatch) -> None:
    original = staging._describe

    def mutant(word: str, part: int, file: Encoded, mark: str) -> StagedFile:
        described = original(word, part, file, mark)
        return described.model_copy(update={"name": f"{word}-{part:05d}.parquet"})

    patch.setattr(staging, "_describe", mutant)
    patch.setattr(Run, "_put_file", _put_without_looking)


def _put_without_looking(run: Run, file: StagedFile, content: memoryview) -> None:
    run.layout.place.put_if_absent(run.folder.file(file), content)


def no_ledger(patch: pytest.MonkeyPatch) -> None:
    original = settle

    def mutant(run: str, planned: tuple[int, ...], done: dict[int, PartRecord]) -> Manifest:
        parts = dict(enumerate(done.values()))
        return original(run, [record.rows_in for record in done.values()], parts)

    patch.setattr(deciding, "settle", mutant)


def link_parts_one_by_one(patch: pytest.MonkeyPatch) -> None:
    def mutant(fresh: Path, target: Path, files: list[StagedFile]) -> None:
        durable.make_folder(target)
        for name in os.listdir(fresh):
            with contextlib.suppress(FileExistsError):
                durable.link(fresh / name, target / name)

    patch.setattr(moving, "_place", mutant)


def no_look_into_the_log(patch: pytest.MonkeyPatch) -> None:
    def mutant(output: Output, run: Run) -> None:
        head = output.layout.head(len(output.layout.versions()))
        output.layout.place.put_if_absent(head, Head(run=run.name).encode())

    patch.setattr(Output, "_claim", mutant)


MUTANTS = [
    replace_instead_of_link,
    fixed_part_names,
    no_ledger,
    link_parts_one_by_one,
    no_look_into_the_log,
]


def small_campaign(world: World) -> None:
    """A few of the scenarios above, enough to see each mutant."""
    job = Job(world, noise=True)
    total = operations(job)
    for point in range(2, total, 4):
        fresh(world)
        job.outcome(Process(die_at=point))
        world.observe()
        assert Job(world, noise=True, careless=True).outcome(Process()) != "refused"
        assert job.outcome(Process()) == "committed"
        world.check("a")
    for seed in range(4):
        fresh(world)
        assert race(seed, [job] * 3) == ["committed"] * 3
        world.check("a")


def test_the_small_campaign_passes_on_the_real_protocol(world: World) -> None:
    small_campaign(world)


@pytest.mark.parametrize("mutate", MUTANTS)
def test_the_harness_sees_a_broken_protocol(
    world: World, monkeypatch: pytest.MonkeyPatch, mutate: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mutate(monkeypatch)
    with pytest.raises((AssertionError, OSError, MillraceError)):
        small_campaign(world)
