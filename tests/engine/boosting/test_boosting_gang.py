"""The client's and the workers' side of a gang, piece by piece: no cluster is started."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.boosting.checkpoint import Checkpoint, read, write
from engine.boosting.gang import scratch
from engine.boosting.gang.cancelling import PATIENCE, Cancelling
from engine.boosting.gang.orders import fingerprint, training_key
from engine.boosting.gang.ports import listening, own_address
from engine.boosting.gang.saved import Saved
from engine.boosting.gang.seating import seated
from engine.boosting.learning import Learning
from engine.boosting.source import ShardPart
from engine.boosting.work import Goal
from engine.errors import Cancelled, SpecError, TrainingFailed
from engine.metrics.measure import Measure
from engine.place.kept import Kept
from engine.plan import Partition

HOST = "127.0.0.1"
FEATURES = ("a", "b")
PARTS = [ShardPart(Partition(0, (), 100, 0, 0, 0), 80, 20)]
LEARNING = Learning("binary", rounds=10, schedule=float)
GOAL = Goal(LEARNING, {"num_leaves": 7, "num_threads": 1}, Measure("binary"), "log_loss", True)


@contextmanager
def _taken(port: int = 0) -> Iterator[int]:
    with socket.socket() as other:
        other.bind((HOST, port))
        other.listen()
        yield other.getsockname()[1]


def _free_range(count: int) -> int:
    """Return the first of so many ports in a row that are free."""
    for low in range(21_000, 31_000, count):
        try:
            sockets = [socket.create_server((HOST, low + i)) for i in range(count)]
        except OSError:
            continue
        for each in sockets:
            each.close()
        return low
    raise AssertionError("no ports")


def test_ports_are_the_first_free_ones_of_the_range() -> None:
    low = _free_range(4)
    with _taken(low + 1):
        pair = listening(HOST, (low, low + 3), "tcp://w")
        assert [kept.getsockname() for kept in pair] == [(HOST, low), (HOST, low + 2)]
        with pytest.raises(TrainingFailed, match=f"tcp://w has fewer .* in {low}-{low + 3}"):
            listening(HOST, (low, low + 3), "tcp://w")
        with socket.create_server((HOST, low + 3)):  # the refused attempt has let go of the last
            pass
    for kept in pair:
        kept.close()


def test_any_port_will_do_without_a_range() -> None:
    pair = listening(HOST, None, "tcp://w")
    assert len({kept.getsockname()[1] for kept in pair} - {0}) == 2
    for kept in pair:
        kept.close()


def test_the_address_is_the_one_in_the_network() -> None:
    assert own_address("tcp://127.0.0.1:5", None) == HOST
    assert own_address("tcp://10.9.9.9:5", "127.0.0.0/8") == HOST
    with pytest.raises(SpecError, match=r"tcp://w has no address in 203\.0\.113\.0/24: .*127\.0"):
        own_address("tcp://w", "203.0.113.0/24")


def test_a_checkpoint_of_the_same_training_is_found(tmp_path: Path) -> None:
    file = tmp_path / "c"
    first = Saved(Kept.of(file), "key")
    assert first.keep(Checkpoint(5, 9, "trees", {"best_round": 3, "seconds": 0.0}))
    assert not first.keep(Checkpoint(4, 9, "older"))
    second = Saved(Kept.of(file), "key")
    assert "from round 5" in second.find()
    start = second.start()
    assert start is not None
    assert (start.round, start.model, start.state["best_round"]) == (5, "trees", 3)
    assert "round 5 is kept" in second.told()
    second.remove()
    assert not file.exists()


def test_a_foreign_or_damaged_checkpoint_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "c"
    write(file, Checkpoint(5, 9, "trees", key="other"))
    saved = Saved(Kept.of(file), "key")
    assert "of another training" in saved.find()
    assert saved.start() is None
    file.write_bytes(file.read_bytes()[:-1])
    assert "damaged" in saved.find()
    assert saved.start() is None
    assert "begins anew" in saved.told()


def test_without_a_file_the_checkpoint_is_in_memory(tmp_path: Path) -> None:
    saved = Saved(None, "key")
    assert saved.find() == ""
    assert saved.keep(Checkpoint(5, 9, "trees"))
    assert saved.start() is not None
    assert "begins anew" in saved.told()
    saved.remove()


def test_a_full_disk_costs_the_file_not_the_training(tmp_path: Path) -> None:
    (tmp_path / "no folder").touch()
    saved = Saved(Kept.of(tmp_path / "no folder" / "c"), "key")
    assert saved.keep(Checkpoint(5, 9, "trees"))
    assert saved.round == 5
    assert "begins anew" in saved.told()


def test_the_clock_counts_earlier_runs_and_lost_time(tmp_path: Path) -> None:
    file = tmp_path / "c"
    write(file, Checkpoint(5, 9, "trees", {"seconds": 1000.0}, "key"))
    saved = Saved(Kept.of(file), "key")
    saved.find()
    saved.begin()
    time.sleep(0.05)
    assert saved.keep(Checkpoint(6, 9, "trees", {"seconds": 1000.01}))
    start = saved.start()
    assert start is not None
    assert 1000.05 <= read(file).state["seconds"] <= start.state["seconds"] < 1010


@pytest.mark.parametrize(
    ("goal", "same"),
    [
        (GOAL, True),
        (replace(GOAL, params={"num_leaves": 7, "num_threads": 8}), True),
        (replace(GOAL, learning=replace(LEARNING, max_seconds=5.0)), True),
        (replace(GOAL, learning=replace(LEARNING, schedule=lambda number: 1.0 * number)), True),
        (replace(GOAL, learning=replace(LEARNING, schedule=lambda number: 0.1)), False),
        (replace(GOAL, learning=replace(LEARNING, seed=7)), False),
        (replace(GOAL, learning=replace(LEARNING, rounds=11)), False),
        (replace(GOAL, params={"num_leaves": 8, "num_threads": 1}), False),
        (replace(GOAL, metric="auc"), False),
    ],
)
def test_a_training_is_named_by_what_decides_the_model(goal: Goal, same: bool) -> None:
    key = training_key(GOAL, b"bins", FEATURES, PARTS)
    assert (training_key(goal, b"bins", FEATURES, PARTS) == key) is same


def test_a_training_is_named_by_its_data() -> None:
    keys = {
        training_key(GOAL, b"bins", FEATURES, PARTS),
        training_key(GOAL, b"pins", FEATURES, PARTS),
        training_key(GOAL, b"bins", ("a", "c"), PARTS),
        training_key(GOAL, b"bins", FEATURES, [replace(PARTS[0], train=79)]),
    }
    assert len(keys) == 4
    assert fingerprint(b"a", b"bc") != fingerprint(b"ab", b"c")


def _aged(folder: Path, days: float) -> None:
    then = time.time() - days * scratch.DAY
    os.utime(folder, (then, then))


def _folder(root: Path, name: str, keep: bool = False) -> Path:
    with scratch.in_use(root, name, keep) as folder:
        (folder / "bins").write_bytes(b"x")
    return folder


def test_old_folders_of_bins_are_swept(tmp_path: Path) -> None:
    for name, days, keep in (
        ("new", 0.9, False), ("old", 1.1, False), ("kept", 6.9, True), ("forgotten", 7.1, True)
    ):  # fmt: skip
        _aged(_folder(tmp_path, name, keep), days)
    assert _folder(tmp_path, "mine") == tmp_path / "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "mine", "new"]


def test_a_folder_in_use_stays(tmp_path: Path) -> None:
    worker: Any = SimpleNamespace(local_directory=str(tmp_path / "worker"))
    root = scratch.root(worker)
    with scratch.in_use(root, "mine", False) as folder:
        _aged(folder, 3)
        scratch.sweep(root, time.time())
        scratch.leave_behind("mine", False, worker)
        assert folder.exists(), "another training on this host has ended"
        with scratch.in_use(root, "mine", False):
            pass
    scratch.leave_behind("mine", False, worker)
    assert not folder.exists()


def test_use_makes_a_folder_young(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "mine")
    _aged(folder, 3)
    scratch.used(folder)
    scratch.sweep(tmp_path, time.time())
    assert folder.exists()


@pytest.mark.parametrize("keep", [True, False])
def test_what_a_training_leaves_behind(tmp_path: Path, keep: bool) -> None:
    worker: Any = SimpleNamespace(local_directory=str(tmp_path / "worker"))
    folder = _folder(scratch.root(worker), "mine", keep)
    (folder / "checkpoint-1.txt").touch()
    scratch.leave_behind("mine", keep, worker)
    left = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    assert left == (["bins", "in-use", "kept"] if keep else [])
    scratch.leave_behind("unknown", keep, worker)


def test_a_wish_to_end_waits_for_the_round() -> None:
    asked: list[bool] = []
    wish = Cancelling(lambda: True, lambda: asked.append(True))
    wish.look(boosting=True)
    wish.look(boosting=True)
    assert (asked, wish.asked) == ([True], True)


def test_a_wish_to_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    wish = Cancelling(lambda: True, lambda: None)
    wish.look(boosting=True)
    now = time.monotonic() + PATIENCE + 1
    monkeypatch.setattr("engine.boosting.gang.cancelling.time.monotonic", lambda: now)
    with pytest.raises(Cancelled, match="middle of a round"):
        wish.look(boosting=True)


def test_before_the_first_round_there_is_nothing_to_wait_for() -> None:
    asked: list[bool] = []
    wish = Cancelling(lambda: True, lambda: asked.append(True))
    with pytest.raises(Cancelled):
        wish.look(boosting=False)
    assert not asked


def test_the_second_interrupt_ends_at_once() -> None:
    wish = Cancelling(lambda: False, lambda: None)
    wish.interrupted()
    wish.look(boosting=True)
    assert wish.asked
    with pytest.raises(KeyboardInterrupt):
        wish.interrupted()


A1, A2, A3 = (f"tcp://10.0.0.1:{port}" for port in (1, 2, 3))
B1, B2 = (f"tcp://10.0.0.2:{port}" for port in (1, 2))


@pytest.mark.parametrize(
    ("before", "now", "seats"),
    [
        ([A1, B1], [A1, B1], [(A1, 0), (B1, 1)]),
        ([A2, A3], [A1, A3], [(A1, 0), (A3, 1)]),  # the first was started anew
        ([A1, A2, B1], [A3, B1], [(A3, 0), (B1, 2)]),  # one is gone: its rows are dealt
        ([A1, B1], [B1], [(B1, 1)]),
        ([A1, B1], [A1, A2], [(A1, 0), (A2, None)]),  # another host's disk has other rows
        ([A1, A2, B1], [B1, B2, A2], [(A2, 1), (B1, 2), (B2, None)]),
    ],
)
def test_ranks_go_to_those_who_have_their_rows(
    before: list[str], now: list[str], seats: list[tuple[str, int | None]]
) -> None:
    assert seated(before, now) == seats
