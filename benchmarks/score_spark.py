"""Spark on all cores of one machine: a ``pandas_udf`` over the feature columns, then one write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from score_booster import Settings, categorised, names, predicted

BATCH = 131_072  # rows of an Arrow batch; Spark's own 10,000 are slower


def with_spark(settings: Settings) -> float:
    """Predict in Python workers, one for each core."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as fn

    builder = SparkSession.builder.master(f"local[{settings['workers']}]")
    for key, value in {
        "spark.driver.memory": "6g",
        "spark.ui.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
    }.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    for name in ("score_booster.py", "synthetic.py"):  # its Python workers look elsewhere
        session.sparkContext.addPyFile(str(Path(__file__).with_name(name)))
    began = time.perf_counter()
    ids, wanted = settings["ids"], names(settings)
    rows = session.read.parquet(settings["table"]).select(*ids, *settings["features"])
    kinds = ", ".join(f"{name} float" for name in wanted)
    scores = fn.pandas_udf(_scorer(settings), returnType=kinds)(fn.struct(*settings["features"]))
    made = rows.select(*ids, scores.alias("scores")).select(*ids, "scores.*")
    made.write.option("compression", "zstd").parquet(settings["output"])
    seconds = time.perf_counter() - began
    session.stop()
    return seconds


def _scorer(settings: Settings) -> Callable[..., Any]:
    bare = {**settings, "ids": []}

    def scored(frame: pd.DataFrame) -> pd.DataFrame:
        return predicted(categorised(frame), bare)

    return scored


CONTESTANTS: Mapping[str, Callable[[Settings], float]] = {"spark": with_spark}
