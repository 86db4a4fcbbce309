"""The estimators that learn so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from engine.learners.estimator import Estimator, Task

Growth = Literal["linear", "trees", "kernel", "pairs", "neighbours", "shares"]
"""What an estimator holds beside its rows: little; trees; a cache of kernel values (and time that
grows with the square of the rows); a distance for each pair of rows; the neighbours of each row;
the share of each row in each component."""


@dataclass(frozen=True)
class Habit:
    """How an estimator uses its sample.

    Attributes:
        growth: What it holds beside the rows.
        copies: Copies of its rows, 8 bytes a cell, that it makes of that matrix.
        near: Neighbours of a row that it is counted with at least.
        cell: Type of the matrix that it learns from.
        kept: ``estimator``: it predicts itself. ``core``: rows belong to the cluster of their
            nearest core sample within ``eps``; ``samples``: to that of their nearest sample.
    """

    growth: Growth = "linear"
    copies: int = 2
    near: int = 0
    cell: Literal["float32", "float64"] = "float64"
    kept: Literal["estimator", "core", "samples"] = "estimator"


_CLASSES: Final[tuple[Task, ...]] = ("binary", "multiclass")
_NUMBER: Final[tuple[Task, ...]] = ("regression",)
_SET: Final = ("n_jobs", "random_state", "verbose", "warm_start")
_NO_WEIGHTS: Final = (*_SET, "class_weight")
_FOREST: Final = (*_NO_WEIGHTS, "oob_score", "monotonic_cst")
_EUCLIDEAN: Final = ("metric", "metric_params", "algorithm", "leaf_size", "n_jobs", "p")


def _of(
    path: str, tasks: tuple[Task, ...], about: str, fixed: tuple[str, ...] = _NO_WEIGHTS
) -> Estimator:
    name = path.partition(":")[2]
    return Estimator(f"sklearn.{name}", "sampled", tasks, f"sklearn.{path}", about, fixed)


ESTIMATORS: tuple[Estimator, ...] = (
    _of("linear_model:LogisticRegression", _CLASSES, "Logistic regression."),
    _of("linear_model:Ridge", _NUMBER, "Linear regression with an L2 penalty."),
    _of("svm:LinearSVC", _CLASSES, "Linear support vectors."),
    _of("svm:LinearSVR", _NUMBER, "Linear support vectors of a regression."),
    _of(
        "svm:SVC",
        _CLASSES,
        "Support vectors with a kernel.",
        (*_NO_WEIGHTS, "decision_function_shape", "break_ties"),
    ),
    _of("svm:SVR", _NUMBER, "Support vectors of a regression with a kernel."),
    _of("neighbors:KNeighborsClassifier", _CLASSES, "Classes of the nearest samples."),
    _of("neighbors:KNeighborsRegressor", _NUMBER, "Mean of the nearest samples."),
    _of("ensemble:RandomForestClassifier", _CLASSES, "Random forest.", _FOREST),
    _of("ensemble:RandomForestRegressor", _NUMBER, "Random forest of a regression.", _FOREST),
    _of("ensemble:ExtraTreesClassifier", _CLASSES, "Trees with drawn cuts.", _FOREST),
    _of("ensemble:ExtraTreesRegressor", _NUMBER, "Trees with drawn cuts of a regression.", _FOREST),
    _of(
        "ensemble:HistGradientBoostingClassifier",
        _CLASSES,
        "scikit-learn's boosted trees; `lightgbm` learns such from all rows.",
        (*_NO_WEIGHTS, "categorical_features", "interaction_cst", "monotonic_cst", "scoring"),
    ),
    _of(
        "ensemble:HistGradientBoostingRegressor",
        _NUMBER,
        "scikit-learn's boosted trees; `lightgbm` learns such from all rows.",
        (*_NO_WEIGHTS, "categorical_features", "interaction_cst", "monotonic_cst", "scoring"),
    ),
    _of("ensemble:IsolationForest", ("anomaly",), "Rows that few random cuts set apart."),
    _of("svm:OneClassSVM", ("anomaly",), "Rows outside a boundary around most."),
    _of(
        "neighbors:LocalOutlierFactor",
        ("anomaly",),
        "Rows in sparser places than their neighbours; with `novelty`.",
        (*_SET, "novelty"),
    ),
    _of("cluster:KMeans", ("clustering",), "k-means."),
    _of("mixture:GaussianMixture", ("clustering",), "Mixture of normal distributions."),
    _of(
        "cluster:DBSCAN",
        ("clustering",),
        "Dense places; other rows belong to the nearest core sample within `eps`.",
        _EUCLIDEAN,
    ),
    _of(
        "cluster:HDBSCAN",
        ("clustering",),
        "Dense places of any scale; other rows belong to the cluster of the nearest sample.",
        (*_EUCLIDEAN, "copy", "store_centers"),
    ),
    _of(
        "cluster:AgglomerativeClustering",
        ("clustering",),
        "A hierarchy, cut; other rows belong to the cluster of the nearest sample.",
        (*_EUCLIDEAN, "connectivity", "memory", "compute_full_tree", "compute_distances"),
    ),
)
"""Every estimator that millrace trains on a sample."""

_TREES: Final = Habit("trees", cell="float32")

HABITS: Final[Mapping[str, Habit]] = {
    **{
        f"sklearn.{name}": _TREES
        for name in (
            *("RandomForestClassifier", "RandomForestRegressor"),
            *("ExtraTreesClassifier", "ExtraTreesRegressor", "IsolationForest"),
        )
    },
    **{f"sklearn.{name}": Habit("kernel") for name in ("SVC", "SVR", "OneClassSVM")},
    "sklearn.GaussianMixture": Habit("shares", copies=4),
    # They keep their rows, and write them into their file.
    "sklearn.KNeighborsClassifier": Habit(copies=4),
    "sklearn.KNeighborsRegressor": Habit(copies=4),
    "sklearn.LocalOutlierFactor": Habit("neighbours", near=20),
    "sklearn.AgglomerativeClustering": Habit("pairs", kept="samples"),
    # How many are within `eps` only the data tell; of these it keeps no more than numbers.
    "sklearn.DBSCAN": Habit("neighbours", near=30, kept="core"),
    "sklearn.HDBSCAN": Habit("neighbours", near=10, kept="samples"),
}
"""How each uses its sample; any other holds little beside it."""
