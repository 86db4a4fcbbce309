"""Which metrics belong to a task, and how rows are measured by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError, SpecError
from engine.metrics.binary import BinaryScores
from engine.metrics.custom import CustomMetric, CustomScores
from engine.metrics.direction import higher_is_better, suggestion
from engine.metrics.histogram import LIMIT
from engine.metrics.losses import LOSSES
from engine.metrics.multiclass import MulticlassScores
from engine.metrics.ranking import RankingScores
from engine.metrics.regression import RegressionScores
from engine.metrics.relevance import GAINS, RankMetrics
from engine.metrics.scores import Scores

Vector = npt.NDArray[np.floating]

EVAL_AT: Final = (1, 3, 5, 10)
"""Positions of a ranking that are looked at unless ``eval_at`` says otherwise."""

_CHOSEN: Final[Mapping[str, tuple[str, ...]]] = {
    "binary": ("log_loss", "auc", "accuracy", "brier"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "f1_macro"),
    "regression": ("rmse", "mae", "r2", *LOSSES),
}
_OF_OBJECTIVE: Final[Mapping[str, str]] = {
    **{loss: loss for loss in LOSSES},
    **dict.fromkeys(("regression_l1", "l1", "mae", "mean_absolute_error"), "mae"),
    "mean_absolute_percentage_error": "mape",
    "xentropy": "cross_entropy",
}
_FOLLOWED: Final = 2  # of these, the first ones are kept for each round
_EVAL_AT_NAMES: Final = ("eval_at", "ndcg_eval_at", "ndcg_at", "map_eval_at", "map_at")
_AT: Final = re.compile(r"(ndcg|map)@[1-9][0-9]{0,3}")


@dataclass(frozen=True)
class Measure:
    """What a model is measured by; no metric is weighted.

    Attributes:
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
        classes: Number of classes of a multiclass task.
        objective: LightGBM's objective; a regression is measured by its loss first.
        params: LightGBM's parameters: of a loss (``alpha``, ``fair_c``,
            ``tweedie_variance_power``), ``eval_at`` and ``label_gain``; others are ignored.
        metric: The metric that was asked for; it is measured beside the task's own.
        custom: The user's own metrics.

    Raises:
        SpecError: The task or the metric is unknown, or a custom metric has a taken name.
    """

    task: str
    classes: int = 0
    objective: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metric: str | None = None
    custom: tuple[CustomMetric, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that nobody knows, or that two have."""
        if self.task not in (*_CHOSEN, "ranking"):
            hint = "use binary, multiclass, regression or ranking"
            raise SpecError(f"no metrics for task {self.task!r}", where="train.task", hint=hint)
        if twice := [one.name for one in self.custom if self.known.count(one.name) > 1]:
            raise SpecError(f"the name of metric {twice[0]!r} is taken", hint="choose another")
        if self.metric is not None and not self.knows(self.metric):
            what = f"metric {self.metric!r} does not go with task {self.task!r}"
            hint = suggestion(self.metric, self.known)
            raise SpecError(what, where="train.metric", hint=hint)

    @property
    def known(self) -> tuple[str, ...]:
        """Metrics that may be asked for; of a ranking also ``ndcg`` and ``map`` at any position."""
        own = _CHOSEN.get(self.task) or self._rank_metrics.names
        return (*own, *(one.name for one in self.custom))

    def knows(self, metric: str) -> bool:
        """Tell whether a metric may be asked for."""
        ranks = self.task == "ranking" and _AT.fullmatch(metric) is not None
        return ranks or metric in self.known

    @property
    def followed(self) -> tuple[str, ...]:
        """Metrics that are kept for each boosting round; the first is the one that decides.

        That is the metric that was asked for, or the loss of the objective, or the task's own:
        log loss, RMSE, or NDCG at the farthest position.
        """
        if self.task == "ranking":
            ranked = [name for name in self._rank_metrics.names if "@" in name]
            own = sorted(ranked, key=_by_position)
        else:
            own = [*self._objective_metric, *_CHOSEN[self.task][:_FOLLOWED]]
        asked = [self.metric] if self.metric else []
        return tuple(dict.fromkeys([*asked, *own, *(one.name for one in self.custom)]))

    def better(self, name: str) -> bool:
        """Tell whether more of a metric is better."""
        own = {one.name: one.higher_is_better for one in self.custom}
        return own[name] if name in own else higher_is_better(name)

    def empty(self) -> Scores:
        """Return the scores of no rows."""
        none = np.empty(0)
        p = np.empty((0, self.classes)) if self.task == "multiclass" else none
        return self.of(none, p, np.empty(0, np.uint64))

    def of(
        self,
        y: npt.NDArray[np.generic],
        p: Vector,
        query: npt.NDArray[np.uint64] | None = None,
        *,
        limit: int = LIMIT,
    ) -> Scores:
        """Score one block of rows.

        Args:
            y: Shape (n,), labels; classes as their codes.
            p: Shape (n,) or (n, classes): predictions.
            query: Shape (n,), which query a row belongs to, for ranking; those of one together.
            limit: Most distinct scores that are kept apart for an AUC.

        Raises:
            MillraceError: Labels or predictions are not such as the task has, or missing.
        """
        own = self._own(y, p, query, limit)
        if not self.custom:
            return own
        sums = tuple(metric.sums(y, p) for metric in self.custom)
        return CustomScores(own, self.custom, sums, len(y))

    def _own(
        self,
        y: npt.NDArray[np.generic],
        p: Vector,
        query: npt.NDArray[np.uint64] | None,
        limit: int,
    ) -> Scores:
        if self.task == "binary":
            return BinaryScores.of(y, p, limit=limit)
        if self.task == "multiclass":
            return MulticlassScores.of(y, p, self.classes)
        if self.task == "regression":
            return RegressionScores.of(y, p, self._losses, self.params)
        if query is None:
            raise MillraceError("a ranking cannot be measured: the rows have no queries")
        return RankingScores.of(y, p, query, self._rank_metrics)

    @property
    def _objective_metric(self) -> list[str]:
        """Metric of a regression's objective, if it is another than the task's own."""
        found = _OF_OBJECTIVE.get(self.objective or "")
        return [found] if found and self.task == "regression" else []

    @property
    def _losses(self) -> tuple[str, ...]:
        """Losses of a regression beside those that every one has."""
        wanted = [*([self.metric] if self.metric else []), *self._objective_metric]
        return tuple(dict.fromkeys(name for name in wanted if name in LOSSES))

    @property
    def _rank_metrics(self) -> RankMetrics:
        given = next((self.params[n] for n in _EVAL_AT_NAMES if n in self.params), ())
        cuts = sorted({int(cut) for cut in _listed(given) or EVAL_AT})
        names = [*(f"ndcg@{cut}" for cut in cuts), f"map@{cuts[-1]}", "mrr"]
        asked = [self.metric] if self.metric and _AT.fullmatch(self.metric) else []
        gains = tuple(float(gain) for gain in _listed(self.params.get("label_gain", GAINS)))
        return RankMetrics(tuple(dict.fromkeys([*names, *asked])), gains)


def _listed(given: Any) -> Any:
    """Return the items of a parameter that LightGBM takes as a list or as a text of numbers."""
    if isinstance(given, str):
        return given.split(",")
    return given if isinstance(given, list | tuple) else (given,)


def _by_position(name: str) -> tuple[bool, int]:
    kind, _, cut = name.partition("@")
    return kind != "ndcg", -int(cut or 0)
