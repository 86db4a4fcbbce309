"""Trials on a real cluster of worker processes: side by side, killed, stopped, leaving nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client, Lock
from trial_processes import trial_processes
from trial_rows import Dealt, Drawn

from cluster.resources import Resources, pin
from cluster.session import connect
from cluster.spec import LocalCluster
from engine import memory
from engine.boosting import Conduct, Learning, Timeouts
from engine.boosting.gang.scratch import root
from engine.memory import Boosting, Shape
from engine.plan import Partition
from engine.tuning.boosted.study import study
from engine.tuning.boosted.trials import BoostedTrials
from engine.tuning.boosted.work import WAIT_SECONDS
from engine.tuning.trial import Ended, Heard, Trial

MEMORY = 2**30
PARTS, ROUNDS = 5, 25
FAST = Timeouts(beat=0.2, silence=6, frozen=4, answer=30, leave=4)

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
        yield session.client


def opened(client: Client, source: Drawn, rounds: int = ROUNDS, **changes: Any) -> BoostedTrials:
    conduct = Conduct(**{"memory": MEMORY, "timeouts": FAST, **changes})
    learning = Learning("binary", {"num_leaves": 15}, rounds)
    parts, sample = source.parts(PARTS), source.sample(PARTS)
    resources = Resources(2, 1, MEMORY)
    return BoostedTrials(client, study(resources, source, parts, sample, learning, conduct, each=1))


def ended(
    trials: BoostedTrials, count: int, hear: Callable[[Heard], None] = lambda heard: None
) -> dict[int, Ended]:
    found: dict[int, Ended] = {}
    while len(found) < count:
        for event in trials.heard(1.0):
            if isinstance(event, Heard):
                hear(event)
            else:
                found[event.trial] = event
    return found


def nothing_of(client: Client, trials: BoostedTrials) -> None:
    """Assert that no file, task or lock of trials is left."""
    name = trials._study.bench.fingerprint
    folders = client.run(lambda dask_worker: str(root(dask_worker) / name))
    deadline = time.monotonic() + 30  # a worker that was frozen has only just woken
    while left := [folder for folder in folders.values() if Path(folder).exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert not client.futures
    for worker in folders:
        lock = Lock(pin(worker), client.scheduler, client.loop)
        assert lock.acquire(timeout="1 s")
        lock.release()


def test_side_by_side_is_as_alone(client: Client) -> None:
    """The same bits of every round, whichever worker a trial ran on and whatever ran beside it."""
    params = [{"eta": 0.1}, {"eta": 0.3}, {"bagging_fraction": 0.5, "bagging_freq": 1}]
    rounds: list[Heard] = []
    with opened(client, Dealt()) as trials:
        assert trials.slots == 2
        for number in (0, 1):
            trials.start(Trial(number, params[number], ROUNDS))
        both = ended(trials, 2, rounds.append)
        trials.start(Trial(2, params[2], 10))
        trials.start(Trial(3, {"max_bin": 31}, 10))
        trials.start(Trial(4, {"boosting": "dart", "extra_trees": "perhaps"}, 10))
        rest = ended(trials, 3)
    nothing_of(client, trials)
    assert {one.state for one in both.values()} == {"done"}
    assert rest[2].state == "done" and rest[2].best_round <= 10
    assert "'max_bin' cannot be tuned" in rest[3].reason
    assert "'extra_trees' should be" in rest[4].reason
    assert [one.round for one in rounds if one.trial == 1] == list(range(1, ROUNDS + 1))
    alone: list[Heard] = []
    with opened(client, Dealt()) as trials:
        trials.start(Trial(1, params[1], ROUNDS))
        again = ended(trials, 1, alone.append)[1]
    assert alone == [one for one in rounds if one.trial == 1]
    assert (again.value, again.folds) == (both[1].value, both[1].folds)


def test_trials_follow_each_other_in_one_process(client: Client) -> None:
    """Also after one that was stopped; and the rows that it holds are as if just loaded."""
    processes: set[int] = set()
    asked = [{"eta": 0.1}, {"num_leaves": 31, "min_data_in_leaf": 3}, {"eta": 0.1}]

    def hear(one: Heard) -> None:
        processes.update(process.pid for process in trial_processes())
        if one.trial == 2 and one.round == 3:
            trials.stop(2)

    found: dict[int, Ended] = {}
    with opened(client, Dealt(), rounds=4_000) as trials:
        for number, params in enumerate([*asked[:2], {}, asked[2]]):
            trials.start(Trial(number, params, 4_000 if number == 2 else ROUNDS))
            found |= ended(trials, 1, hear)
    assert len(processes) == 1
    assert [found[number].state for number in range(4)] == ["done", "done", "pruned", "done"]
    assert (found[3].value, found[3].folds) == (found[0].value, found[0].folds)
    with opened(client, Dealt()) as trials:
        trials.start(Trial(1, asked[1], ROUNDS))
        alone = ended(trials, 1)[1]
    assert (alone.value, alone.folds) == (found[1].value, found[1].folds)
    nothing_of(client, trials)


@pytest.mark.long
def test_a_process_that_nobody_asks_ends_itself(client: Client) -> None:
    """As when the client was killed, which could not say that the study is over."""
    with opened(client, Dealt()) as trials:
        trials.start(Trial(0, {}, ROUNDS))
        ended(trials, 1)
        (waiting,) = trial_processes()
        deadline = time.monotonic() + 60 + WAIT_SECONDS
        while waiting.status() != psutil.STATUS_ZOMBIE:  # its worker has not looked yet
            assert time.monotonic() < deadline
            time.sleep(0.2)
        trials.start(Trial(1, {}, ROUNDS))
        assert ended(trials, 1)[1].state == "done"
    nothing_of(client, trials)


def test_a_killed_process_begins_anew_and_no_round_is_told_twice(client: Client) -> None:
    rounds: list[Heard] = []

    def hear(heard: Heard) -> None:
        rounds.append(heard)
        if len(rounds) == 1:
            os.kill(trial_processes()[0].pid, signal.SIGKILL)

    with opened(client, Dealt(rows=6_000), rounds=60) as trials:
        trials.start(Trial(0, {}, 60))
        one = ended(trials, 1, hear)[0]
        whole = [heard.value for heard in rounds]
        assert [heard.round for heard in rounds] == list(range(1, 61))
        assert (one.state, one.value) == ("done", min(whole))
        trials.start(Trial(1, {}, 60))
        other = ended(trials, 1)[1]
    assert (other.value, other.folds) == (one.value, one.folds)
    nothing_of(client, trials)


def test_a_process_that_is_killed_again_has_failed(client: Client) -> None:
    with opened(client, Dealt(fault="kill", at=1)) as trials:
        trials.start(Trial(0, {}, ROUNDS))
        one = ended(trials, 1)[0]
    assert (one.state, one.value) == ("failed", None)
    assert "was lost again" in one.reason and "SIGKILL" in one.reason
    nothing_of(client, trials)


def test_too_much_memory_ends_a_trial_at_once(client: Client) -> None:
    with opened(client, Dealt(fault="memory", at=1), memory=400 * 2**20) as trials:
        trials.start(Trial(0, {}, ROUNDS))
        one = ended(trials, 1)[0]
    assert one.state == "failed"
    assert "their bound is 400 MiB" in one.reason


def test_stopped_trials_are_pruned_and_the_others_go_on(client: Client) -> None:
    heard: dict[int, list[Heard]] = {0: [], 1: [], 2: []}
    with opened(client, Dealt(rows=20_000), rounds=4_000) as trials:

        def hear(one: Heard) -> None:
            heard[one.trial].append(one)
            if one.trial == 0 and one.round == 5:
                trials.stop(0)

        trials.start(Trial(0, {}, 4_000))
        trials.start(Trial(1, {"eta": 0.05}, 30))
        trials.start(Trial(2, {}, 30))  # waits for a worker
        trials.stop(2)
        found = ended(trials, 3, hear)
    assert {n: one.state for n, one in found.items()} == {0: "pruned", 1: "done", 2: "pruned"}
    assert found[0].value == min(one.value for one in heard[0])
    assert found[0].folds == heard[0][found[0].best_round - 1].folds
    assert (found[2].value, found[2].best_round) == (None, 0)
    nothing_of(client, trials)


def test_leaving_ends_what_runs(client: Client) -> None:
    with pytest.raises(KeyError), opened(client, Dealt(rows=20_000), rounds=4_000) as trials:
        trials.start(Trial(0, {}, 4_000))
        trials.start(Trial(1, {}, 4_000))
        while not list(trials.heard(1.0)):
            continue
        raise KeyError
    assert not trial_processes()
    nothing_of(client, trials)


@pytest.mark.alone
@pytest.mark.parametrize(
    "fault", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.long)]
)
def test_trials_of_a_lost_worker_begin_anew_elsewhere(client: Client, fault: int) -> None:
    rounds: list[Heard] = []
    workers: list[int] = []

    def hear(heard: Heard) -> None:
        rounds.append(heard)
        if not workers:
            workers.append(trial_processes()[0].ppid())
            os.kill(workers[0], fault)

    with opened(client, Dealt(rows=6_000), rounds=60) as trials:
        for number in (0, 1):
            trials.start(Trial(number, {}, 60))
        found = ended(trials, 2, hear)
    if fault == signal.SIGSTOP:
        os.kill(workers[0], signal.SIGCONT)
    assert {one.state for one in found.values()} == {"done"}
    assert found[0].folds == found[1].folds
    for number in found:
        assert [one.round for one in rounds if one.trial == number] == list(range(1, 61))
    client.wait_for_workers(2, timeout=60)
    nothing_of(client, trials)


@pytest.mark.slow
def test_measured_memory_stays_below_the_plan(client: Client) -> None:
    """Two trials at once in one worker, three folds each."""
    source = Dealt(rows=20_000)
    bytes_ = source.rows * 5 * 8
    partitions = [Partition(i, (), source.rows, bytes_, bytes_, 0) for i in range(PARTS)]
    shape = Shape(partitions, 5, threads=2, columns=5)
    boosting = Boosting(PARTS * source.rows, 63, 255, row_wise=False)
    terms = memory.trials(shape, boosting, False, folds=3, each=2)
    learning = Learning("binary", {"num_leaves": 63}, 30)
    made = study(
        Resources(1, 2, MEMORY), source, source.parts(PARTS), source.sample(PARTS),
        learning, Conduct(memory=MEMORY), each=2,
    )  # fmt: skip
    with (
        connect(LocalCluster(workers=1, threads=2, memory="1 GiB")) as session,
        BoostedTrials(session.client, made) as trials,
    ):
        assert trials.slots == 2
        for number in (0, 1):
            trials.start(Trial(number, {}, 30))
        found = ended(trials, 2)
    assert {one.state for one in found.values()} == {"done"}
    most = max(one.peak_memory for one in found.values())
    # Not far below either: two trials need not have their peaks at the same moment.
    assert 0.3 < most / sum(term.bytes for term in terms) <= 1
