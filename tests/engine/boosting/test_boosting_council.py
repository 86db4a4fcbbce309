"""What all ranks decide together: which labels are refused, and when boosting stops."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.boosting.council.decisions import LABELS, ROUND, Decisions, Labels, RoundScores, Verdict
from engine.boosting.council.labels import LabelCounts, refuse_bad
from engine.boosting.learning import Learning
from engine.boosting.work import Goal
from engine.errors import ContractRefused, MillraceError
from engine.metrics import BinaryScores
from engine.metrics.measure import Measure


def _counts(*labels: float, weight: tuple[float, ...] | None = None) -> LabelCounts:
    weights = None if weight is None else np.array(weight, np.float32)
    return LabelCounts.of(np.array(labels, np.float32), weights)


BAD: list[tuple[str, str, tuple[float, ...], str]] = [
    ("binary", "", (0, 1, np.nan), "1 labels are missing"),
    ("regression", "regression", (0.5, np.inf, -np.inf), "2 infinite"),
    ("binary", "", (0, 1, 2), "1 of 3 labels are neither"),
    ("binary", "", (1, 1), "all 2 labels are 1"),
    ("binary", "", (0, 0, 0), "all 3 labels are 0"),
    ("multiclass", "", (0, 1, 2.5), r"1 of 3 labels are no class \(0 to 2\)"),
    ("multiclass", "", (0, 1, 3), "1 of 3 labels are no class"),
    ("multiclass", "", (0, -1, 70_000), "2 of 3 labels are no class"),
    ("multiclass", "", (2, 2), "all 2 labels are 2: a single class"),
    ("ranking", "", (0, 31, 0.5), "2 of 3 labels are not whole numbers from 0 to 30"),
    ("regression", "poisson", (0, -1, 2), "1 of 3 labels are negative"),
    ("regression", "poisson", (0, 0), "all 2 labels are 0"),
    ("regression", "tweedie", (-0.5, 2), "1 of 2 labels are negative"),
    ("regression", "gamma", (0, 1), "1 of 2 labels are 0"),
    ("regression", "cross_entropy", (0.5, 1.5), "1 of 2 labels are above 1"),
]


@pytest.mark.parametrize(("task", "objective", "labels", "said"), BAD)
def test_bad_labels_are_counted(
    task: str, objective: str, labels: tuple[float, ...], said: str
) -> None:
    with pytest.raises(ContractRefused, match=said):
        refuse_bad("train", task, _counts(*labels), classes=3, objective=objective)


@pytest.mark.parametrize(
    ("weights", "said"),
    [((1, -1), "1 of 2 weights"), ((np.nan, 1), "1 of 2 weights"), ((0, 0), "all 2 weights are 0")],
)
def test_bad_weights_are_counted(weights: tuple[float, ...], said: str) -> None:
    with pytest.raises(ContractRefused, match=said):
        refuse_bad("train", "binary", _counts(0, 1, weight=weights))


@pytest.mark.parametrize(
    ("task", "objective", "one", "other"),
    [
        ("binary", "", (0, 0), (1,)),
        ("multiclass", "", (0, 0), (2,)),
        ("ranking", "", (0,), (30,)),
        ("regression", "regression", (-3.5,), (-3.5,)),
        ("regression", "poisson", (0,), (0.5,)),
        ("regression", "gamma", (0.1,), (7,)),
        ("regression", "cross_entropy", (0,), (1,)),
    ],
)
def test_a_shard_with_one_class_is_fine(
    task: str, objective: str, one: tuple[float, ...], other: tuple[float, ...]
) -> None:
    both = _counts(*one) + _counts(*other)
    refuse_bad("train", task, both, classes=3, objective=objective)
    refuse_bad("valid", task, _counts(*one), classes=3, objective=objective)
    refuse_bad("valid", task, _counts(), classes=3, objective=objective)


labels_of = st.lists(
    st.sampled_from([0.0, 1.0, 2.0, 0.5, -1.0, 70_000.0, np.nan, np.inf, -np.inf]), max_size=30
)


@given(labels_of, labels_of)
def test_counts_add_up(one: list[float], other: list[float]) -> None:
    assert _counts(*one) + _counts(*other) == _counts(*one, *other)
    weights = [abs(label) for label in one], [label - 1 for label in other]
    apart = _counts(*one, weight=tuple(weights[0])) + _counts(*other, weight=tuple(weights[1]))
    assert apart == _counts(*one, *other, weight=(*weights[0], *weights[1]))


def _goal(task: str = "binary", metric: str = "log_loss", **learning: Any) -> Goal:
    asked = Learning(task=task, rounds=100, **learning)  # type: ignore[arg-type]
    return Goal(asked, {"objective": task}, Measure(task), metric, True)


def _scores(p: float) -> BinaryScores:
    return BinaryScores.of(np.array([0, 1]), np.array([1 - p, p]))


def _rounds(decisions: Decisions, first: int, values: list[float]) -> list[Verdict]:
    """Judge one round for each probability that the right class is given: more is better."""
    return [
        decisions(ROUND, [RoundScores(first + i, _scores(p)), RoundScores(first + i, None)])
        for i, p in enumerate(values)
    ]


def test_rounds_are_judged_by_all_rows_and_stopped_early() -> None:
    verdicts = _rounds(Decisions(_goal(early_stopping=2)), 1, [0.6, 0.7, 0.65, 0.64])
    assert [verdict.stop for verdict in verdicts] == [False, False, False, True]
    assert (verdicts[-1].best_round, verdicts[-1].why) == (2, "early stopping")
    assert verdicts[0].metrics["valid_log_loss"] == pytest.approx(-np.log(0.6))


@given(st.integers(0, 6), st.lists(st.floats(0.01, 0.99), min_size=8, max_size=8))
def test_a_resumed_training_decides_as_if_nothing_had_happened(
    cut: int, values: list[float]
) -> None:
    goal = _goal(early_stopping=3)
    whole = Decisions(goal)
    expected = _rounds(whole, 1, values)
    first = Decisions(goal)
    _rounds(first, 1, values[:cut])
    second = Decisions(goal, json.loads(json.dumps(first.state())))
    assert _rounds(second, cut + 1, values[cut:]) == expected[cut:]
    history = second.state()["history"]
    assert history == whole.state()["history"] == [verdict.metrics for verdict in expected]


def test_without_validation_rows_a_round_is_never_the_best() -> None:
    verdict = Decisions(_goal())(ROUND, [RoundScores(1, None), RoundScores(1, None)])
    assert verdict == Verdict(False, 0, {}, None)


def test_boosting_ends_after_the_round_in_which_the_time_has_passed() -> None:
    now = 100.0
    goal = _goal(max_seconds=60.0)
    decisions = Decisions(goal, {"seconds": 45.0}, clock=lambda: now)
    assert _rounds(decisions, 1, [0.5])[0].why is None
    now += 14.0
    assert _rounds(decisions, 2, [0.5])[0].why is None
    assert decisions.state()["seconds"] == 59.0
    now += 1.0
    assert _rounds(decisions, 3, [0.5])[0].why == "time"


def test_a_wish_to_end_is_a_verdict_for_all() -> None:
    decisions = Decisions(_goal(), asked=lambda: True)
    assert decisions(ROUND, [RoundScores(1, None)]) == Verdict(True, 0, {}, "asked")


def test_ranks_at_different_rounds_are_a_defect() -> None:
    with pytest.raises(MillraceError, match="different rounds"):
        Decisions(_goal())(ROUND, [RoundScores(1, None), RoundScores(2, None)])


def test_labels_are_judged_over_all_ranks() -> None:
    good = [Labels(_counts(0), _counts(1)), Labels(_counts(1), _counts(1))]
    Decisions(_goal())(LABELS, good)
    with pytest.raises(ContractRefused, match="all 2 labels are 0"):
        Decisions(_goal())(LABELS, [good[0], good[0]])
    with pytest.raises(ContractRefused, match="there is no AUC"):
        Decisions(_goal(metric="auc", early_stopping=3))(LABELS, good)
