"""The names of the metrics, and whether more of one is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

HIGHER_IS_BETTER: Final[Mapping[str, bool]] = {
    "auc": True,
    "auc_macro": True,
    "average_precision": True,
    "accuracy": True,
    "balanced_accuracy": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "f_beta": True,
    "precision_macro": True,
    "recall_macro": True,
    "f1_macro": True,
    "f_beta_macro": True,
    "precision_weighted": True,
    "recall_weighted": True,
    "f1_weighted": True,
    "f_beta_weighted": True,
    "mcc": True,
    "kappa": True,
    "ks": True,
    "gain": True,
    "lift": True,
    "ndcg": True,
    "map": True,
    "mrr": True,
    "r2": True,
    "d2_deviance": True,
    "d2_pinball": True,
    "d2_absolute_error": True,
    "explained_variance": True,
    "silhouette": True,
    "calinski_harabasz": True,
    "explained_variance_ratio": True,
    "log_loss": False,
    "brier": False,
    "rmse": False,
    "mae": False,
    "mape": False,
    "relative_error": False,
    "rmsle": False,
    "max_error": False,
    "huber": False,
    "fair": False,
    "quantile": False,
    "poisson": False,
    "gamma": False,
    "gamma_deviance": False,
    "tweedie": False,
    "deviance": False,
    "cross_entropy": False,
    "inertia": False,
    "mean_squared_distance": False,
    "davies_bouldin": False,
}
"""Every metric a model can be chosen by, and whether more of it is better; ``ndcg`` and ``map``
stand for those at any position, such as ``ndcg@5``, ``gain`` and ``lift`` for any percent."""


def base_name(metric: str) -> str:
    """Return the name without its position: ``ndcg`` of ``ndcg@5``."""
    return metric.partition("@")[0]


def higher_is_better(metric: str) -> bool:
    """Tell the direction of one of millrace's own metrics."""
    return HIGHER_IS_BETTER[base_name(metric)]


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return a hint for a metric that is not known."""
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else f"one of {', '.join(known)}"
