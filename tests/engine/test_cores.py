"""Cores that tasks hold, and lend while they wait."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from engine import cores


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with one core."""
    monkeypatch.setattr(cores, "_cores", threading.BoundedSemaphore(1))


@pytest.mark.usefixtures("one")
def test_one_computes_at_a_time_and_another_while_it_waits() -> None:
    computing, most, waiting = 0, [], threading.Barrier(2)

    def task() -> None:
        nonlocal computing
        for _ in range(50):
            with cores.held():
                computing += 1
                most.append(computing)
                computing -= 1
                with cores.lent():
                    waiting.wait(10)  # both wait at once, though there is one core

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(task), pool.submit(task)]:
            done.result(20)
    assert set(most) == {1}


@pytest.mark.usefixtures("one")
def test_an_error_gives_the_core_back_whether_held_or_lent() -> None:
    with suppress(ZeroDivisionError), cores.held(), cores.lent():
        raise ZeroDivisionError
    with suppress(ZeroDivisionError), cores.held():
        raise ZeroDivisionError
    with cores.held():
        assert not cores._cores.acquire(blocking=False)  # type: ignore[union-attr]
    with cores.lent():  # nothing is held here: nothing is given away
        assert cores._cores.acquire(blocking=False)  # type: ignore[union-attr]


@pytest.mark.usefixtures("one")
def test_what_is_asked_for_together_lends_the_core_meanwhile() -> None:
    free = []

    def ask(one: int) -> int:
        if cores._cores.acquire(timeout=10):  # type: ignore[union-attr]
            free.append(one)
            cores._cores.release()  # type: ignore[union-attr]
        return -one

    with cores.held():
        assert cores.together(ask, [3, 1, 2], 2) == [-3, -1, -2]
        assert not cores._cores.acquire(blocking=False)  # type: ignore[union-attr]
    assert sorted(free) == [1, 2, 3]
    assert cores.together(ask, [], 2) == []


def test_elsewhere_than_in_a_worker_nobody_waits() -> None:
    assert cores._cores is None
    with cores.held(), cores.held(), cores.lent():
        pass
