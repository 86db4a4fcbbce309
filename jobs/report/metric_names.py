"""What pages call the metrics, and in which order they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.metrics import base_name

METRIC_NAMES: Mapping[str, str] = {
    "rows": "Rows",
    "queries": "Queries",
    "positives": "Positives",
    "auc": "ROC AUC",
    "auc_error": "ROC AUC, error bound",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1_macro": "F1, mean of the classes",
    "ndcg": "NDCG",
    "map": "MAP",
    "mrr": "MRR",
    "quantile": "Quantile loss",
    "poisson": "Poisson loss",
    "gamma": "Gamma loss",
    "gamma_deviance": "Gamma deviance",
    "tweedie": "Tweedie loss",
    "cross_entropy": "Cross entropy",
    "rmse": "RMSE",
    "mae": "MAE",
    "mape": "MAPE",
    "huber": "Huber loss",
    "fair": "Fair loss",
    "r2": "R²",
    "bias": "Bias",
}
"""What a page calls each metric, in the order it shows them."""

COUNTS = ("rows", "queries", "positives")
"""Results that are counts."""


def title(metric: str) -> str:
    """Return what a page calls a metric: ``NDCG@5``; an unknown one by its own name."""
    base = base_name(metric)
    return METRIC_NAMES.get(base, base) + metric.removeprefix(base)


def in_order(metrics: Iterable[str]) -> list[str]:
    """Return known metrics in the order of a page, those at a position from near to far."""
    order = {name: place for place, name in enumerate(METRIC_NAMES)}

    def place(metric: str) -> tuple[int, int]:
        position = metric.partition("@")[2]
        return order[base_name(metric)], int(position) if position.isdecimal() else 0

    return sorted((name for name in set(metrics) if base_name(name) in order), key=place)
