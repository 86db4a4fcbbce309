"""Which metrics belong to a task, and how rows are measured by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError, SpecError
from engine.metrics.anomaly import AnomalyScores
from engine.metrics.binary import BinaryScores
from engine.metrics.clustering import ClusteringScores
from engine.metrics.counted import DISTINCT
from engine.metrics.custom import CustomMetric, CustomScores
from engine.metrics.decision import Decision
from engine.metrics.direction import higher_is_better, suggestion
from engine.metrics.explained import SHARES
from engine.metrics.histogram import LIMIT
from engine.metrics.losses import LOSSES
from engine.metrics.multiclass import MulticlassScores
from engine.metrics.ranking import RankingScores
from engine.metrics.reduction import ReductionScores
from engine.metrics.regression import RegressionScores
from engine.metrics.relevance import GAINS, RankMetrics
from engine.metrics.scores import Scores

Vector = npt.NDArray[np.floating]

EVAL_AT: Final = (1, 3, 5, 10)
"""Positions of a ranking that are looked at unless ``eval_at`` says otherwise."""

_CHOSEN: Final[Mapping[str, tuple[str, ...]]] = {
    "binary": (
        *("log_loss", "auc", "average_precision", "accuracy", "brier", "balanced_accuracy"),
        *("precision", "recall", "f1", "mcc", "kappa", "ks", "gain@10", "lift@10"),
    ),
    "multiclass": (
        *("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "f1_weighted"),
        *("precision_macro", "precision_weighted", "recall_macro", "mcc", "kappa"),
    ),
    "regression": ("rmse", "mae", "r2", "explained_variance", *SHARES, *LOSSES),
    "clustering": (
        *("inertia", "mean_squared_distance", "silhouette"),
        *("calinski_harabasz", "davies_bouldin"),
    ),
    "anomaly": ("auc", "average_precision"),
    "reduction": ("explained_variance_ratio",),
}
_OF_OBJECTIVE: Final[Mapping[str, str]] = {
    **{loss: loss for loss in LOSSES},
    **dict.fromkeys(("regression_l1", "l1", "mae", "mean_absolute_error"), "mae"),
    "mean_absolute_percentage_error": "mape",
    "xentropy": "cross_entropy",
}
_SHARE_OF: Final[Mapping[str, str]] = {"mae": "d2_absolute_error", "quantile": "d2_pinball"}
_FOLLOWED: Final = 2  # of these, the first ones are kept for each round
_EVAL_AT_NAMES: Final = ("eval_at", "ndcg_eval_at", "ndcg_at", "map_eval_at", "map_at")
_AT: Final = re.compile(r"(ndcg|map)@[1-9][0-9]{0,3}")
_AT_PERCENT: Final = re.compile(r"(gain|lift)@([1-9][0-9]?)")
_POWERS: Final = {"poisson": 1.0, "gamma": 2.0}
_TWEEDIE_POWER: Final = 1.5  # LightGBM's own


@dataclass(frozen=True)
class Measure:
    """What a model is measured by; no metric is weighted.

    Attributes:
        task: ``binary``, ``multiclass``, ``regression``, ``ranking``, ``clustering``,
            ``anomaly`` or ``reduction``.
        classes: Number of classes of a multiclass task.
        objective: LightGBM's objective; a regression is measured by its loss first.
        params: LightGBM's parameters: of a loss (``alpha``, ``fair_c``,
            ``tweedie_variance_power``), ``eval_at`` and ``label_gain``; others are ignored.
        metric: The metric that was asked for; it is measured beside the task's own.
        custom: The user's own metrics.
        threshold: A row of two classes is called positive when its probability is above it.
        beta: Of F-beta, which is told where it is not 1 (``f1``).

    Raises:
        SpecError: The task or the metric is unknown, or a custom metric has a taken name.
    """

    task: str
    classes: int = 0
    objective: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metric: str | None = None
    custom: tuple[CustomMetric, ...] = ()
    threshold: float = 0.5
    beta: float = 1.0

    def __post_init__(self) -> None:
        """Refuse names that nobody knows, or that two have."""
        if self.task not in (*_CHOSEN, "ranking"):
            hint = f"use {', '.join(_CHOSEN)} or ranking"
            raise SpecError(f"no metrics for task {self.task!r}", where="train.task", hint=hint)
        if twice := [one.name for one in self.custom if self.known.count(one.name) > 1]:
            raise SpecError(f"the name of metric {twice[0]!r} is taken", hint="choose another")
        if self.metric is not None and not self.knows(self.metric):
            what = f"metric {self.metric!r} does not go with task {self.task!r}"
            hint = suggestion(self.metric, self.known)
            raise SpecError(what, where="train.metric", hint=hint)

    @property
    def known(self) -> tuple[str, ...]:
        """Metrics that may be asked for.

        Of a ranking also ``ndcg`` and ``map`` at any position, of two classes ``gain`` and ``lift``
        at any percent of the rows.
        """
        own = _CHOSEN.get(self.task) or self._rank_metrics.names
        return (*own, *(one.name for one in self.custom))

    def knows(self, metric: str) -> bool:
        """Tell whether a metric may be asked for."""
        places = {"ranking": _AT, "binary": _AT_PERCENT}.get(self.task)
        return bool(places and places.fullmatch(metric)) or metric in self.known

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
        width = {"multiclass": self.classes, "clustering": 2, "reduction": 0}.get(self.task)
        p = np.empty(0) if width is None else np.empty((0, width))
        return self.of(np.empty(0), p, np.empty(0, np.uint64))

    def of(
        self,
        y: npt.NDArray[np.generic] | None,
        p: Vector,
        query: npt.NDArray[np.uint64] | None = None,
        *,
        x: npt.NDArray[np.float32] | None = None,
        rows: npt.NDArray[np.uint64] | None = None,
        limit: int = LIMIT,
    ) -> Scores:
        """Score one block of rows by all that is known of the task.

        Args:
            y: Shape (n,), labels; classes as their codes. ``None`` for a clustering or a reduction,
                and for an anomaly task where labels, 1 for odd, are not known.
            p: Shape (n,) or (n, k): predictions; see `engine.models.learned.Scores`.
            query: Shape (n,), which query a row belongs to, for ranking; those of one together.
            x: Shape (n, features), the features, for a clustering or a reduction: what it keeps of
                them is told only with them.
            rows: Shape (n,), row numbers in the data set, by which a clustering's sample is drawn.
            limit: Most distinct scores that are kept apart for an AUC.

        Raises:
            MillraceError: Labels or predictions are not such as the task has, or missing.
        """
        if self.task == "clustering":
            return ClusteringScores.of(p, x, rows)
        if self.task == "reduction":
            return ReductionScores.of(p, x)
        if self.task == "anomaly":
            return AnomalyScores.of(p, y, limit=limit)
        if y is None:
            raise MillraceError(f"a {self.task} model cannot be measured: the rows have no labels")
        return self._with_custom(self._own(y, p, query, limit, whole=True), y, p)

    def each_round(
        self,
        y: npt.NDArray[np.generic],
        p: Vector,
        query: npt.NDArray[np.uint64] | None = None,
        *,
        limit: int = LIMIT,
    ) -> Scores:
        """Score one block of rows by what is cheap enough for each boosting round.

        That is all that is ``followed``, and of it no confidence. Arguments and errors are those of
        `of`; its scores and these do not merge.
        """
        return self._with_custom(self._own(y, p, query, limit, whole=False), y, p)

    def _with_custom(self, own: Scores, y: npt.NDArray[np.generic], p: Vector) -> Scores:
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
        *,
        whole: bool,
    ) -> Scores:
        if self.task == "binary":
            return BinaryScores.of(y, p, limit=limit, decision=self._decision, whole=whole)
        if self.task == "multiclass":
            return MulticlassScores.of(y, p, self.classes, whole=whole, beta=self.beta)
        if self.task == "regression":
            losses, params, shares = self._losses, self._loss_params, self._shares(whole=whole)
            kept = min(limit, DISTINCT)
            return RegressionScores.of(y, p, losses, params, whole=whole, shares=shares, limit=kept)
        if query is None:
            raise MillraceError("a ranking cannot be measured: the rows have no queries")
        return RankingScores.of(y, p, query, self._rank_metrics)

    @property
    def _decision(self) -> Decision:
        asked = _AT_PERCENT.fullmatch(self.metric or "")
        percents = {*Decision().percents, *([int(asked[2])] if asked else [])}
        return Decision(self.threshold, self.beta, tuple(sorted(percents)))

    @property
    def _loss_params(self) -> Mapping[str, Any]:
        """Parameters of the losses, with the power of the variance that the objective has."""
        power = _POWERS.get(self.objective or "", 0.0)
        if self.objective == "tweedie":
            power = float(self.params.get("tweedie_variance_power", _TWEEDIE_POWER))
        return {**self.params, "power": power}

    @property
    def _objective_metric(self) -> list[str]:
        """Metric of a regression's objective, if it is another than the task's own."""
        found = _OF_OBJECTIVE.get(self.objective or "")
        return [found] if found and self.task == "regression" else []

    @property
    def _losses(self) -> tuple[str, ...]:
        """Losses of a regression beside those that every one has."""
        wanted = [*([self.metric] if self.metric else []), *self._objective_metric]
        wanted += [SHARES[name].loss for name in wanted if name in SHARES]
        return tuple(dict.fromkeys(name for name in wanted if name in LOSSES))

    def _shares(self, *, whole: bool) -> tuple[str, ...]:
        """Shares of a loss that are told: what was asked for, and the objective's at the end."""
        asked = [self.metric] if self.metric and self.metric in SHARES else []
        own = [_SHARE_OF[name] for name in self._objective_metric if name in _SHARE_OF]
        return tuple(dict.fromkeys([*asked, *(own if whole else [])]))

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
