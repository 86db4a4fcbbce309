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
    "average_precision": "PR AUC (average precision)",
    "auc_macro": "ROC AUC, mean of the classes",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "f_beta": "F-beta",
    "precision_macro": "Precision, mean of the classes",
    "recall_macro": "Recall, mean of the classes",
    "f1_macro": "F1, mean of the classes",
    "f_beta_macro": "F-beta, mean of the classes",
    "precision_weighted": "Precision, mean by rows of the classes",
    "recall_weighted": "Recall, mean by rows of the classes",
    "f1_weighted": "F1, mean by rows of the classes",
    "f_beta_weighted": "F-beta, mean by rows of the classes",
    "mcc": "Matthews correlation",
    "kappa": "Cohen's kappa",
    "ks": "Kolmogorov-Smirnov",
    "gain": "Gain",
    "lift": "Lift",
    "ndcg": "NDCG",
    "map": "MAP",
    "mrr": "MRR",
    "quantile": "Quantile loss",
    "poisson": "Poisson loss",
    "gamma": "Gamma loss",
    "gamma_deviance": "Gamma deviance",
    "tweedie": "Tweedie loss",
    "deviance": "Deviance",
    "cross_entropy": "Cross entropy",
    "rmse": "RMSE",
    "mae": "MAE",
    "median_absolute_error": "Median absolute error",
    "median_absolute_error_error": "Median absolute error, error bound",
    "mape": "MAPE",
    "relative_error": "MAPE, of any label",
    "rmsle": "RMSLE",
    "max_error": "Greatest error",
    "huber": "Huber loss",
    "fair": "Fair loss",
    "r2": "R²",
    "explained_variance": "Explained variance",
    "d2_deviance": "D², share of the deviance explained",
    "d2_pinball": "D², share of the quantile loss explained",
    "d2_absolute_error": "D², share of the absolute error explained",
    "bias": "Bias",
    "clusters": "Clusters",
    "largest_cluster": "Largest cluster, share of the rows",
    "unassigned": "Rows without a cluster, share",
    "inertia": "Inertia",
    "mean_squared_distance": "Squared distance to the cluster, mean",
    "sampled": "Rows sampled for the next three",
    "silhouette": "Silhouette",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
    "odd": "Odd rows, share",
    "components": "Components",
    "explained_variance_ratio": "Variance explained",
}
"""What a page calls each metric, in the order it shows them."""

COUNTS = ("rows", "queries", "positives", "clusters", "sampled", "components")
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
