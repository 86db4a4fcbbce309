"""What loading costs at the least: read, check, features, bins, in plain processes without Dask.

As many processes as millrace has workers take its partitions in turn, with its own functions, one
Polars thread each. Bins come from the first partition; what is binned is thrown away. The time runs
from when all are ready (imports done, bins made) until the last has ended.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from typing import Any

Settings = dict[str, Any]
Marks = dict[str, float]

SAMPLE = 200_000  # rows for the bins


def reading(settings: Settings) -> Marks:
    """Read and bin all rows, and return the seconds as ``load``."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    count = settings["workers"]
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(count + 1)
    shares = [context.Process(target=_share, args=(settings, n, ready)) for n in range(count)]
    for process in shares:
        process.start()
    ready.wait(timeout=600)
    start = time.time()
    for process in shares:
        process.join()
    if any(process.exitcode for process in shares):
        raise SystemExit("a process failed")
    return {"load": time.time() - start}


def _share(settings: Settings, number: int, ready: Barrier) -> None:
    try:
        _read_and_bin(settings, number, ready)
    except BaseException:
        ready.abort()  # or all others wait for this one
        raise


def _read_and_bin(settings: Settings, number: int, ready: Barrier) -> None:
    from engine.boosting.bins.coder import coder_for
    from engine.boosting.bins.reference import Sample, dataset_params, load_bins, make_bins
    from engine.data.dataset import Dataset
    from engine.features.fitted import FittedPipeline
    from engine.training.preparing import matrix

    names = tuple(settings["features"])
    dataset = Dataset.open(f"{settings['table']}/*.parquet")
    parts, needed = dataset.partitions([*names, "label"]), [*names, "label"]
    fitted = FittedPipeline({}, (), names, names)
    first = matrix(fitted, dataset.source.read(parts[0], needed).good)[:SAMPLE]
    params = {**settings["params"], "objective": "binary", "verbosity": -1}
    bins = make_bins(Sample(first, params), 1)
    reference = load_bins(bins, dataset_params(params, len(first)))
    coder = coder_for(reference, len(names))
    coder.encode(first[:1])
    ready.wait(timeout=600)
    for part in parts[number :: settings["workers"]]:
        rows = dataset.source.read(part, needed).good
        coder.encode(matrix(fitted, rows))
        rows["label"].to_numpy()


CONTESTANTS: dict[str, Callable[[Settings], Marks]] = {"reading": reading}
