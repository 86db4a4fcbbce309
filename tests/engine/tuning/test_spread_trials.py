"""Trials that take the whole cluster: what is told of their folds, and how they end."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from engine.errors import Cancelled, Outage, TrainingFailed
from engine.place.kept import Kept
from engine.tuning.curve import Averaged, Median, Never
from engine.tuning.history import History, Record
from engine.tuning.sampler import Grid
from engine.tuning.search import Search, best, search
from engine.tuning.space import Choice
from engine.tuning.spread.fold import FoldWorth, Told
from engine.tuning.spread.trials import SpreadTrials, together
from engine.tuning.trial import Trial

SPACE = {"x": Choice(tuple(range(12)))}
HARD = (0.0, 10.0, 20.0)
"""What each fold adds: a mean over fewer folds looks better than it is."""


@dataclass
class Distances:
    """A fit whose loss is how far ``x`` is from 7, in each fold.

    Attributes:
        failing: What is raised for some values of ``x``.
        curve: Losses by round beside that; none: it does not learn in rounds.
        slow: Seconds of a fit, in which it looks whether it is cancelled.
        done: Value and fold of each fit.
    """

    failing: dict[int, Exception] = field(default_factory=dict)
    curve: tuple[float, ...] = ()
    slow: float = 0.0
    folds: int = 3
    closed: int = 0
    done: list[tuple[int, int]] = field(default_factory=list)

    @property
    def rounds(self) -> bool:
        return bool(self.curve)

    def fit(self, trial: Trial, fold: int, *, told: Told, cancel: Callable[[], bool]) -> FoldWorth:
        x = trial.params["x"]
        if x in self.failing:
            raise self.failing[x]
        until = time.monotonic() + self.slow
        while time.monotonic() < until:
            if cancel():
                raise Cancelled("in the middle")
            time.sleep(0.005)
        self.done.append((x, fold))
        values = tuple(abs(x - 7) + HARD[fold] + more for more in self.curve or (0.0,))
        for number, value in enumerate(values if self.curve else (), 1):
            told(number, value)
        return FoldWorth(values, peak=1000 + fold)

    def close(self) -> None:
        self.closed += 1


def wanted(trials: int = 12) -> Search:
    return Search(Grid(SPACE, 3), Never(), trials, 50, higher=False, curve=Averaged)


def searched(
    fitting: Distances,
    plan: Search,
    folder: Path,
    alive: Callable[[], bool] = lambda: True,
    cancel: Callable[[], bool] = lambda: False,
) -> list[Record]:
    history = History(Kept.of(folder / "trials"))
    with SpreadTrials(fitting, plan.higher, alive) as trials:
        return search(trials, plan, history, told=lambda one: None, cancel=cancel)


def test_a_trial_is_worth_the_mean_over_all_folds(tmp_path: Path) -> None:
    fitting = Distances()
    found = searched(fitting, wanted(), tmp_path)
    assert [one.value for one in found] == [abs(one.params["x"] - 7) + 10 for one in found]
    winner = best(found, higher=False)
    assert winner is not None and winner.params == {"x": 7}
    assert (winner.folds, winner.best_round, winner.peak_memory) == ((0.0, 10.0, 20.0), 0, 1002)
    assert (winner.rounds, winner.values) == ((1, 2), (0.0, 5.0))
    assert fitting.closed == 1 and len(fitting.done) == 36


def test_a_trial_is_compared_with_others_after_as_many_folds(tmp_path: Path) -> None:
    fitting = Distances(slow=0.03)  # the rule is asked while the next fold is under way
    found = searched(fitting, replace(wanted(), rule=Median(startup=5, warmup=1)), tmp_path)
    pruned = [one for one in found if one.state == "pruned"]
    assert pruned and all(one.number >= 5 for one in pruned)
    assert all(one.rounds == (1, 2) for one in pruned)
    assert all(one.best_round == 0 and one.value == one.values[-1] for one in pruned)
    assert len(fitting.done) < 36
    winner = best(found, higher=False)
    assert winner is not None and winner.state == "done"


def test_on_validation_rows_each_round_is_heard(tmp_path: Path) -> None:
    fitting = Distances(folds=1, curve=(3.0, 1.0, 2.0))
    found = searched(fitting, wanted(3), tmp_path)
    for one in found:
        distance = abs(one.params["x"] - 7)
        assert one.values == (distance + 3.0, distance + 1.0, distance + 2.0)
        assert (one.value, one.best_round, one.rounds) == (distance + 1.0, 2, (1, 2, 3))


def test_folds_are_worth_the_round_that_is_best_on_their_mean() -> None:
    first, second = FoldWorth((5.0, 1.0, 4.0, 0.0), 0), FoldWorth((5.0, 9.0, 4.0), 0)
    found = together([first, second], 1)
    assert (found.value, found.round, found.folds) == (4.0, 3, (4.0, 4.0))
    assert together([first, second], -1).value == 5.0
    assert together([FoldWorth((math.nan, 2.0), 0)], 1).round == 2
    assert together([FoldWorth((math.nan,), 0)], 1).value is None
    assert together([], 1).value is None


def test_a_trial_that_fails_is_told_so_and_the_search_goes_on(tmp_path: Path) -> None:
    fitting = Distances({3: TrainingFailed("it grew beyond all bounds")})
    found = {one.params["x"]: one for one in searched(fitting, wanted(), tmp_path)}
    assert (found[3].state, found[3].value) == ("failed", None)
    assert "beyond all bounds" in found[3].reason
    assert all(one.state == "done" for x, one in found.items() if x != 3)


def test_what_concerns_all_trials_ends_the_search(tmp_path: Path) -> None:
    points = Grid(SPACE, 3)
    second = points.params(1, [], {})
    assert second is not None
    fitting = Distances({second["x"]: Outage("the store is away")})
    with pytest.raises(Outage):
        searched(fitting, wanted(), tmp_path)
    assert len(History(Kept.of(tmp_path / "trials")).read()) == 1
    fitting = Distances({second["x"]: TrainingFailed("no answer")})
    with pytest.raises(TrainingFailed, match="no answer"):
        searched(fitting, wanted(), tmp_path, alive=lambda: False)
    assert len(History(Kept.of(tmp_path / "trials")).read()) == 1


def test_a_search_that_was_cancelled_ends_at_once_and_goes_on_later(tmp_path: Path) -> None:
    fitting = Distances(slow=0.02)

    def cancel() -> bool:
        fitting.slow = 60.0 if len(fitting.done) >= 7 else fitting.slow
        return len(fitting.done) >= 7

    began = time.monotonic()
    with pytest.raises(Cancelled):
        searched(fitting, wanted(), tmp_path, cancel=cancel)
    assert time.monotonic() - began < 20
    assert fitting.closed == 1
    assert not [one for one in threading.enumerate() if one.name.startswith("trial-")]
    kept = {one.params["x"] for one in History(Kept.of(tmp_path / "trials")).read().values()}
    assert len(kept) == 2
    again = Distances()
    found = searched(again, wanted(), tmp_path)
    assert len(found) == 12
    assert not kept & {x for x, _ in again.done}


def test_time_that_is_over_stops_the_trial_under_way(tmp_path: Path) -> None:
    fitting = Distances(slow=0.3)
    found = searched(fitting, replace(wanted(), seconds=1.1), tmp_path)
    assert [one.state for one in found] == ["done", "pruned"]
