"""The names of the metrics, and whether more of one is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

HIGHER_IS_BETTER: Final[Mapping[str, bool]] = {
    "auc": True,
    "accuracy": True,
    "balanced_accuracy": True,
    "f1_macro": True,
    "ndcg": True,
    "map": True,
    "mrr": True,
    "r2": True,
    "log_loss": False,
    "brier": False,
    "rmse": False,
    "mae": False,
    "mape": False,
    "huber": False,
    "fair": False,
    "quantile": False,
    "poisson": False,
    "gamma": False,
    "gamma_deviance": False,
    "tweedie": False,
    "cross_entropy": False,
}
"""Every metric a model can be chosen by, and whether more of it is better; ``ndcg`` and ``map``
stand for those at any position, such as ``ndcg@5``."""


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
