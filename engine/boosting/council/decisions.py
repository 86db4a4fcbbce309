"""What the ranks decide together: whether the labels are fit, and when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from engine.boosting import voice
from engine.boosting.council.labels import LabelCounts, refuse_bad
from engine.boosting.council.stopping import Stopping
from engine.boosting.work import Goal
from engine.errors import ContractRefused, MillraceError
from engine.metrics import Scores

LABELS, PORTS, ROUND, LEAVES = "labels", "ports", "round", "leaves"
"""The stages, in order: counts of labels; all ports are free now; the scores of a round, or the
sums of the leaves of a tree that is fitted again."""

DISTINCT = 1 << 14
"""Distinct scores that a round's AUC keeps apart: 320 KiB a rank and round, error below 1e-4."""

Why = Literal["early stopping", "time", "asked"]


@dataclass(frozen=True)
class Labels:
    """The labels of one rank."""

    train: LabelCounts
    valid: LabelCounts


@dataclass(frozen=True)
class RoundScores:
    """What one rank's validation rows say after a round.

    Attributes:
        round: Its number, from 1.
        scores: Their statistics; None without rows.
    """

    round: int
    scores: Scores | None


@dataclass(frozen=True)
class Verdict:
    """What all ranks do after a round.

    Attributes:
        stop: Whether it was the last.
        best_round: The best so far; 0 without validation rows.
        metrics: Over the validation rows of all ranks, keys such as ``valid_auc``.
        why: What stops it; None when it goes on.
    """

    stop: bool
    best_round: int
    metrics: dict[str, float]
    why: Why | None = None


class Decisions:
    """Decides for all ranks; called by the hub, once for each stage.

    Args:
        goal: What is to be learned.
        state: What `state` returned after the round that training goes on from.
        asked: Whether the user wants no more rounds.
        clock: Seconds; only tests need another.
    """

    def __init__(
        self,
        goal: Goal,
        state: Mapping[str, Any] | None = None,
        *,
        asked: Callable[[], bool] = voice.asked.is_set,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin before the first round, or go on after the one that the state is of."""
        self._goal, self._asked, self._clock = goal, asked, clock
        state = state or {}
        self._history = [dict(metrics) for metrics in state.get("history", [])]
        self._began = clock() - state.get("seconds", 0.0)
        self._stopping = Stopping(
            goal.measure.better(goal.metric),
            goal.learning.early_stopping,
            state.get("best_round", 0),
            state.get("best", math.nan),
        )

    def __call__(self, stage: str, said: Sequence[Any]) -> Any:
        """Return what all ranks do.

        Raises:
            MillraceError: They leave, and this is why.
        """
        if stage == LABELS:
            return self._check(said)
        if stage == ROUND:
            return self._judge(said)
        return sum(said[1:], said[0]) if stage == LEAVES else None

    def state(self) -> dict[str, Any]:
        """Return what a training that goes on from here must know, as JSON values.

        Metrics of all rounds, the best round and its value, and the seconds that training took.
        """
        return {
            "history": self._history,
            "best_round": self._stopping.best_round,
            "best": self._stopping.best,
            "seconds": self._clock() - self._began,
        }

    def _check(self, said: Sequence[Labels]) -> None:
        train = sum((labels.train for labels in said), LabelCounts())
        valid = sum((labels.valid for labels in said), LabelCounts())
        learning, objective = self._goal.learning, str(self._goal.params.get("objective", ""))
        for part, counts in (("train", train), ("valid", valid)):
            refuse_bad(part, learning.task, counts, classes=learning.classes, objective=objective)
        stops_by_auc = self._goal.metric == "auc" and learning.early_stopping is not None
        if stops_by_auc and learning.task == "binary" and len(valid.kinds) < 2:
            raise ContractRefused(
                f"all {valid.rows:,} validation labels are {valid.kinds[0]}: there is no AUC",
                where="train.split.valid",
                hint="use more validation rows, or metric = 'log_loss'",
            )

    def _judge(self, said: Sequence[RoundScores]) -> Verdict:
        if len({entry.round for entry in said}) > 1:
            raise MillraceError(f"the ranks are at different rounds: {[e.round for e in said]}")
        parts = [entry.scores for entry in said if entry.scores is not None]
        metrics, done = self._measured(said[0].round, parts) if parts else ({}, False)
        why = self._why(done)
        return Verdict(why is not None, self._stopping.best_round, metrics, why)

    def _measured(self, round: int, parts: Sequence[Scores]) -> tuple[dict[str, float], bool]:
        """Return the metrics of a round, and whether early stopping says that it was the last."""
        followed = self._goal.measure.followed
        results = reduce(_merged, parts).results({self._goal.metric, *followed})
        metrics = {f"valid_{name}": float(results[name]) for name in followed}
        self._history.append(metrics)
        return metrics, self._stopping.stop(round, float(results[self._goal.metric]))

    def _why(self, done: bool) -> Why | None:
        if done:
            return "early stopping"
        limit = self._goal.learning.max_seconds
        if limit is not None and self._clock() - self._began >= limit:
            return "time"
        return "asked" if self._asked() else None


def _merged(one: Any, other: Any) -> Any:  # of one kind: all ranks have the same measure
    return one.merge(other)
