"""LightGBM's own examples as tables: those of its folder ``examples``, and those for Dask.

The folder is that of a checkout of github.com/microsoft/LightGBM (``--examples``); nothing of it is
kept. Its Dask examples draw their rows with scikit-learn, and so do we (with a seed of ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from train_sets import Set, lambdarank, with_parts

KEPT = (
    *("learning_rate", "num_leaves", "max_bin", "min_data_in_leaf", "min_sum_hessian_in_leaf"),
    *("feature_fraction", "bagging_fraction", "bagging_freq", "objective_seed"),
)
"""Parameters of a ``train.conf`` that decide the model."""

FOLDERS: Mapping[str, tuple[str, str]] = {
    "binary_classification": ("binary", "binary"),
    "regression": ("regression", "regression"),
    "multiclass_classification": ("multiclass", "multiclass"),
    "parallel_learning": ("binary", "binary"),
}
"""Task and beginning of the file names of each example."""

RANKED = {
    **{"learning_rate": 0.1, "num_leaves": 31, "max_bin": 255, "min_data_in_leaf": 50},
    **{"min_sum_hessian_in_leaf": 5.0, "bagging_freq": 1, "bagging_fraction": 0.9},
}
"""What the ``train.conf`` of both ranking examples says."""


def settings(text: str) -> dict[str, str]:
    """Return the values of a ``train.conf`` by name."""
    lines = (line.split("#")[0] for line in text.splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _number(text: str) -> int | float:
    return float(text) if "." in text or "e" in text else int(text)


def example(folder: Path, name: str) -> tuple[Set, int]:
    """Return an example of LightGBM's folder and its number of rounds.

    Raises:
        FileNotFoundError: The folder has no such example.
    """
    task, stem = FOLDERS[name]
    given = settings((folder / name / "train.conf").read_text())
    params = {key: _number(given[key]) for key in KEPT if key in given}
    classes = int(given.get("num_class", 0)) if task == "multiclass" else 0
    files = [folder / name / f"{stem}.{part}" for part in ("train", "test")]
    for file in files:
        file.stat()
    return Set(task, lambda _: _tabbed(*files), classes, params), int(given["num_trees"])


def _tabbed(train: Path, test: Path) -> pl.DataFrame:
    rows = (np.loadtxt(file, delimiter="\t", ndmin=2) for file in (train, test))
    return with_parts(*map(_with_label, rows))


def _with_label(rows: Any) -> pl.DataFrame:
    frame = pl.DataFrame(rows[:, 1:], schema=[f"x{n}" for n in range(rows.shape[1] - 1)])
    y = rows[:, 0]
    whole = bool((y == np.round(y)).all())
    return frame.with_columns(y=pl.Series(y.astype(np.int64) if whole else y))


def _halves(x: Any, y: Any) -> pl.DataFrame:
    """Return a table whose second half is the test part: the examples measure nothing."""
    rows, half = np.column_stack([y, x]), len(y) // 2
    return with_parts(_with_label(rows[:half]), _with_label(rows[half:]))


def blobs(centres: int) -> pl.DataFrame:
    """Return the rows of the Dask examples for classes: 1,000 train, 1,000 test."""
    from sklearn.datasets import make_blobs

    # Wider than the examples' blobs, which any model tells apart without a mistake.
    return _halves(*make_blobs(2_000, 50, centers=centres, cluster_std=25.0, random_state=7))


def line() -> pl.DataFrame:
    """Return the rows of the Dask example for regression."""
    from sklearn.datasets import make_regression

    return _halves(*make_regression(2_000, 50, random_state=7))


EXAMPLES: Mapping[str, tuple[Set, int]] = {
    "lambdarank": (Set("ranking", lambdarank, params=RANKED), 100),
    "xendcg": (
        Set("ranking", lambdarank, params=RANKED, objective="rank_xendcg"),
        100,
    ),
    "dask binary": (Set("binary", lambda _: blobs(2)), 10),
    "dask multiclass": (Set("multiclass", lambda _: blobs(3), 3), 10),
    "dask regression": (Set("regression", lambda _: line()), 10),
    "dask ranking": (Set("ranking", lambdarank), 10),
}
"""Examples whose rows are here or can be drawn, and their rounds."""
