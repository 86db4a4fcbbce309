"""The search over real boosters: what is tried, stopped, kept, and gone on with after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from engine.errors import Cancelled, SpecError, TrainingFailed
from engine.place.kept import Kept
from engine.tuning import sampler
from engine.tuning.curve import Brackets, Median, Never
from engine.tuning.history import History, Record
from engine.tuning.sampler import Grid, Random, Tpe
from engine.tuning.search import Search, best, search
from engine.tuning.space import Choice, Range
from tests.engine.tuning.booster_trials import BoosterTrials

SPACE = {
    "num_leaves": Range(2, 31, log=True),
    "learning_rate": Range(0.01, 0.5, log=True),
    "min_data_in_leaf": Choice((5, 20, 80)),
}


def searched(
    trials: BoosterTrials, wanted: Search, folder: Path, told=lambda one: None
) -> list[Record]:
    history = History(Kept.of(folder / "trials"))
    with trials:
        return search(trials, wanted, history, told=told, cancel=lambda: False)


def wanted(how=None, rule=None, trials: int = 8, rounds: int = 12) -> Search:
    return Search(how or Random(SPACE, 3), rule or Never(), trials, rounds, higher=False)


def facts(records: list[Record]) -> list[tuple]:
    """Return what must be the same every time.

    Up to the last digits: the boosters of these tests run in threads of one process, where OpenMP
    may add up with another number of threads. (Real trials are the same to the bit, see
    `test_boosted_trials`.)
    """

    def short(values: Iterable[float]) -> list[float]:
        return [float(f"{value:.10g}") for value in values]

    return [
        (
            *(one.number, one.params, one.state, one.best_round),
            *(short([] if one.value is None else [one.value]), short(one.folds), short(one.values)),
        )
        for one in records
    ]


def test_every_trial_is_kept_as_it_ended(tmp_path: Path) -> None:
    told: list[Record] = []
    trials = BoosterTrials()
    found = searched(trials, wanted(), tmp_path, told.append)
    assert [one.number for one in found] == list(range(8))
    assert told == found == list(History(Kept.of(tmp_path / "trials")).read().values())
    assert [dict(one.params) for one in trials.started] == [dict(one.params) for one in found]
    winner = best(found, higher=False)
    assert winner is not None and winner.value == min(one.value for one in found)
    assert winner.value == pytest.approx(sum(winner.folds) / 3)
    assert winner.values[winner.best_round - 1] == winner.value == min(winner.values)
    assert len({one.value for one in found}) == 8
    assert best(found, higher=True).value == max(one.value for one in found)


@pytest.mark.parametrize("how", [Random(SPACE, 3), Tpe(SPACE, 3, False)], ids=["random", "tpe"])
def test_one_at_a_time_the_search_is_the_same_every_time(how, tmp_path: Path) -> None:
    plan = wanted(how, Median(startup=3), trials=14)
    first = searched(BoosterTrials(), plan, tmp_path / "a")
    again = searched(BoosterTrials(), plan, tmp_path / "b")
    assert facts(first) == facts(again)
    assert any(one.state == "pruned" for one in first)


@pytest.mark.parametrize("kind", ["random", "grid"])
def test_what_is_tried_side_by_side_is_what_is_tried_one_by_one(kind: str, tmp_path: Path) -> None:
    small = {"num_leaves": Range(2, 4), "learning_rate": Choice((0.05, 0.3))}
    how = Grid(small, 3) if kind == "grid" else Random(SPACE, 3)
    one = searched(BoosterTrials(), wanted(how), tmp_path / "a")
    trials = BoosterTrials(slots=3)
    three = searched(trials, wanted(how), tmp_path / "b")
    assert facts(one) == facts(three)
    assert trials.most == 3
    assert len(one) == (6 if kind == "grid" else 8)


def test_no_more_at_once_than_asked_for(tmp_path: Path) -> None:
    trials = BoosterTrials(slots=4)
    searched(trials, replace(wanted(), parallel=2), tmp_path)
    assert trials.most == 2


def test_halving_gives_few_trials_all_rounds_and_finds_what_random_search_finds(
    tmp_path: Path,
) -> None:
    rule = Brackets(rounds=27, least=3, factor=3)
    halved = searched(BoosterTrials(), wanted(rule=rule, trials=20, rounds=27), tmp_path / "a")
    whole = searched(BoosterTrials(), wanted(trials=20, rounds=27), tmp_path / "b")
    spent = sum(len(one.values) for one in halved)
    assert spent < 0.6 * sum(len(one.values) for one in whole)
    assert {len(one.values) for one in halved if one.state == "pruned"} <= {3, 9}
    for short, long in zip(halved, whole, strict=True):
        assert short.params == long.params
        assert short.values == long.values[: len(short.values)]
    gap = best(halved, False).value - best(whole, False).value
    values = sorted(one.value for one in whole)
    assert gap <= values[5] - values[0]


def test_a_search_goes_on_as_if_it_had_not_been_ended(tmp_path: Path) -> None:
    plan = wanted(Tpe(SPACE, 5, False), Median(startup=3), trials=14)
    straight = searched(BoosterTrials(), plan, tmp_path / "a")
    ended: list[int] = []
    history = History(Kept.of(tmp_path / "b" / "trials"))
    with BoosterTrials() as trials, pytest.raises(Cancelled):
        search(
            trials,
            plan,
            history,
            told=lambda one: ended.append(one.number),
            cancel=lambda: len(ended) >= 11,
        )
    rest = BoosterTrials()
    resumed = searched(rest, plan, tmp_path / "b")
    assert [one.number for one in rest.started] == [11, 12, 13]
    assert facts(resumed) == facts(straight)


KILLED = """
import os, signal
from pathlib import Path
import tests.engine.tuning.test_search as t
def told(record):
    print(record.number, flush=True)
    if record.number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
t.searched(t.BoosterTrials(slots=2), t.wanted(trials=9), Path({folder!r}), told)
"""


def test_a_killed_driver_loses_no_trial_and_none_runs_twice(tmp_path: Path) -> None:
    code = KILLED.format(folder=str(tmp_path / "a"))
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = {int(line) for line in done.stdout.split()}
    assert 5 in before
    kept = History(Kept.of(tmp_path / "a" / "trials")).read()
    assert kept.keys() == before
    rest = BoosterTrials(slots=2)
    found = searched(rest, wanted(trials=9), tmp_path / "a")
    assert {one.number for one in rest.started} == set(range(9)) - before
    assert facts(found) == facts(searched(BoosterTrials(), wanted(trials=9), tmp_path / "b"))
    assert all(found[number] == one for number, one in kept.items())


def test_a_trial_that_fails_is_told_and_tried_again_by_the_next(tmp_path: Path) -> None:
    def fail(trial) -> None:
        if trial.number == 2:
            raise RuntimeError("the worker is out of luck")

    found = searched(BoosterTrials(before=fail), wanted(), tmp_path)
    assert [one.state for one in found].count("failed") == 1
    assert found[2].reason == "the worker is out of luck"
    rest = BoosterTrials()
    assert searched(rest, wanted(), tmp_path)[2].state == "done"
    assert [one.number for one in rest.started] == [2]


def test_trials_that_all_fail_end_the_search_with_the_reason(tmp_path: Path) -> None:
    trials = BoosterTrials()
    plan = wanted(Random({"num_leaves": Choice((1, -1))}, 3))
    with pytest.raises(TrainingFailed, match="num_leaves") as caught:
        searched(trials, plan, tmp_path)
    assert len(trials.started) == 3
    assert caught.value.where == "tune"


def test_when_the_time_is_over_no_trial_begins_and_those_under_way_stop(tmp_path: Path) -> None:
    gate = threading.Event()
    trials = BoosterTrials(slots=2, before=lambda one: one.number != 1 or gate.wait(60))
    history = History(Kept.of(tmp_path / "trials"))

    def told(record: Record) -> None:
        gate.set()

    plan = replace(wanted(rounds=4000), seconds=0.001)
    with trials:
        found = search(trials, plan, history, told=told, cancel=lambda: False)
    assert [one.state for one in found] == ["done", "pruned"]
    assert len(trials.started) == 2
    again = BoosterTrials()
    assert searched(again, plan, tmp_path) == found
    assert again.started == []


def test_tpe_beats_random_draws_where_it_knows_more(tmp_path: Path) -> None:
    """On a bowl; from the same number of trials, in the mean of seeds."""
    bowl = {"x": Range(-5.0, 5.0), "y": Range(-5.0, 5.0)}

    def lowest(kind: type, seed: int) -> float:
        how = kind(bowl, seed) if kind is Random else kind(bowl, seed, False)
        records: list[Record] = []
        for number in range(40):
            params = how.params(number, records, {})
            value = (params["x"] - 2) ** 2 + (params["y"] + 1) ** 2
            records.append(Record(number, params, "done", value, 1, (), (1,), (value,)))
        return min(one.value for one in records)

    tpe = sum(lowest(Tpe, seed) for seed in range(4))
    assert tpe < 0.5 * sum(lowest(Random, seed) for seed in range(4))


def test_tpe_looks_for_more_where_more_is_better_and_does_not_repeat_what_is_under_way() -> None:
    line = {"x": Range(0.0, 1.0)}
    records = [Record(n, {"x": n / 20}, "done", n / 20, 1, (), (1,), (n / 20,)) for n in range(20)]
    up = [Tpe(line, seed, True).params(20, records, {})["x"] for seed in range(8)]
    down = [Tpe(line, seed, False).params(20, records, {})["x"] for seed in range(8)]
    assert min(up) > 0.5 > max(down)
    alone = Tpe(line, 1, True).params(20, records, {})
    beside = Tpe(line, 1, True).params(20, records, {20 + k: {"x": 0.95} for k in range(5)})
    assert alone != beside


def test_what_tpe_suggests_depends_on_seed_and_number() -> None:
    line = {"x": Range(0.0, 1.0)}
    found = [Tpe(line, 1, True).params(number, [], {})["x"] for number in range(6)]
    assert len(set(found)) == 6
    assert found == [Tpe(line, 1, True).params(number, [], {})["x"] for number in range(6)]
    assert found[0] != Tpe(line, 2, True).params(0, [], {})["x"]


def test_what_failed_or_was_stopped_does_not_break_tpe() -> None:
    records = [
        Record(0, {"x": 0.1}, "failed", reason="no"),
        Record(1, {"x": 0.2}, "pruned"),
        Record(2, {"x": 0.3}, "pruned", 0.4, 3, (), (1, 3), (0.5, 0.4)),
        *(Record(n, {"x": n / 20}, "done", 1.0, 1, (), (1,), (1.0,)) for n in range(3, 15)),
    ]
    found = Tpe({"x": Range(0.0, 1.0)}, 1, False).params(15, records, {})
    assert 0 <= found["x"] <= 1


def test_optuna_is_quiet_meanwhile_and_as_before_afterwards(capfd) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    Tpe({"x": Range(0.0, 1.0)}, 1, False).params(0, [], {})
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr().err == ""


def test_without_optuna_the_user_is_told_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpecError, match="Optuna") as caught:
        sampler.assert_installed("tune.method")
    assert "millrace[tune]" in caught.value.hint


def test_a_trial_that_was_stopped_wins_only_where_none_came_to_its_end() -> None:
    stopped = Record(0, {}, "pruned", 0.1, 1)
    done = Record(1, {}, "done", 0.2, 1)
    assert best([stopped, done], False) is done
    assert best([stopped, Record(2, {}, "failed")], False) is stopped
    assert best([], False) is None
