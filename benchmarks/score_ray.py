"""Ray Data: ``read_parquet``, ``map_batches`` of pandas frames, ``write_parquet``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from score_booster import Settings, categorised, predicted

BATCH = 131_072  # rows; smaller ones are slower


def with_ray(settings: Settings) -> float:
    """Predict on as many cores as the others have."""
    import ray

    ray.init(num_cpus=settings["workers"], include_dashboard=False, log_to_driver=False)
    began = time.perf_counter()
    rows = ray.data.read_parquet(
        settings["table"], columns=[*settings["ids"], *settings["features"]]
    )
    scores = rows.map_batches(
        partial(_scored, settings=settings), batch_format="pandas", batch_size=BATCH
    )
    scores.write_parquet(settings["output"], compression="zstd")
    seconds = time.perf_counter() - began
    ray.shutdown()
    return seconds


def _scored(frame: Any, settings: Settings) -> Any:
    return predicted(categorised(frame), settings)


CONTESTANTS: Mapping[str, Callable[[Settings], float]] = {"ray": with_ray}
