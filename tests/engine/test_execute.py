"""The bounded map over partitions, on real worker processes."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine.errors import InputError, TaskFailed
from engine.execute import Done, Failed, attempted, in_order, over_partitions
from engine.plan import Partition, RowGroup, partitions

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


def run(session: Session, function: object, work: object) -> list[Done[int]]:
    return list(over_partitions(session.client, function, work, PARTS, threads=2))  # type: ignore[arg-type]


def test_every_partition_is_worked_on_once(session: Session) -> None:
    done = run(session, _rows, 2)
    assert sorted(one.partition.index for one in done) == list(range(40))
    assert sum(one.result for one in done) == 80
    assert all(one.peak > 2**20 for one in done)


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
