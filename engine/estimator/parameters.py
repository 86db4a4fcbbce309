"""What an estimator's arguments mean: parameters of LightGBM, and what millrace calls otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.resources import machine_cores
from engine.boosting.learning import Learning, Task
from engine.boosting.params.names import ALIASES
from engine.estimator.columns import position
from engine.estimator.open_params import seed
from engine.estimator.refusal import Unfit

NAMES: Final[Mapping[str, str]] = {
    "boosting_type": "boosting",
    "num_leaves": "num_leaves",
    "max_depth": "max_depth",
    "learning_rate": "learning_rate",
    "min_split_gain": "min_gain_to_split",
    "min_child_weight": "min_sum_hessian_in_leaf",
    "min_child_samples": "min_data_in_leaf",
    "subsample": "bagging_fraction",
    "subsample_freq": "bagging_freq",
    "colsample_bytree": "feature_fraction",
    "reg_alpha": "lambda_l1",
    "reg_lambda": "lambda_l2",
}
"""LightGBM's name of each argument that is a parameter of it."""

_OTHERS: Final[Mapping[str, str]] = {
    "num_iterations": "n_estimators",
    "seed": "random_state",
    "num_threads": "n_jobs",
    "objective": "objective",
    "early_stopping_round": "early_stopping",
    "bin_construct_sample_cnt": "subsample_for_bin",
}
"""Argument that stands for a parameter of LightGBM that is not handed on."""

_SO_ANYWAY: Final = frozenset({"verbosity", "deterministic", "num_class"})
"""Users of LightGBM set these to have quiet, and the same model again; so it is here, always."""

_METRICS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("binary_logloss", "binary", "multi_logloss", "multiclass"), "log_loss"),
    **dict.fromkeys(("l1", "mean_absolute_error", "regression_l1"), "mae"),
    **dict.fromkeys(("l2", "mse", "mean_squared_error", "regression", "l2_root"), "rmse"),
    "root_mean_squared_error": "rmse",
    **dict.fromkeys(("binary_error", "multi_error"), "accuracy"),
    **dict.fromkeys(("ndcg", "lambdarank"), "ndcg@5"),
    **dict.fromkeys(("map", "mean_average_precision"), "map@5"),
}
"""What millrace calls a metric of LightGBM; one that orders models the same way will do."""

_MAIN: Final = {alias: main for main, names in ALIASES.items() for alias in (main, *names)}


@dataclass(frozen=True)
class Parameters:
    """An estimator's arguments, told apart.

    Attributes:
        arguments: By the name of the argument, after the extra parameters had their say.
        lightgbm: Parameters that are handed on.
    """

    arguments: Mapping[str, Any]
    lightgbm: Mapping[str, Any]

    @classmethod
    def of(cls, arguments: Mapping[str, Any], extra: Mapping[str, Any]) -> Parameters:
        """Read arguments; an extra parameter goes before the argument that means the same.

        Args:
            arguments: The constructor's own.
            extra: Other parameters, under any of LightGBM's names.
        """
        own, mains = dict(arguments), {name: _MAIN.get(name, name) for name in extra}
        taken = {_OTHERS[main]: extra[name] for name, main in mains.items() if main in _OTHERS}
        settled = {*_OTHERS, *_SO_ANYWAY}
        free = {name: value for name, value in extra.items() if mains[name] not in settled}
        known = {main: own[name] for name, main in NAMES.items() if main not in mains.values()}
        return cls(own | taken, known | free)

    @property
    def seed(self) -> int:
        """Seed of everything that is drawn; a generator is asked for one."""
        return seed(self.arguments["random_state"])

    @property
    def threads(self) -> int:
        """Threads of this process's own training; None and -1 stand for all cores, as in joblib."""
        asked, cores = self.arguments["n_jobs"], machine_cores()
        if not asked:
            return cores
        return int(asked) if asked > 0 else max(1, cores + 1 + int(asked))

    def learning(
        self, task: Task, outputs: int, features: Sequence[str], metric: Any, stop: int | None
    ) -> Learning:
        """Return what is to be learned.

        Args:
            task: Kind of labels.
            outputs: Number of classes of a multiclass task; else 0.
            features: Names.
            metric: What `fit` was told to follow; a name of millrace's or of LightGBM's.
            stop: Rounds of patience that `fit` was told.

        Raises:
            Unfit: An argument cannot be.
        """
        arguments = self.arguments
        if not (objective := arguments["objective"]) or isinstance(objective, str):
            return Learning(
                task,
                self._handed_on(),
                rounds=int(arguments["n_estimators"]),
                objective=objective,
                classes=outputs,
                metric=_metric(metric or self.lightgbm.get("metric")),
                early_stopping=stop or arguments["early_stopping"] or None,
                seed=self.seed,
                monotone=_monotone(self._constraint("monotone_constraints"), features),
                interactions=_groups(self._constraint("interaction_constraints"), features),
            )
        hint = "give the name of one of LightGBM's"
        raise Unfit("an objective of your own cannot be trained on", hint=hint)

    def _handed_on(self) -> dict[str, Any]:
        apart = ("metric", "monotone_constraints", "interaction_constraints")
        return {n: v for n, v in self.lightgbm.items() if _MAIN.get(n, n) not in apart}

    def _constraint(self, main: str) -> Any:
        found = [value for name, value in self.lightgbm.items() if _MAIN.get(name) == main]
        return found[0] if found else None


def _metric(asked: Any) -> str | None:
    if asked is not None and not isinstance(asked, str):
        hint = "give the name of one; jobs take metrics of your own"
        raise Unfit("eval_metric is not a name", hint=hint)
    return _METRICS.get(asked, asked) if asked else None


def _monotone(asked: Any, features: Sequence[str]) -> tuple[int, ...]:
    """Return -1, 0 or 1 for each feature, given in their order, or by name."""
    where = "monotone_constraints"
    if asked is None:
        return ()
    if isinstance(asked, Mapping):
        found = {position(one, features, where): int(sign) for one, sign in asked.items()}
        return tuple(found.get(i, 0) for i in range(len(features)))
    if len(asked) != len(features):
        what = f"there are {len(asked)} monotone constraints for {len(features)} features"
        raise Unfit(what, where=where)
    return tuple(int(one) for one in asked)


def _groups(asked: Any, features: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return groups of positions, given as positions or names."""
    return tuple(
        tuple(position(one, features, "interaction_constraints") for one in group)
        for group in asked or ()
    )
