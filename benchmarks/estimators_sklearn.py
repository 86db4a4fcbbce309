"""scikit-learn's estimators: streamed and sampled ones against the same classes in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from estimators import Case, Rows
from estimators_passes import BIKE_STEPS, HOUSE_STEPS
from real_sets import (
    ADULT_NUMBERS,
    ADULT_STEPS,
    adult,
    all_digits,
    bikes,
    connections,
    customers,
    digits,
    few_houses,
    houses,
    people,
    tumours,
)

from engine.bundle import Bundle
from engine.learners import CATALOGUE
from engine.learners.parameters import made
from engine.learners.streamed.names import COURSES
from engine.learners.streamed.order import batch_rows

SEED = 42
"""That of ``[train]`` unless it says otherwise."""

Floats = npt.NDArray[np.float64]
Measure = Callable[[Rows, Floats], float]
SCALE = [{"scale": ["*"], "with": "standard"}]


@dataclass(frozen=True)
class Data:
    """A set with what is asked of it.

    Attributes:
        name: Of the set.
        rows: Reads it.
        metric: Which one.
        train: Keys of ``[train]``.
        features: The section ``[features]``.
        label: Of a task without a target.
    """

    name: str
    rows: Callable[[Path], pl.DataFrame]
    metric: str
    train: Mapping[str, Any]
    features: Mapping[str, Any]
    label: str | None = None


_TEXT = {"steps": ADULT_STEPS[:2], "drop": list(ADULT_NUMBERS)}
_RICH, _COUNT = {"target": "rich", "task": "binary"}, {"target": "cnt", "task": "regression"}
_VALUE = {"target": "median_house_value", "task": "regression"}
_NUMBERS = {"columns": list(ADULT_NUMBERS), "steps": ADULT_STEPS[2:]}
_ALIKE = {"task": "clustering"}
_SOLD = [{"scale": ["recency", "frequency", "spending"], "with": "standard"}]

ADULT = Data("adult", adult, "auc", _RICH, {"steps": ADULT_STEPS})
NUMBERS = Data("adult", adult, "auc", _RICH, _NUMBERS)
WORDS = Data("adult", adult, "auc", _RICH, _TEXT)
BIKES = Data("bike_sharing", bikes, "rmse", _COUNT, {"steps": BIKE_STEPS})
HOUSES = Data("california_housing", houses, "rmse", _VALUE, {"steps": HOUSE_STEPS})
FEW_HOUSES = Data("california_housing / 4", few_houses, "rmse", _VALUE, {"steps": HOUSE_STEPS})
DIGITS = Data("digits", digits, "accuracy", {"target": "digit", "task": "multiclass"}, {})
TUMOURS = Data(
    "breast_cancer", tumours, "auc", {"target": "benign", "task": "binary"}, {"steps": SCALE}
)
CONNECTIONS = Data(
    "kddcup99 / 10", connections, "auc", {"task": "anomaly"}, {"steps": SCALE}, "attack"
)
IMAGES = Data("digits", all_digits, "adjusted Rand index", _ALIKE, {}, "digit")
CELLS = Data("breast_cancer", tumours, "adjusted Rand index", _ALIKE, {"steps": SCALE}, "benign")
CUSTOMERS = Data("online_retail", customers, "inertia", _ALIKE, {"steps": _SOLD})
PEOPLE = Data("adult", people, "inertia", _ALIKE, _NUMBERS, "rich")
PLANES = Data(
    "adult", people, "explained variance", {"task": "reduction"}, {"steps": ADULT_STEPS}, "rich"
)


def _rmse(rows: Rows, said: Floats) -> float:
    return float(np.sqrt(((said - rows.y) ** 2).mean()))


def _auc(rows: Rows, said: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(rows.y, said))


def _accuracy(rows: Rows, said: Floats) -> float:
    return float((said == rows.y).mean())


def _agreement(rows: Rows, said: Floats) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(rows.y, said))


def _inertia(rows: Rows, said: Floats) -> float:
    """Return the squared distances to the means of clusters, whatever found them."""
    x = rows.x.astype(np.float64)
    found = (x[said == cluster] for cluster in np.unique(said))
    return float(sum(((one - one.mean(axis=0)) ** 2).sum() for one in found))


def _explained(rows: Rows, said: Floats) -> float:
    return float(said.var(axis=0).sum() / rows.x.astype(np.float64).var(axis=0).sum())


MEASURES: Mapping[str, Measure] = {
    **{"rmse": _rmse, "auc": _auc, "accuracy": _accuracy, "inertia": _inertia},
    **{"adjusted Rand index": _agreement, "explained variance": _explained},
}


def said_by(estimator: Any, rows: Rows, task: str, cell: Any) -> Floats:
    """Return what a fitted estimator says of rows: as millrace tells it, found independently."""
    x = rows.x.astype(cell)
    if task == "binary":
        known = hasattr(estimator, "predict_proba")
        return estimator.predict_proba(x)[:, 1] if known else estimator.decision_function(x)
    if task == "anomaly":
        return -estimator.score_samples(x)
    if task == "reduction":
        return estimator.transform(x)
    if task == "clustering" and not hasattr(estimator, "predict"):
        return estimator.labels_
    return estimator.predict(x)


def _told(data: Data) -> Callable[[Bundle, Rows, Rows], float] | None:
    """Return what measures a bundle of a task without a label; None: its report tells."""
    task = data.train["task"]
    if task not in ("clustering", "anomaly", "reduction"):
        return None

    def measured(bundle: Bundle, train: Rows, test: Rows) -> float:
        rows = test if task == "anomaly" else train
        said = bundle.model.predict(rows.x)
        return MEASURES[data.metric](rows, said[:, 0] if task == "clustering" else said)

    return measured


def _peer(name: str, data: Data, params: Mapping[str, Any], sample: int | None) -> Any:
    """Return what trains the same class in memory and measures it."""
    one, task = CATALOGUE[name], data.train["task"]
    trees = name.endswith(("Forest", "ForestClassifier", "ForestRegressor"))
    cell = np.float32 if trees or "ExtraTrees" in name else np.float64

    def measured(train: Rows, test: Rows) -> float:
        own = dict(params)
        epochs = own.pop("epochs", COURSES[name].epochs if name in COURSES else 1)
        novel = {"novelty": True} if name == "sklearn.LocalOutlierFactor" else {}
        estimator = made(one.path, {**own, **novel}, SEED)
        x, y = train.x.astype(cell), train.y
        if sample is not None:
            drawn = np.random.default_rng(SEED).permutation(len(x))[:sample]
            x, y = x[drawn], y[drawn]
        if one.way == "streamed":
            _stream(estimator, x, y, epochs, task)
        elif data.train.get("target"):
            estimator.fit(x, y)
        else:
            estimator.fit(x)
        rows = train if task in ("clustering", "reduction") else test
        return MEASURES[data.metric](rows, said_by(estimator, rows, task, cell))

    return measured


def _stream(estimator: Any, x: Any, y: Any, epochs: int, task: str) -> None:
    """Learn epoch by epoch, in batches of the size that millrace takes; all rows are shuffled."""
    draw = np.random.default_rng(SEED)
    more = {"classes": np.unique(y)} if task in ("binary", "multiclass") else {}
    for _ in range(max(1, epochs)):
        order = draw.permutation(len(x))
        for rows in np.array_split(order, max(1, len(x) // batch_rows(x.shape[1]))):
            labels = [] if task in ("clustering", "reduction") else [y[rows]]
            estimator.partial_fit(x[rows], *labels, **more)


def _case(
    short: str,
    data: Data,
    tolerance: float,
    why: str,
    params: Mapping[str, Any] | None = None,
    sample: int | None = None,
) -> Case:
    name, params = f"sklearn.{short}", params or {}
    return Case(
        name,
        data.name,
        data.rows,
        data.metric,
        _peer(name, data, params, sample),
        tolerance,
        why,
        {
            **data.train,
            **({"params": params} if params else {}),
            **({"sample_rows": sample} if sample else {}),
        },
        data.features,
        _told(data),
        data.label,
        f"a sample of {sample:,}" if sample else "",
    )


ORDER = "rows in another order"
SUMS = "sums in another order"
SAME = "same rows, order and seed: rounding"
DRAWN = "another sample"


def _streamed() -> Iterator[Case]:
    spread = f"{ORDER}; in memory 0.895 to 0.902 in eight orders"
    yield _case("SGDClassifier", ADULT, 0.01, spread, {"loss": "log_loss"})
    yield _case("SGDRegressor", BIKES, 0.02, ORDER)
    yield _case("Perceptron", DIGITS, 0.05, f"{ORDER}; the last mistakes count most")
    yield _case("PassiveAggressiveClassifier", ADULT, 0.01, ORDER, {"C": 0.001, "average": True})
    yield _case("PassiveAggressiveRegressor", BIKES, 0.05, ORDER, {"C": 0.01, "average": True})
    yield _case("MLPClassifier", ADULT, 0.01, ORDER)
    yield _case("MLPRegressor", BIKES, 0.05, ORDER)
    yield _case("MiniBatchKMeans", PEOPLE, 0.05, f"{ORDER}, so other first centres")
    yield _case("IncrementalPCA", PLANES, 0.001, f"{ORDER}; batches drop what is past 10", _TEN)
    yield _case("GaussianNB", NUMBERS, 0.001, "smoothing is of the last batch's variance")
    for name in ("MultinomialNB", "BernoulliNB", "ComplementNB"):
        yield _case(name, WORDS, 1e-6, SUMS)


def _sampled() -> Iterator[Case]:
    yield _case("LogisticRegression", TUMOURS, 1e-6, SAME)
    yield _case("LogisticRegression", ADULT, 0.01, DRAWN, {"max_iter": 300}, 8000)
    yield _case("Ridge", HOUSES, 1e-6, SAME)
    yield _case("Ridge", HOUSES, 0.02, DRAWN, sample=8000)
    for name in ("LinearSVC", "SVC", "KNeighborsClassifier", "RandomForestClassifier"):
        yield _case(name, TUMOURS, 1e-6, SAME)
    for name in ("ExtraTreesClassifier", "HistGradientBoostingClassifier"):
        yield _case(name, DIGITS, 1e-6, SAME)
    yield _case("RandomForestClassifier", ADULT, 0.01, DRAWN, sample=8000)
    yield _case("LinearSVR", FEW_HOUSES, 1e-6, SAME, {"C": 1000.0})
    yield _case("SVR", FEW_HOUSES, 1e-6, SAME, {"C": 10000.0})
    for name in (
        *("KNeighborsRegressor", "RandomForestRegressor", "ExtraTreesRegressor"),
        "HistGradientBoostingRegressor",
    ):
        yield _case(name, FEW_HOUSES, 1e-6, SAME)
    for name in ("IsolationForest", "OneClassSVM"):
        yield _case(name, CONNECTIONS, 1e-6, SAME)
    # Of the 20 neighbours that are its own choice, an attack has 20 attacks: they come in bursts.
    yield _case("LocalOutlierFactor", CONNECTIONS, 1e-6, SAME, {"n_neighbors": 200})
    yield _case("KMeans", CUSTOMERS, 1e-6, SAME, {"n_clusters": 5, "n_init": 10})
    yield _case("GaussianMixture", CELLS, 1e-6, SAME, {"n_components": 2})
    yield _case(
        "DBSCAN", IMAGES, 0.01, "a row between two clusters may go to either", {"eps": 20.0}
    )
    yield _case("HDBSCAN", IMAGES, 1e-6, SAME, {"min_cluster_size": 10})
    yield _case("AgglomerativeClustering", IMAGES, 1e-6, SAME, {"n_clusters": 10})


_TEN = {"n_components": 10}

CASES = [*_streamed(), *_sampled()]
"""A case for each streamed and each sampled estimator; some have one of a real sample too."""
