"""Ray Data: ``read_parquet``, ``map_batches``, ``write_parquet``.

Batches are asked for as Arrow and made pandas frames by hand: Ray's own have Arrow's types, which
LightGBM refuses.
"""

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
        partial(_scored, settings=settings), batch_format="pyarrow", batch_size=BATCH
    )
    scores.write_parquet(settings["output"], compression="zstd")
    seconds = time.perf_counter() - began
    ray.shutdown()
    return seconds


def _scored(rows: Any, settings: Settings) -> Any:
    import pyarrow as pa

    scores = predicted(categorised(rows.to_pandas()), settings)
    return pa.Table.from_pandas(scores, preserve_index=False)


CONTESTANTS: Mapping[str, Callable[[Settings], float]] = {"ray": with_ray}
