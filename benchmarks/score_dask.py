"""What people do with Dask: ``map_partitions(booster.predict)``, and LightGBM's own estimator."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dask_workers import workers
from score_booster import Settings, names, predicted, read
from synthetic import slices


def with_map_partitions(settings: Settings) -> float:
    """Run ``map_partitions(booster.predict)`` and ``to_parquet``."""
    with workers(settings["workers"]):
        began = time.perf_counter()
        frame = _frame(settings)
        meta = dict.fromkeys(settings["ids"], "int64") | dict.fromkeys(names(settings), "float32")
        scores = frame.map_partitions(predicted, settings, meta=meta)
        scores.to_parquet(settings["output"], write_index=False, compression="zstd")
        return time.perf_counter() - began


def with_lightgbm(settings: Settings) -> float:
    """Run ``DaskLGBMClassifier.predict_proba`` and ``to_parquet``; ids are not written.

    Scores come as an array of unknown length, which does not go beside the frame's columns
    (``KeyError`` in Dask 2026.8).
    """
    import dask.dataframe as dd
    import lightgbm as lgb

    with workers(settings["workers"]) as client:
        began = time.perf_counter()
        local = pickle.loads(Path(settings["model"]).with_suffix(".pickle").read_bytes())
        estimator = lgb.DaskLGBMClassifier(client=client)
        estimator.__dict__.update({**local.__dict__, "client": client})
        estimator.set_params(n_jobs=1)
        chances = estimator.predict_proba(_frame(settings)[settings["features"]])
        wanted = names(settings)
        chosen = chances[:, 1:] if len(wanted) == 1 else chances
        scores = dd.from_dask_array(chosen.astype("float32"), columns=wanted)
        scores.to_parquet(settings["output"], write_index=False, compression="zstd")
        return time.perf_counter() - began


def _frame(settings: Settings) -> Any:
    import dask.dataframe as dd

    columns = [*settings["ids"], *settings["features"]]
    parts = list(slices(Path(settings["table"])))
    meta = read(parts[0], columns).iloc[:0]
    return dd.from_map(read, parts, columns=columns, meta=meta)


CONTESTANTS: Mapping[str, Callable[[Settings], float]] = {
    "dask.dataframe": with_map_partitions,
    "lightgbm.dask": with_lightgbm,
}
