"""What the ranks decide together: whether the labels are fit, and when to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from engine.boosting.council.labels import LabelCounts, refuse_bad
from engine.boosting.council.stopping import Stopping
from engine.boosting.work import Goal
from engine.errors import ContractRefused, MillraceError
from engine.metrics import Scores, metric_value

LABELS, PORTS, ROUND = "labels", "ports", "round"
"""The stages, in order: counts of labels; all ports are free now; the scores of a round."""

DISTINCT = 1 << 14
"""Distinct scores that a round's AUC keeps apart: 320 KiB a rank and round, error below 1e-4."""


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
        best_round: The best so far.
        metrics: Over the validation rows of all ranks, keys such as ``valid_auc``.
    """

    stop: bool
    best_round: int
    metrics: dict[str, float]


class Decisions:
    """Decides for all ranks; called by the hub, once for each stage.

    Args:
        goal: What is to be learned.
    """

    def __init__(self, goal: Goal) -> None:
        """Begin before the first round."""
        self._goal = goal
        self._stopping = Stopping(goal.metric, goal.learning.early_stopping)

    def __call__(self, stage: str, said: Sequence[Any]) -> Any:
        """Return what all ranks do.

        Raises:
            MillraceError: They leave, and this is why.
        """
        if stage == LABELS:
            return self._check(said)
        if stage == ROUND:
            return self._judge(said)
        return None

    def _check(self, said: Sequence[Labels]) -> None:
        train = sum((labels.train for labels in said), LabelCounts())
        valid = sum((labels.valid for labels in said), LabelCounts())
        refuse_bad("train", self._goal.learning.task, train)
        refuse_bad("valid", self._goal.learning.task, valid)
        stops_by_auc = self._goal.metric == "auc" and self._goal.learning.early_stopping is not None
        if stops_by_auc and not (valid.zeros and valid.ones):
            raise ContractRefused(
                f"all {valid.rows:,} validation labels are {int(valid.ones > 0)}: there is no AUC",
                where="train.split.valid",
                hint="use more validation rows, or metric = 'log_loss'",
            )

    def _judge(self, said: Sequence[RoundScores]) -> Verdict:
        if len({entry.round for entry in said}) > 1:
            raise MillraceError(f"the ranks are at different rounds: {[e.round for e in said]}")
        parts = [entry.scores for entry in said if entry.scores is not None]
        results = reduce(_merged, parts).results()
        stop = self._stopping.stop(said[0].round, metric_value(results, self._goal.metric))
        metrics = {f"valid_{name}": float(results[name]) for name in self._goal.measure.followed}
        return Verdict(stop, self._stopping.best_round, metrics)


def _merged(one: Any, other: Any) -> Any:  # of one kind: all ranks have the same measure
    return one.merge(other)
