"""LightGBM on two workers, and ensembles, against LightGBM and scikit-learn in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import scores
from estimators import PART, TRAIN, VALID, Case, Rows
from estimators_passes import HOUSE_STEPS
from real_sets import ADULT_TEXT, adult, bikes, digits, houses
from train_sets import lambdarank

from engine.bundle import Bundle

ROUNDS = 50
SEED = 42

Floats = npt.NDArray[np.float64]
Measure = Callable[[Rows, Floats], float]

SPLITS = "LightGBM's ranks sum and count apart"
"""Its data-parallel learner estimates how many rows a leaf has, adds histograms in another order,
and averages what ranks find alone. The jobs of `multiclass` and `gamma` on one worker gave the
metric of LightGBM in memory to the last digits.
"""

TWO_RANKS = f"{SPLITS}; its own two ranks, without millrace: 0.15697"
"""`lightgbm.train` in two processes, ``tree_learner = "data"``, 720 and 717 rows of digits."""

GAMMA = f"{SPLITS}; its own two ranks, without millrace: 0.188 or 0.333, by which rows each has"
"""The same with bike_sharing: odd and even rows, or halves by time."""
DRAWS = "each worker draws its own rows"


def queries(folder: Path) -> pl.DataFrame:
    """Return LightGBM's own ranking example; ``y`` is the label, ``q`` the query."""
    return lambdarank(folder).drop("row")


def houses_with_valid(folder: Path) -> pl.DataFrame:
    """Return blocks of houses of which every fifth row is a validation row."""
    valid = (pl.int_range(pl.len()) % 5 == 1) & (pl.col(PART) == TRAIN)
    return houses(folder).with_columns(
        pl.when(valid).then(pl.lit(VALID)).otherwise(pl.col(PART)).alias(PART)
    )


def _sklearn(name: str, **given: Any) -> Measure:
    """Return a metric of `sklearn.metrics`."""

    def measured(rows: Rows, said: Floats) -> float:
        import sklearn.metrics

        return float(getattr(sklearn.metrics, name)(rows.y, said, **given))

    return measured


def _huber(rows: Rows, said: Floats, alpha: float = 50.0) -> float:
    off = np.abs(said - rows.y)
    return float(np.where(off <= alpha, off**2 / 2, alpha * (off - alpha / 2)).mean())


REPORTED: Mapping[str, Measure] = {
    "auc": lambda rows, said: scores.area(rows.y, said),
    "log_loss": lambda rows, said: scores.log_loss(rows.y, said),
    "rmse": lambda rows, said: scores.rmse(rows.y, said),
    "mae": _sklearn("mean_absolute_error"),
    "ndcg@10": lambda rows, said: scores.ndcg(rows.y, said, rows.frame["q"].to_numpy()),
}
"""Metrics that the report of a run tells, by their definitions."""

MEASURED: Mapping[str, Measure] = {
    "huber loss": _huber,
    "pinball loss": _sklearn("mean_pinball_loss", alpha=0.9),
    "Poisson deviance": _sklearn("mean_poisson_deviance"),
    "Tweedie deviance": _sklearn("mean_tweedie_deviance", power=1.5),
    "gamma deviance": _sklearn("mean_gamma_deviance"),
    "cross-entropy": _sklearn("log_loss"),
}
"""Metrics that are measured here, of the predictions of both."""


def boosted(train: Rows, objective: str, params: Mapping[str, Any]) -> Any:
    """Return LightGBM's booster, trained in memory."""
    import lightgbm

    group = None
    if "q" in train.frame.columns:
        group = train.frame.group_by("q", maintain_order=True).len()["len"].to_numpy()
    data = lightgbm.Dataset(
        train.x, train.y, group=group, categorical_feature=list(train.categories)
    )
    own = {"objective": objective, "seed": SEED, "verbosity": -1, "num_threads": 2}
    return lightgbm.train({**own, **params}, data, ROUNDS)


def _case(
    data: tuple[str, Callable[[Path], pl.DataFrame], Mapping[str, Any], Mapping[str, Any]],
    objective: str,
    metric: str,
    tolerance: float,
    why: str = SPLITS,
    **params: Any,
) -> Case:
    name, rows, train, features = data
    measure = {**REPORTED, **MEASURED}[metric]
    known = {"num_class": 10} if objective == "multiclass" else {}

    def memory(train: Rows, test: Rows) -> float:
        booster = boosted(train, objective, {**params, **known})
        return measure(test, np.asarray(booster.predict(test.x)))

    def told(bundle: Bundle, _: Rows, test: Rows) -> float:
        return measure(test, bundle.model.predict(test.x))

    boosting = f", {params['boosting']}" if "boosting" in params else ""
    return Case(
        "lightgbm",
        name,
        rows,
        metric,
        memory,
        tolerance,
        why,
        {**train, "objective": objective, "params": {"n_estimators": ROUNDS, **params}},
        features,
        None if metric in REPORTED else told,
        note=objective + boosting,
    )


_ADULT = (
    "adult",
    adult,
    {"target": "rich", "task": "binary"},
    {"steps": [{"encode": list(ADULT_TEXT), "with": "category"}]},
)
_BIKES = ("bike_sharing", bikes, {"target": "cnt", "task": "regression"}, {})
_DIGITS = ("digits", digits, {"target": "digit", "task": "multiclass"}, {})
_HOUSES = (
    "california_housing",
    houses,
    {"target": "median_house_value", "task": "regression"},
    {"steps": [{"encode": ["ocean_proximity"], "with": "category"}]},
)
_QUERIES = (
    "lightgbm_lambdarank",
    queries,
    {"target": "y", "task": "ranking", "query": "q"},
    {},
)
_FOREST = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7, "feature_fraction": 0.7}


def _boosting() -> Iterator[Case]:
    yield _case(_ADULT, "binary", "auc", 0.002)
    yield _case(_ADULT, "cross_entropy", "cross-entropy", 0.01)
    yield _case(_DIGITS, "multiclass", "log_loss", 0.25, TWO_RANKS)
    yield _case(_HOUSES, "regression", "rmse", 0.01)
    yield _case(_BIKES, "regression_l1", "mae", 0.03)
    yield _case(_BIKES, "huber", "huber loss", 0.02, alpha=50.0)
    yield _case(_BIKES, "quantile", "pinball loss", 0.02, alpha=0.9)
    yield _case(_BIKES, "poisson", "Poisson deviance", 0.02)
    yield _case(_BIKES, "tweedie", "Tweedie deviance", 0.02)
    yield _case(_BIKES, "gamma", "gamma deviance", 0.5, GAMMA)
    yield _case(_QUERIES, "lambdarank", "ndcg@10", 0.03, f"{SPLITS}; 50 test queries")
    yield _case(_ADULT, "binary", "auc", 0.005, DRAWS, **_FOREST)
    yield _case(_HOUSES, "regression", "rmse", 0.03, DRAWS, **_FOREST)
    yield _case(_HOUSES, "regression", "rmse", 0.02, SPLITS, boosting="dart")


_MEMBERS = {
    "trees": {"params": {"n_estimators": ROUNDS}},
    "line": {"estimator": "sklearn.Ridge"},
}


def _members(train: Rows) -> list[Callable[[Any], Floats]]:
    """Return the members, trained in memory: each predicts."""
    from sklearn.linear_model import Ridge

    trees = boosted(train, "regression", {})
    line = Ridge(random_state=SEED).fit(train.x.astype(float), train.y)
    return [lambda x: np.asarray(trees.predict(x)), lambda x: line.predict(x.astype(float))]


def _part(rows: Rows, which: npt.NDArray[np.bool_]) -> Rows:
    return Rows(rows.x[which], rows.y[which], rows.frame.filter(which), rows.categories)


def _columns(members: list[Callable[[Any], Floats]], x: Any) -> Floats:
    return np.column_stack([member(x) for member in members])


def _line(said: Floats, y: Any) -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression(positive=True).fit(said, y)


def voted(train: Rows, test: Rows) -> float:
    """Return the RMSE of the mean of the members."""
    return scores.rmse(test.y, _columns(_members(train), test.x).mean(axis=1))


def stacked(train: Rows, test: Rows) -> float:
    """Return the RMSE of a line through what members say of rows that they have not seen."""
    fold = np.random.default_rng(SEED).permutation(len(train.y)) % 5
    said = np.empty((len(train.y), len(_MEMBERS)))
    for one in range(5):
        said[fold == one] = _columns(_members(_part(train, fold != one)), train.x[fold == one])
    final = _line(said, train.y)
    return scores.rmse(test.y, final.predict(_columns(_members(train), test.x)))


def blended(train: Rows, test: Rows) -> float:
    """Return the RMSE of a line through what members say of the validation rows."""
    held = (train.frame[PART] == VALID).to_numpy()
    members = _members(_part(train, ~held))
    final = _line(_columns(members, train.x[held]), train.y[held])
    return scores.rmse(test.y, final.predict(_columns(members, test.x)))


def _ensemble(
    name: str,
    rows: Callable[[Path], pl.DataFrame],
    memory: Callable[[Rows, Rows], float],
    tolerance: float,
    why: str,
) -> Case:
    return Case(
        f"ensemble.{name}",
        "california_housing",
        rows,
        "rmse",
        memory,
        tolerance,
        why,
        {**_HOUSES[2], "members": _MEMBERS},
        {"steps": HOUSE_STEPS},
        note="LightGBM and Ridge",
    )


CASES = [
    *_boosting(),
    _ensemble("Voting", houses, voted, 1e-6, "rounding"),
    _ensemble("Stacking", houses, stacked, 0.01, "other folds"),
    _ensemble("Blending", houses_with_valid, blended, 1e-6, "rounding"),
]
"""Objectives and kinds of boosting, and an ensemble of each kind."""
