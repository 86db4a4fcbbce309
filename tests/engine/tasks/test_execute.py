"""The bounded map over partitions, on real worker processes."""

import errno
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine import outages
from engine.errors import InputError, Outage, TaskFailed
from engine.plan import Partition, RowGroup, partitions
from engine.tasks import calls, stragglers
from engine.tasks.execute import Done, Failed, attempted, in_order, over_partitions

pytestmark = pytest.mark.alone

PARTS = partitions([RowGroup(0, 0, 40, 0, 400, 400)], 10)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Two worker processes."""
    with connect(LocalCluster(workers=2, memory="300 MiB")) as opened:
        yield opened


def _rows(work: int, partition: Partition) -> int:
    return work * partition.rows


def _index(work: None, partition: Partition) -> int:
    return partition.index


def _fails(work: Path, partition: Partition) -> int:
    with open(work, "a") as log:
        log.write("x")
    if partition.index == 3:
        raise InputError("damaged", where="file 3")
    return 0


def _flaky(work: Path, partition: Partition) -> int:
    mark = work / str(partition.index)
    if not mark.exists():
        mark.touch()
        raise OSError("the disk blinked")
    return 1


def _always(work: None, partition: Partition) -> int:
    raise ValueError("no")


def _dies_once(work: Path, partition: Partition) -> int:
    mark = work / "died"
    if partition.index == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


def run(
    session: Session, function: object, work: object, notice: Callable[[str], None] = print
) -> list[Done[int]]:
    return list(
        over_partitions(session.client, function, work, PARTS, threads=2, notice=notice)  # type: ignore[arg-type]
    )


def test_every_partition_is_worked_on_once(session: Session) -> None:
    done = run(session, _rows, 2)
    assert sorted(one.partition.index for one in done) == list(range(40))
    assert sum(one.result for one in done) == 80
    assert all(one.peak > 2**20 for one in done)


def test_a_pass_begins_though_a_worker_dies_at_that_moment(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ValueError("Sample larger than population or is negative")  # Dask's own

    monkeypatch.setattr(session.client, "replicate", failing)
    assert len(run(session, _rows, 2)) == 40


def test_results_can_be_put_in_order_however_they_come(session: Session) -> None:
    done = run(session, _index, None)
    late = [*done[1:], done[0]]
    for came in (done, done[::-1], late):
        assert [one.result for one in in_order(came, PARTS)] == list(range(40))


def test_a_stated_error_is_raised_as_it_is_and_not_retried(
    session: Session, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with pytest.raises(InputError, match="damaged") as caught:
        run(session, _fails, log)
    assert caught.value.where == "file 3"
    assert len(log.read_text()) < 12  # what was under way, not all forty


def test_a_passing_fault_is_retried(session: Session, tmp_path: Path) -> None:
    assert len(run(session, _flaky, tmp_path)) == 40


def test_a_lasting_fault_names_the_partition(session: Session) -> None:
    with pytest.raises(TaskFailed, match="ValueError: no") as caught:
        run(session, _always, None)
    assert "partition" in str(caught.value.where)


def _odd(work: None, partition: Partition) -> int:
    if partition.index % 2:
        raise InputError(f"damaged {partition.index}")
    return partition.index


def test_what_fails_is_handed_back_and_the_others_finish(session: Session) -> None:
    outcomes = list(attempted(session.client, _odd, None, PARTS, under_way=4))
    failed = {one.partition.index: str(one.error) for one in outcomes if isinstance(one, Failed)}
    assert failed == {index: f"damaged {index}" for index in range(1, 40, 2)}
    done = [one.result for one in outcomes if isinstance(one, Done)]
    assert sorted(done) == list(range(0, 40, 2))


def test_a_killed_worker_costs_no_partition(session: Session, tmp_path: Path) -> None:
    done = run(session, _dies_once, tmp_path)
    assert (tmp_path / "died").exists()
    assert sorted(one.partition.index for one in done) == list(range(40))


def test_closing_the_iterator_cancels_what_is_under_way(session: Session) -> None:
    iterator = over_partitions(session.client, _index, None, PARTS, threads=2)
    next(iter(iterator))
    iterator.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 60  # a worker may just be starting again
    while any(session.client.processing().values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(session.client.processing().values())


def _freezes_once(work: Path, partition: Partition) -> int:
    """Stop this process in the last partition; leave a mark at the beginning and at the end."""
    if partition.index == len(PARTS) - 1:
        with open(work / "began", "a") as log:
            log.write(f"{os.getpid()}\n")
        if len((work / "began").read_text().split()) == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.5)  # it may be another thread that takes the signal first
        with open(work / "ended", "a") as log:
            log.write(f"{os.getpid()}\n")
    time.sleep(0.01)
    return partition.index


def pids(path: Path) -> list[int]:
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def _ended(path: Path, count: int) -> bool:
    deadline = time.monotonic() + 30
    while len(pids(path)) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(pids(path)) == count


@pytest.mark.slow
@pytest.mark.parametrize("wakes", [True, False])
def test_a_worker_that_freezes_with_the_last_partition_holds_nobody_up(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wakes: bool
) -> None:
    monkeypatch.setattr(stragglers, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(calls, "FETCH_SECONDS", 2.0)
    told: list[str] = []
    done: list[Done[int]] = []
    began = tmp_path / "began"
    for one in over_partitions(
        session.client, _freezes_once, tmp_path, PARTS, threads=2, notice=told.append
    ):
        done.append(one)
        if one.partition.index == len(PARTS) - 1 and wakes:
            os.kill(pids(began)[0], signal.SIGCONT)
            woken = _ended(tmp_path / "ended", 2)
            assert woken or not _alive(pids(began)[0]), "it ends too, or Dask has given it up"
    assert sorted(one.result for one in done) == list(range(40)), "one result each"
    first, second = pids(began)
    assert first != second and done[-1].worker.endswith(f":{second}")
    assert any("second worker" in text for text in told), "it was not Dask that gave it up"
    assert 1 <= len(pids(tmp_path / "ended")) <= 1 + wakes
    assert wakes or not _alive(first), "what hangs is killed before the next pass"
    assert len(run(session, _index, None)) == 40


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _late_then_bad(work: Path, partition: Partition) -> int:
    """In the last partition the first attempt takes seconds, the second one finds it damaged."""
    if partition.index == len(PARTS) - 1:
        try:
            (work / "first").touch(exist_ok=False)
        except FileExistsError:
            raise InputError("damaged") from None
        time.sleep(6)
    return partition.index


def test_a_failed_second_attempt_is_the_one_outcome_of_its_partition(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stragglers, "LEAST_SECONDS", 0.5)
    session.client.wait_for_workers(2, timeout=60)
    found = list(attempted(session.client, _late_then_bad, tmp_path, PARTS, under_way=4))
    assert sorted(one.partition.index for one in found) == list(range(40))
    (failed,) = [one for one in found if isinstance(one, Failed)]
    assert failed.error.what == "damaged" and not failed.alone


def _away(work: Path, partition: Partition) -> int:
    """Fail as a store does that is away, as often as the file ``away`` says."""
    with open(work / f"{partition.index}", "a") as log:
        log.write("x")
    if (work / "away").exists() and partition.index % 2:
        if partition.index % 4 == 1:
            raise Outage("the store does not answer (503)", where="s3://bucket")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x")
    return partition.index


def test_an_outage_is_waited_for(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.1)
    (tmp_path / "away").touch()
    told: list[str] = []

    def notice(text: str) -> None:
        told.append(text)
        threading.Timer(2.0, (tmp_path / "away").unlink).start()

    done = run(session, _away, tmp_path, notice)
    assert sorted(one.result for one in done) == list(range(40))
    assert len(told) == 1 and "tried again" in told[0]
    tries = [len((tmp_path / str(part.index)).read_text()) for part in PARTS]
    assert sum(1 for count in tries if count > 1) <= 4, "no more than were under way"
    assert max(tries) <= 7, "pauses grow"


def test_an_outage_that_lasts_is_no_fault_of_a_partition(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(outages, "PATIENCE_SECONDS", 1.0)
    (tmp_path / "away").touch()
    with pytest.raises(Outage, match="tried again for") as caught:
        run(session, _away, tmp_path)
    assert caught.value.exit_code == 75 and "kept" in str(caught.value.hint)


def _poison(work: Path, partition: Partition) -> int:
    """Take the process down for one partition, however often it is tried."""
    if partition.index == 7:
        with open(work / "tries", "a") as log:
            log.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return partition.index


@pytest.mark.long
def test_only_the_partition_that_kills_its_workers_is_blamed(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Dask blames all that is assigned to a worker: with its neighbours it is run alone.
    cluster = session.client.cluster
    assert cluster is not None
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 1)
    found = list(attempted(session.client, _poison, tmp_path, PARTS, under_way=6))
    (failed,) = [one for one in found if isinstance(one, Failed)]
    assert failed.partition.index == 7 and failed.alone and failed.killed
    assert "took several workers down" in failed.error.what
    done = sorted(one.result for one in found if isinstance(one, Done))
    assert done == [index for index in range(40) if index != 7]
    assert len((tmp_path / "tries").read_text()) == 4, "two with others, two alone"


def _works(work: Path, partition: Partition) -> int:
    (work / str(os.getpid())).touch()
    time.sleep(0.15)
    return partition.index


@pytest.mark.long
def test_workers_that_are_killed_at_random_cost_no_partition(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = session.client.cluster
    assert cluster is not None
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 1)  # far less than the 5 of a job
    dice, over = random.Random(7), threading.Event()

    def kill() -> None:
        for _ in range(4):
            over.wait(1.5)
            living = [int(path.name) for path in tmp_path.iterdir() if _alive(int(path.name))]
            if living and not over.is_set():
                os.kill(dice.choice(living), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        done = run(session, _works, tmp_path)
    finally:
        over.set()
        killer.join()
    assert sorted(one.result for one in done) == list(range(40))
    assert len(list(tmp_path.iterdir())) > 2, "workers were killed"
