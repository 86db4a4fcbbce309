from __future__ import annotations

from collections import Counter

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tuning.curve import Brackets, Curve, Median

LOSSES = st.lists(st.integers(0, 30).map(float), min_size=1, max_size=8)


@given(LOSSES, LOSSES)
def test_a_curve_grown_round_by_round_is_that_of_all_rounds(first: list, more: list) -> None:
    losses = first + more
    grown = Curve()
    for round, loss in enumerate(losses, 1):
        grown = grown.and_then(round, loss)
    assert grown == Curve.of(range(1, len(losses) + 1), losses, False)
    assert [grown.at(k) for k in range(1, len(losses) + 1)] == [
        min(losses[:k]) for k in range(1, len(losses) + 1)
    ]


def test_who_is_done_stands_with_its_best_at_later_rounds_and_who_was_stopped_does_not() -> None:
    assert Curve((1, 2), (5.0, 4.0), True).at(9) == 4.0
    assert Curve((1, 2), (5.0, 4.0), False).at(9) is None
    assert Curve((2, 4), (5.0, 4.0), False).at(3) == 5.0
    assert Curve((2, 4), (5.0, 4.0), False).at(1) is None
    assert Curve(done=True).at(1) is None


@given(
    st.lists(st.lists(st.integers(0, 9).map(float), min_size=6, max_size=6), max_size=7),
    st.lists(st.integers(0, 9).map(float), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(0, 4),
)
def test_the_median_rule_is_that_of_optuna(
    others: list, own: list, startup: int, warmup: int
) -> None:
    pruner = optuna.pruners.MedianPruner(startup, warmup)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Optuna compares the best so far with what others had at a step; here others count with
    # their best so far too, so they are given such.
    best = [Curve.of(range(1, 7), losses, True) for losses in others]
    study = optuna.create_study(pruner=pruner)
    for curve in best:
        steps = dict(zip(curve.rounds, curve.best, strict=True))
        study.add_trial(optuna.trial.create_trial(value=curve.best[-1], intermediate_values=steps))
    trial = study.ask()
    for round, loss in enumerate(own, 1):
        trial.report(loss, round)
    curve = Curve.of(range(1, len(own) + 1), own, False)
    # Optuna's n_warmup_steps are steps from 0 on: rounds begin with 1.
    ours = Median(startup, warmup - 1).stops(99, curve, dict(enumerate(best)))
    assert ours == trial.should_prune()


def test_the_median_is_that_of_trials_that_are_done() -> None:
    done = {n: Curve.of((1, 2), (5.0, 5.0), True) for n in range(3)}
    under_way = {n: Curve.of((1, 2), (1.0, 1.0), False) for n in range(3, 9)}
    curve = Curve.of((1, 2), (4.0, 4.0), False)
    assert not Median(startup=3).stops(99, curve, {**done, **under_way})
    assert not Median(startup=4).stops(99, Curve.of((1,), (9.0,), False), {**done, **under_way})


def test_rungs_are_a_factor_apart_and_the_last_lies_below_all_rounds() -> None:
    halving = Brackets(rounds=81, least=3, factor=3)
    assert halving.most == 3
    assert halving.rungs(halving.bracket(5)) == (3, 9, 27)
    assert Brackets(100, 100).rungs(0) == ()


def test_hyperband_shares_trials_out_as_in_its_paper() -> None:
    # Li et al. 2018, table 1: R = 81, eta = 3 begins with 81, 34, 15, 8, 5 trials.
    hyperband = Brackets(rounds=81, least=1, factor=3, all=True)
    paper = {4: 81, 3: 34, 2: 15, 1: 8, 0: 5}
    found = Counter(hyperband.bracket(number) for number in range(143))
    assert found.keys() == paper.keys()
    assert all(abs(found[s] - count) <= 2 for s, count in paper.items())
    assert hyperband.rungs(2) == (9, 27)
    assert hyperband.bracket(0) == 4


@pytest.mark.parametrize("loss,stops", [(0.5, False), (1.5, False), (2.5, True), (9.0, True)])
def test_a_trial_goes_on_when_it_is_among_the_best_third_at_a_rung(
    loss: float, stops: bool
) -> None:
    halving = Brackets(rounds=9, least=3, factor=3)
    others = {n: Curve.of((1, 2, 3), (9, 9, float(n)), False) for n in range(1, 6)}
    curve = Curve.of((1, 2, 3), (9.0, 9.0, loss), False)
    assert halving.stops(0, curve, others) is stops
    between = Curve.of((1, 2), (9.0, loss), False)
    assert not halving.stops(0, between, others)


def test_a_rung_that_is_passed_between_two_looks_counts() -> None:
    halving = Brackets(rounds=9, least=3, factor=3)
    others = {n: Curve.of((2, 4), (1.0, 1.0), False) for n in range(1, 4)}
    assert halving.stops(0, Curve.of((2, 4), (5.0, 5.0), False), others)


def test_trials_of_other_brackets_are_no_peers() -> None:
    hyperband = Brackets(rounds=9, least=1, factor=3, all=True)
    number = next(n for n in range(99) if hyperband.bracket(n) == 1)
    curve = Curve.of((1, 2, 3), (5.0,) * 3, False)
    better = {n: Curve.of((1, 2, 3), (1.0,) * 3, False) for n in range(99) if n != number}
    own = {n: one for n, one in better.items() if hyperband.bracket(n) == 1}
    strangers = {n: one for n, one in better.items() if n not in own}
    assert not hyperband.stops(number, curve, strangers)
    assert hyperband.stops(number, curve, own)
