"""What others do to train LightGBM on a Parquet table: in memory, and with lightgbm.dask."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import pyarrow.parquet as pq
from dask_workers import workers
from synthetic import slices

Settings = dict[str, Any]
Marks = dict[str, float]


class FirstRound:
    """A callback of LightGBM that notes when its process begins the first round."""

    order, before_iteration = 0, True

    def __init__(self, folder: Path) -> None:
        """Keep the folder of the notes."""
        self.folder = folder

    def __call__(self, env: Any) -> None:
        """Write the time, once."""
        if env.iteration == env.begin_iteration:
            (self.folder / f"began-{os.getpid()}").write_text(repr(time.time()))


def began(folder: Path) -> float:
    """Return when the last process began its first round (seconds of `time.time`)."""
    return max(float(path.read_text()) for path in folder.glob("began-*"))


def _boost(settings: Settings, dataset: lgb.Dataset, start: float) -> Marks:
    dataset.construct()
    loaded = time.time()
    params = {**settings["params"], "objective": "binary", "num_threads": settings["workers"]}
    booster = lgb.train({**params, "verbosity": -1}, dataset, settings["rounds"])
    marks = {"load": loaded - start, "boost": time.time() - loaded}
    booster.save_model(Path(settings["folder"]) / "model.txt")
    return marks


def _binning(settings: Settings) -> dict[str, Any]:
    return {"max_bin": settings["params"]["max_bin"], "verbosity": -1}


def from_pandas(settings: Settings) -> Marks:
    """Read everything into a pandas frame and train on it."""
    import pandas as pd

    start = time.time()
    frame = pd.read_parquet(settings["table"], columns=[*settings["features"], "label"])
    x, y = frame[settings["features"]], frame["label"]
    return _boost(settings, lgb.Dataset(x, y, params=_binning(settings)), start)


def from_arrow(settings: Settings) -> Marks:
    """Read everything into an Arrow table and train on it."""
    start = time.time()
    table = pq.read_table(settings["table"], columns=[*settings["features"], "label"])
    x, y = table.select(settings["features"]), table["label"]
    return _boost(settings, lgb.Dataset(x, y, params=_binning(settings)), start)


def from_polars(settings: Settings) -> Marks:
    """Read everything into a Polars frame and train on it."""
    import polars as pl

    start = time.time()
    columns = [*settings["features"], "label"]
    frame = pl.read_parquet(f"{settings['table']}/*.parquet", columns=columns)
    x, y = frame.select(settings["features"]), frame["label"]
    return _boost(settings, lgb.Dataset(x, y, params=_binning(settings)), start)


def from_dask(settings: Settings) -> Marks:
    """Persist a Dask DataFrame on worker processes and fit lightgbm.dask on it."""
    folder = Path(settings["folder"])
    with workers(settings["workers"], settings["memory"]) as client:
        start = time.time()
        x, y = persisted(client, settings)
        params = {**settings["params"], "n_estimators": settings["rounds"], "verbosity": -1}
        model = lgb.DaskLGBMClassifier(client=client, **params)
        model.fit(x, y, callbacks=[FirstRound(folder)])
        ended = time.time()
        model.booster_.save_model(folder / "model.txt")
    return {"load": began(folder) - start, "boost": ended - began(folder)}


def persisted(client: Any, settings: Settings) -> Any:
    """Return features and label as persisted Dask DataFrames, a partition each row group."""
    import dask.dataframe as dd
    from distributed import wait

    columns = [*settings["features"], "label"]
    parts = list(slices(Path(settings["table"])))
    meta = _read(parts[0], columns).iloc[:0]
    # from_map with meta: dd.read_parquet with a projection breaks (dask/dask#12411)
    frame = dd.from_map(_read, parts, columns=columns, meta=meta)
    # features and label apart: persisting the whole frame would keep a second copy of it
    x, y = client.persist([frame[settings["features"]], frame["label"]])
    wait([x, y])
    return x, y


def _read(part: tuple[str, int], columns: list[str]) -> Any:
    return pq.ParquetFile(part[0]).read_row_group(part[1], columns=columns).to_pandas()


CONTESTANTS: dict[str, Callable[[Settings], Marks]] = {
    "lightgbm.dask": from_dask,
    "pandas": from_pandas,
    "arrow": from_arrow,
    "polars": from_polars,
}
