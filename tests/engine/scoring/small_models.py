"""Bundles of a few small trees over numeric columns, trained on noise that follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np

from engine.bundle import Bundle
from engine.classes import Class
from engine.contract import Rule
from engine.features.fitted import FittedPipeline
from engine.models import Trees

OBJECTIVES = {
    "binary": "binary",
    "multiclass": "multiclass",
    "regression": "regression",
    "ranking": "lambdarank",
}


def small_bundle(
    task: str,
    features: Sequence[str],
    *,
    seed: int = 0,
    classes: tuple[Class, ...] | None = None,
    types: str = "float64",
    rules: dict[str, Rule] | None = None,
    pipeline: FittedPipeline | None = None,
    alpha: float | None = None,
) -> Bundle:
    """Return a model of some columns; two of another seed say different things.

    Args:
        task: Of `OBJECTIVES`.
        features: Names of the features; of the columns too, without a pipeline.
        seed: Of the rows that it is trained on.
        classes: Values of the label.
        types: Type of the columns.
        rules: More of their contract.
        pipeline: What makes the features.
        alpha: The quantile that a regression predicts; None: the mean.
    """
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(600, len(features)))
    signal = x.sum(axis=1) + draw.normal(size=600)
    y = {"multiclass": np.digitize(signal, [-0.5, 0.8]), "regression": signal}.get(
        task, (signal > 0).astype(int)
    )
    params: dict[str, Any] = {"objective": OBJECTIVES[task], "num_leaves": 5, "num_threads": 1}
    params |= {"num_class": 3} if task == "multiclass" else {}
    params |= {"objective": "quantile", "alpha": alpha} if alpha else {}
    group = np.full(100, 6) if task == "ranking" else None
    data = lightgbm.Dataset(x, y, group=group, feature_name=[f"f{i}" for i in range(x.shape[1])])
    booster = lightgbm.train({**params, "verbosity": -1}, data, 4)
    names = tuple(features)
    pipeline = pipeline or FittedPipeline({}, (), names, names)
    return Bundle(
        model=Trees(booster.model_to_string()),
        pipeline=pipeline,
        types=dict.fromkeys(pipeline.inputs, types),
        rules=rules or {},
        task=task,
        target="y",
        metrics={},
        provenance={"params": {"alpha": alpha}} if alpha else {},
        objective="quantile" if alpha else None,
        classes=classes,
    )
