"""XGBoost on a Parquet table: with Dask, from external memory, and streamed into its bins.

Trees of as many leaves as LightGBM's, grown leaf by leaf, from as many bins and with the same
learning rate; the rest are XGBoost's own defaults.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import xgboost as xgb
from dask_workers import workers
from synthetic import slices
from train_lightgbm import Marks, Settings, began, persisted


class FirstRound(xgb.callback.TrainingCallback):  # type: ignore[misc]
    """Notes when its process begins the first round."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder of the notes."""
        super().__init__()
        self.folder = folder

    def before_training(self, model: Any) -> Any:
        """Write the time."""
        (self.folder / f"began-{os.getpid()}").write_text(repr(time.time()))
        return model


class Groups(xgb.DataIter):  # type: ignore[misc]
    """The row groups of a table, one after the other.

    Args:
        settings: Of the benchmark.
        cache: Prefix of the files of external memory; ``None`` without.
    """

    def __init__(self, settings: Settings, cache: str | None) -> None:
        """Start before the first."""
        self.parts = list(slices(Path(settings["table"])))
        self.features, self.at = settings["features"], 0
        super().__init__(cache_prefix=cache)

    def next(self, input_data: Callable[..., None]) -> bool:
        """Hand over the next row group; return False when there is none."""
        if self.at == len(self.parts):
            return False
        path, number = self.parts[self.at]
        columns = [*self.features, "label"]
        table = pq.ParquetFile(path).read_row_group(number, columns=columns)
        x = np.empty((table.num_rows, len(self.features)), np.float32)
        for place, name in enumerate(self.features):
            x[:, place] = table[name].to_numpy()
        input_data(data=x, label=table["label"].to_numpy())
        self.at += 1
        return True

    def reset(self) -> None:
        """Go back to the start."""
        self.at = 0


def parameters(settings: Settings) -> dict[str, Any]:
    """Return XGBoost's names of the parameters that decide the work."""
    given = settings["params"]
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": given["num_leaves"],
        "max_bin": given["max_bin"],
        "eta": given["learning_rate"],
    }


def _boost(settings: Settings, data: xgb.DMatrix, start: float) -> Marks:
    loaded = time.time()
    params = {**parameters(settings), "nthread": settings["workers"]}
    booster = xgb.train(params, data, settings["rounds"])
    marks = {"load": loaded - start, "boost": time.time() - loaded}
    booster.save_model(Path(settings["folder"]) / "model.ubj")
    return marks


def external(settings: Settings) -> Marks:
    """Train from external memory: binned pages on disk, read again for each tree."""
    start = time.time()
    groups = Groups(settings, str(Path(settings["folder"]) / "pages"))
    bins, threads = settings["params"]["max_bin"], settings["workers"]
    return _boost(settings, xgb.ExtMemQuantileDMatrix(groups, max_bin=bins, nthread=threads), start)


def streamed(settings: Settings) -> Marks:
    """Stream the rows into XGBoost's bins, which are held in memory."""
    start = time.time()
    bins, threads = settings["params"]["max_bin"], settings["workers"]
    data = xgb.QuantileDMatrix(Groups(settings, None), max_bin=bins, nthread=threads)
    return _boost(settings, data, start)


def from_dask(settings: Settings) -> Marks:
    """Persist a Dask DataFrame on worker processes and train xgboost.dask on it."""
    from xgboost import dask as dxgb

    folder = Path(settings["folder"])
    with workers(settings["workers"], settings["memory"]) as client:
        start = time.time()
        x, y = persisted(client, settings)
        data = dxgb.DaskQuantileDMatrix(client, x, y, max_bin=settings["params"]["max_bin"])
        found = dxgb.train(
            client,
            parameters(settings),
            data,
            settings["rounds"],
            callbacks=[FirstRound(folder)],
            verbose_eval=False,
        )
        ended = time.time()
        found["booster"].save_model(folder / "model.ubj")
    return {"load": began(folder) - start, "boost": ended - began(folder)}


CONTESTANTS: dict[str, Callable[[Settings], Marks]] = {
    "xgboost.dask": from_dask,
    "xgboost-external": external,
    "xgboost-streamed": streamed,
}
