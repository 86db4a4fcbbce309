"""The arguments of LightGBM's estimators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.estimator.parameters import Parameters
from engine.estimator.tabular import Tabular

_APART = ("client", "scratch")
"""Arguments that say how the work is done."""


class Arguments(Tabular):
    """The constructor of all estimators of LightGBM.

    Args:
        boosting_type: ``gbdt``, ``dart`` or ``rf``.
        num_leaves: Leaves of a tree at most.
        max_depth: Depth of a tree at most; -1 = no bound.
        learning_rate: Share of each tree's answer that is added.
        n_estimators: Boosting rounds at most.
        subsample_for_bin: Rows that the bins are made from.
        objective: LightGBM's name of one; None = the estimator's own.
        class_weight: ``balanced`` or ``{class: weight}``; of a classifier.
        min_split_gain: Least gain of a split.
        min_child_weight: Least sum of second derivatives in a leaf.
        min_child_samples: Least rows in a leaf.
        subsample: Share of rows drawn for a tree, every ``subsample_freq`` rounds.
        subsample_freq: 0 = never.
        colsample_bytree: Share of features drawn for a tree.
        reg_alpha: L1 penalty of leaves.
        reg_lambda: L2 penalty of leaves.
        random_state: Seed, or a NumPy generator that one is drawn from.
        n_jobs: Threads without a cluster; None or -1 = all cores.
        importance_type: What `feature_importances_` counts: ``split`` or ``gain``.
        early_stopping: Rounds without a better metric on ``eval_set`` after which to stop.
        client: Dask client to train on; None = the current one for a Dask frame or a data set,
            and this machine without Dask for rows in memory. Not copied, not pickled.
        scratch: Folder that workers and client see, where rows are kept during the fit; None = the
            temporary directory.
        **kwargs: Other parameters of LightGBM, under any of its names.
    """

    boosting_type: str
    importance_type: str
    class_weight: Mapping[Any, float] | str | None

    def __init__(
        self,
        *,
        boosting_type: str = "gbdt",
        num_leaves: int = 31,
        max_depth: int = -1,
        learning_rate: float = 0.1,
        n_estimators: int = 100,
        subsample_for_bin: int = 200_000,
        objective: str | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        min_split_gain: float = 0.0,
        min_child_weight: float = 1e-3,
        min_child_samples: int = 20,
        subsample: float = 1.0,
        subsample_freq: int = 0,
        colsample_bytree: float = 1.0,
        reg_alpha: float = 0.0,
        reg_lambda: float = 0.0,
        random_state: Any = None,
        n_jobs: int | None = None,
        importance_type: str = "split",
        early_stopping: int | None = None,
        client: Any = None,
        scratch: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep the arguments; nothing is checked before there are data."""
        given = dict(locals())
        for name in ("self", "kwargs", "__class__"):
            given.pop(name, None)
        self.__dict__.update(given, _extra=kwargs)

    def _parameters(self) -> Parameters:
        own = self._own_params()
        return Parameters.of({n: v for n, v in own.items() if n not in _APART}, self._extra)
