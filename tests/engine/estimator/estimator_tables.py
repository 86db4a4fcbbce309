"""Rows for the tests of estimators; a module beside them, because workers may import it."""

from __future__ import annotations

import numpy as np
import pandas as pd

ROWS = 1_200


def table(rows: int = ROWS, seed: int = 3) -> pd.DataFrame:
    """Return numbers, two kinds of categories, a flag, missing values, and labels of four kinds."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": draw.normal(size=rows),
            "b": draw.integers(0, 9, rows),
            "c": pd.Categorical(draw.choice(["x", "y", "z"], rows), categories=["z", "y", "x"]),
            "t": draw.choice(["k1", "k2", "k3"], rows),
            "flag": draw.random(rows) < 0.5,
        }
    )
    frame.loc[::7, "a"] = np.nan
    value = frame["a"].fillna(0) + (frame["c"] == "x") + (frame["t"] == "k2")
    frame["value"] = value + draw.normal(size=rows) / 9
    frame["yes"] = np.where(value > 0.8, "yes", "no")
    frame["three"] = np.where(value > 1.2, "hi", np.where(value > 0, "mid", "lo"))
    frame["relevance"] = np.clip(np.round(value + 1), 0, 4).astype(int)
    frame["w"] = draw.random(rows) + 0.5
    frame["query"] = np.repeat(np.arange(rows // 10), 10)
    return frame


FEATURES = ["a", "b", "c", "t", "flag"]

OTHERS = ["value", "yes", "three", "relevance", "w", "query"]


def only(label: str, *more: str) -> pd.DataFrame:
    """Return the features and some of the other columns."""
    return table()[[*FEATURES, label, *more]]
