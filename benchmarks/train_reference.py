"""LightGBM in memory on a table of `train_sets`: what millrace's models are held against.

As the baselines of the data do it: text is a pandas categorical with the training rows' values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import scores
from train_sets import Set, categories, features

Array = npt.NDArray[Any]

BASE = {
    **{"verbosity": -1, "seed": 42, "deterministic": True},
    **{"force_row_wise": True, "num_threads": 2},
}
OBJECTIVES = {"ranking": "lambdarank"}
LOSSES = {"log_loss": "binary_logloss", "auc": "auc", "rmse": "rmse"}
"""LightGBM's names of millrace's metrics."""


@dataclass(frozen=True)
class Stopped:
    """A training that ended by itself: its best round, and the metric there."""

    best_round: int
    metric: float


def _pandas(frame: pl.DataFrame, train: pl.DataFrame) -> Any:
    import pandas as pd

    table = frame.select(features(frame)).to_pandas()
    for name in categories(frame):
        known = sorted(train[name].drop_nulls().unique().to_list())
        values = frame[name].replace_strict(known, known, default=None).to_list()
        table[name] = pd.Categorical(values, categories=known)
    return table


def _dataset(frame: pl.DataFrame, train: pl.DataFrame, reference: Any = None) -> Any:
    import lightgbm as lgb

    group = None
    if "q" in frame.columns:
        group = frame.group_by("q", maintain_order=True).len()["len"].to_numpy()
    x, y = _pandas(frame, train), frame["y"].to_numpy()
    return lgb.Dataset(x, y, group=group, reference=reference)


def _start(kind: Set, train: pl.DataFrame, shift: float) -> float:
    """Return a little more than the score that boosting starts from: so many deviations of it."""
    y = train["y"].to_numpy().astype(float)
    mean = float(y.mean())
    return (
        float(np.log(mean / (1 - mean))) + shift
        if kind.task == "binary"
        else mean + shift * y.std()
    )


def _params(kind: Set, params: Mapping[str, object]) -> dict[str, Any]:
    objective = kind.objective or OBJECTIVES.get(kind.task, kind.task)
    given = {**BASE, "objective": objective, **kind.params, **params}
    return given | ({"num_class": kind.classes} if kind.classes else {})


def fit(frame: pl.DataFrame, kind: Set, params: Mapping[str, object], rounds: int) -> Any:
    """Train on the training rows and return the booster."""
    import lightgbm as lgb

    train = frame.filter(pl.col("part") == "train")
    return lgb.train(_params(kind, params), _dataset(train, train), rounds)


def stop(
    frame: pl.DataFrame,
    kind: Set,
    params: Mapping[str, object],
    rounds: int,
    patience: int,
    metric: str,
    shift: float = 0.0,
) -> Stopped:
    """Train with `lightgbm.early_stopping` on the validation rows.

    Args:
        frame: The table.
        kind: Its task.
        params: Beside the defaults.
        rounds: At most.
        patience: Rounds without a better metric.
        metric: Millrace's name of it.
        shift: Boosting starts so far from the mean, in deviations of the label (binary: log odds).
    """
    import lightgbm as lgb

    train, valid = (frame.filter(pl.col("part") == name) for name in ("train", "valid"))
    data, name = _dataset(train, train), LOSSES[metric]
    held = _dataset(valid, train, data)
    if shift:
        for rows, dataset in ((train, data), (valid, held)):
            dataset.set_init_score(np.full(rows.height, _start(kind, train, shift)))
    booster = lgb.train(
        {**_params(kind, params), "metric": name},
        data,
        rounds,
        valid_sets=[held],
        callbacks=[lgb.early_stopping(patience, verbose=False)],
    )
    return Stopped(int(booster.best_iteration), float(booster.best_score["valid_0"][name]))


def predicted(booster: Any, frame: pl.DataFrame) -> Array:
    """Return a booster's predictions of the test rows."""
    train, test = (frame.filter(pl.col("part") == name) for name in ("train", "test"))
    return np.asarray(booster.predict(_pandas(test, train), num_threads=2))


def measured(kind: Set, rows: pl.DataFrame, found: Array) -> float:
    """Return the metric of predictions.

    Args:
        kind: The task.
        rows: ``y``, and for ranking ``q``, of the rows.
        found: Probability of 1, value, score, or a probability for each class.
    """
    y = rows["y"].to_numpy()
    if kind.task == "ranking":
        return scores.ndcg(y, found, rows["q"].to_numpy())
    measures = {"binary": scores.area, "regression": scores.rmse, "multiclass": scores.log_loss}
    return measures[kind.task](y, found)
