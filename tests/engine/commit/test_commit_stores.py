"""The commit on an S3 server behind a network that fails: the same rows, or a clear refusal."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.commit import IfExists, Manifest, garbage, verify
from engine.commit.manifest import KINDS, SUCCESS
from engine.errors import CommitUnknown, MillraceError, OutputRefused
from engine.place import durable, objects
from tests.engine.commit.jobs_of_rows import PLANNED, Job, Somewhere
from tests.engine.commit.proxy import Fault, Proxy
from tests.engine.storage.storage_servers import CANARY, Bucket


@pytest.fixture
def where(bucket: Bucket) -> Somewhere:
    return Somewhere(f"{bucket.url}/out", bucket.access)


@pytest.fixture
def distant(far: Bucket) -> Somewhere:
    """An output that is reached through the proxy."""
    return Somewhere(f"{far.url}/out", far.access)


def staged(job: Job) -> Callable[[], Manifest]:
    """Stage all parts; returns what commits them."""
    job.output.preflight()
    run = job.begin()
    for part in range(len(PLANNED)):
        job.stage(run, part)
    return lambda: job.output.commit(run)


WRITES = ["stage/part-00000", "parts/00000.json", "commit.json", "HEAD/0", "out/part-00000"]
PASSING: list[Fault] = ["503", "409", "cut", "lost", "twice"]
MEETINGS = [
    (what, fault)
    for what in WRITES
    for fault in PASSING
    if (what, fault) != ("out/part-00000", "409")  # a copy has no condition
]
SLOW: list[Fault] = ["late", "silent"]


def once(distant: Somewhere, proxy: Proxy, given: dict[str, Fault]) -> None:
    """Run a job whose writes each fail once, in the way that is given."""
    proxy.faults = {f"^PUT .*{what}": [fault] for what, fault in given.items()}
    Job(distant).run()
    assert not any(proxy.faults.values()), "all faults were met"
    distant.check("a")


@pytest.mark.parametrize("shift", range(len(PASSING)))
def test_writes_of_which_each_fails_once_change_nothing(
    distant: Somewhere, proxy: Proxy, shift: int
) -> None:
    """In these five jobs every write meets every fault."""
    faults = [PASSING[(place + shift) % len(PASSING)] for place in range(len(WRITES))]
    once(distant, proxy, {k: v for k, v in zip(WRITES, faults, strict=True) if (k, v) in MEETINGS})


@pytest.mark.parametrize("faults", [SLOW, SLOW[::-1]])
def test_writes_without_an_answer_change_nothing(
    distant: Somewhere, proxy: Proxy, faults: list[Fault]
) -> None:
    once(distant, proxy, dict(zip(["parts/00000.json", "commit.json"], faults, strict=True)))


@pytest.mark.long
@pytest.mark.parametrize(("what", "fault"), MEETINGS)
def test_a_write_that_fails_once_changes_nothing(
    distant: Somewhere, proxy: Proxy, what: str, fault: Fault
) -> None:
    """Alone, and not one of several."""
    once(distant, proxy, {what: fault})


def test_an_attempt_whose_answer_was_lost_knows_its_own_record(
    distant: Somewhere, proxy: Proxy
) -> None:
    """The repeated PUT is refused by our own object: that is no second attempt."""
    job = Job(distant)
    run = job.begin()
    proxy.faults = {"PUT": ["twice"] * 5}
    job.stage(run, 0)
    assert proxy.faults["PUT"] == ["twice", "twice"], "two files, one record"
    assert run.done()[0].files


@pytest.mark.parametrize("seed", range(3))
def test_any_requests_may_fail(distant: Somewhere, proxy: Proxy, seed: int) -> None:
    dice = random.Random(seed)
    faults: list[Fault] = ["503", "cut", "lost", "409"]
    # Not the deletes: what is left over then is told, and removed later.
    proxy.faults = {
        method: [dice.choice(faults) if method == "PUT" else "503" for _ in range(3)]
        for method in ("PUT", "GET", "HEAD")
    }
    Job(distant).run()
    distant.check("a")


def test_a_store_that_stays_away_is_told_and_the_next_run_goes_on(
    distant: Somewhere, proxy: Proxy
) -> None:
    job = Job(distant)
    commit = staged(job)
    proxy.faults = {"PUT": ["down"]}
    with pytest.raises(MillraceError, match="cannot reach the store") as caught:
        commit()
    assert "again" in str(caught.value.hint)
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None, "the library's error holds signed headers"
    proxy.faults = {}
    before = len([request for request in proxy.seen if "stage/part" in request])
    job.run()
    after = len([request for request in proxy.seen if "PUT" in request and "stage/part" in request])
    assert after <= before, "finished parts were kept"
    distant.check("a")


@pytest.mark.parametrize("landed", [True, False])
def test_a_commit_whose_outcome_cannot_be_read_is_unknown_and_nothing_is_deleted(
    distant: Somewhere, proxy: Proxy, landed: bool
) -> None:
    job = Job(distant)
    commit = staged(job)
    place = distant.layout.place
    before = place.entries(distant.layout.runs)
    proxy.faults = {"PUT": ["lost" if landed else "cut", "down"]}

    def deaf(name: str) -> None:
        if name == "put commit.json":
            proxy.faults |= {"GET": ["down"], "HEAD": ["down"]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "step", deaf)
        with pytest.raises(CommitUnknown, match="cannot be told") as caught:
            commit()
    assert "nothing was deleted" in str(caught.value.hint)
    proxy.faults = {}
    assert set(before) <= set(place.entries(distant.layout.runs))
    assert garbage(distant.location, distant.access, days=0) == []
    job.run()
    distant.check("a")


def test_a_store_that_drops_the_condition_is_refused_at_the_start(
    distant: Somewhere, proxy: Proxy
) -> None:
    proxy.faults = {"PUT": ["bare"] * 9}
    with pytest.raises(OutputRefused, match="If-None-Match") as caught:
        Job(distant).output.preflight()
    assert caught.value.exit_code == 2
    assert distant.layout.place.entries(distant.layout.root) == [], "nothing is left of the probe"


def test_a_store_that_lets_us_read_only_is_refused_at_the_start(
    distant: Somewhere, proxy: Proxy
) -> None:
    proxy.faults = {"PUT": ["403"] * 9}
    with pytest.raises(OutputRefused, match="refuses the credentials"):
        Job(distant).output.preflight()
    assert proxy.faults["PUT"] == ["403"] * 8, "it was not asked again"


def test_a_bucket_that_is_not_there_is_refused_at_the_start(bucket: Bucket) -> None:
    with pytest.raises(OutputRefused, match="no such bucket"):
        Job(Somewhere("s3://no-such-bucket-here/out", bucket.access)).output.preflight()


class FrozenJob:
    """A job in a thread that stops at its n-th operation until it is thawed, or dies there."""

    def __init__(self, job: Job, at: int, *, dies: bool = False) -> None:
        self.job, self.at, self.dies = job, at, dies
        self.count, self.names = 0, list[str]()
        self.frozen, self.thaw = threading.Event(), threading.Event()
        self.outcome = ""
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.job.run()
            self.outcome = "committed"
        except OutputRefused:
            self.outcome = "refused"
        except MillraceError as error:
            self.outcome = f"failed: {error.what}"
        except SystemExit:
            self.outcome = "died"
        finally:
            self.frozen.set()

    def step(self, name: str) -> None:
        if threading.current_thread() is not self.thread:
            return
        self.count += 1
        self.names.append(name)
        if self.count == self.at:
            if self.dies:
                raise SystemExit
            self.frozen.set()
            assert self.thaw.wait(60)


@pytest.fixture
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All operations of a job in one thread, so that each can be stopped."""
    monkeypatch.setattr(objects, "_AT_ONCE", 1)


def operations(job: Job, patch: pytest.MonkeyPatch) -> list[str]:
    counted = FrozenJob(job, 0)
    patch.setattr(durable, "step", counted.step)
    counted.thread.start()
    counted.thread.join()
    assert counted.outcome == "committed"
    return counted.names


def fresh(bucket: Bucket, number: int) -> Somewhere:
    return Somewhere(f"{bucket.url}/{number}/out", bucket.access)


@pytest.mark.long
@pytest.mark.parametrize("if_exists", ["error", "overwrite"])
def test_a_job_may_die_at_any_operation(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, one_at_once: None, if_exists: IfExists
) -> None:
    def prepared(number: int) -> Job:
        where = fresh(bucket, number)
        if if_exists == "overwrite":
            Job(where, "old").run()
        return Job(where, if_exists=if_exists)

    total = len(operations(prepared(0), monkeypatch))
    assert total > 20
    for point in range(1, total + 1, 3):
        job = prepared(point)
        dying = FrozenJob(job, point, dies=True)
        monkeypatch.setattr(durable, "step", dying.step)
        dying.thread.start()
        dying.thread.join()
        assert dying.outcome == "died"
        if SUCCESS in job.where.names():
            whole = {"a", "old"} if if_exists == "overwrite" else {"a"}
            assert {name for name, _ in job.where.rows()} <= whole
            assert len({name for name, _ in job.where.rows()}) == 1, "a mixture is never marked"
        job.run()
        job.where.check("a")


@pytest.mark.long
@pytest.mark.parametrize("way", ["append", "version"])
def test_a_job_that_adds_rows_may_die_at_any_operation(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, one_at_once: None, way: IfExists
) -> None:
    def prepared(number: int) -> tuple[Job, list[bytes]]:
        where = fresh(bucket, number)
        Job(where, "old", way).run()
        where.layout.place.put_if_absent(f"{where.layout.name}/theirs", b"precious")
        return Job(where, if_exists=way), where.contents()

    def rows(job: Job) -> Counter[str]:
        return Counter(name for name, _ in job.where.rows())

    first, _ = prepared(0)
    old = rows(first)["old"]
    total = len(operations(first, monkeypatch))
    for point in range(1, total + 1, 4):
        job, before = prepared(point)
        dying = FrozenJob(job, point, dies=True)
        monkeypatch.setattr(durable, "step", dying.step)
        dying.thread.start()
        dying.thread.join()
        assert dying.outcome == "died"
        if f"{job.output.layout.folder}/{SUCCESS}" in job.where.names():
            assert rows(job) == {"old": old, "a": old}, "marked when it is whole"
        job.run()
        assert rows(job) == {"old": old, "a": old}, point
        left = Counter(job.where.contents())
        pointer = way == "version"  # that alone may change
        assert (Counter(before) - left).total() <= pointer
        assert verify(job.where.location, job.where.access).problems == ()


@pytest.mark.long
@pytest.mark.parametrize("zombie", ["a", "z"])
def test_a_zombie_changes_no_row_of_what_is_published(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, one_at_once: None, zombie: str
) -> None:
    """Frozen before any operation while a job runs to its end, then thawed."""
    overwrite = zombie == "z"

    def prepared(number: int) -> tuple[Job, Job]:
        where = fresh(bucket, number)
        Job(where, "old").run()
        return Job(where, zombie, if_exists="overwrite"), Job(where, "a", if_exists="overwrite")

    names = operations(prepared(0)[0], monkeypatch)
    decided = names.index("put commit.json") + 1
    for point in [3, *range(decided, len(names) + 1, 2)]:
        sleeper, other = prepared(point)
        frozen = FrozenJob(sleeper, point)
        monkeypatch.setattr(durable, "step", frozen.step)
        frozen.thread.start()
        assert frozen.frozen.wait(60)
        other.run()
        other.where.check("a")
        before, rows = other.where.contents(), Counter(other.where.rows())
        frozen.thaw.set()
        frozen.thread.join()
        assert frozen.outcome in {"committed", "refused"}, frozen.outcome
        newest = other.where.layout.versions()[-1]
        if newest.startswith(other.output.key):
            assert overwrite or other.where.contents() == before
            assert Counter(other.where.rows()) == rows, frozen.names[-1]
            if not all(SUCCESS in other.where.names(kind) for kind in KINDS):
                assert overwrite, "only a different job that overwrites can do that"
                assert other.run().run == newest, "put right without computing anything"
            other.where.check("a")
        else:
            other.where.check("z")


def test_two_drivers_of_one_job_at_once_help_each_other(where: Somewhere) -> None:
    with ThreadPoolExecutor(3) as pool:
        manifests = list(pool.map(lambda _: Job(where).run(), range(3)))
    assert len({manifest.encode() for manifest in manifests}) == 1
    where.check("a")
    assert garbage(where.location, where.access, days=0, delete=True) is not None
    where.check("a")


def test_of_different_jobs_at_once_one_commits_and_the_others_are_refused(
    where: Somewhere,
) -> None:
    def outcome(name: str) -> str:
        try:
            Job(where, name).run()
        except OutputRefused:
            return "refused"
        return name

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(outcome, "abc"))
    assert sorted(outcomes)[1:] == ["refused", "refused"]
    where.check(sorted(outcomes)[0])


KILLS = ["put 00000.json", "put commit.json", "copy", "put _SUCCESS", "delete part-0"]


@pytest.mark.long
@pytest.mark.parametrize("step", KILLS)
def test_kill_9_before_an_operation_and_a_rerun_give_the_same_rows(
    where: Somewhere, bucket: Bucket, step: str
) -> None:
    command = [sys.executable, __file__, str(where.location), bucket.endpoint, step]
    root = str(Path(__file__).parents[3])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": root}, check=False)
    assert done.returncode == -9
    Job(where).run()
    where.check("a")
    garbage(where.location, where.access, days=0, delete=True)
    where.check("a")


def main() -> None:
    import signal

    location, endpoint, killer = sys.argv[1:]
    bucket = Bucket.__new__(Bucket)
    bucket.endpoint = endpoint

    def step(name: str) -> None:
        if name.startswith(killer):
            os.kill(os.getpid(), signal.SIGKILL)

    durable.step = step
    Job(Somewhere(location, bucket.access)).run()


if __name__ == "__main__":
    main()
