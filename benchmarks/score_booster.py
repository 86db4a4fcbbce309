"""The peers' model, and how it predicts a pandas frame: what all contestants but millrace share."""

from __future__ import annotations

import pickle
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from synthetic import slices

Settings = dict[str, Any]
Part = tuple[str, int]


def fit(settings: Settings) -> None:
    """Train the peers' model in memory on a row group; save it as text and as an estimator."""
    import lightgbm as lgb
    import polars as pl

    part = next(iter(slices(Path(settings["table"]))))
    features = settings["features"]
    frame = read(part, features)
    rows = pl.scan_parquet(part[0]).head(len(frame))
    label = rows.select(pl.sql_expr(settings["target"]).alias("y")).collect()["y"].to_numpy()
    params = {**settings["params"], "num_threads": 2, "verbosity": -1, "objective": "binary"}
    params |= {"objective": "multiclass"} if "num_class" in params else {}
    estimator = lgb.LGBMClassifier(n_estimators=settings["rounds"], **params)
    estimator.fit(frame, label)
    estimator.booster_.save_model(settings["model"])
    Path(settings["model"]).with_suffix(".pickle").write_bytes(pickle.dumps(estimator))


def read(part: Part, columns: list[str]) -> Any:
    """Return a row group as pandas has it, text as categories."""
    frame = pq.ParquetFile(part[0]).read_row_group(part[1], columns=columns).to_pandas()
    return categorised(frame)


def categorised(frame: Any) -> Any:
    """Turn text into pandas categories, as LightGBM wants them."""
    words = [name for name in frame.columns if name.startswith("c")]
    return frame.astype(dict.fromkeys(words, "category"))


@cache
def booster(path: str) -> Any:
    """Return the model; a process loads it once."""
    import lightgbm as lgb

    return lgb.Booster(model_file=path)


def names(settings: Settings) -> list[str]:
    """Return the columns of scores."""
    classes = settings["params"].get("num_class", 1)
    return ["score"] if classes == 1 else [f"score_{k}" for k in range(classes)]


def predicted(frame: Any, settings: Settings, threads: int = 1) -> Any:
    """Return ids and scores of the rows of a pandas frame."""
    x = frame[settings["features"]]
    scores = booster(settings["model"]).predict(x, num_threads=threads).astype("float32")
    columns = scores.reshape(len(frame), -1).T
    found = dict(zip(names(settings), columns, strict=True))
    return frame[settings["ids"]].assign(**found)
