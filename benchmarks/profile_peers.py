"""What millrace and others do to profile a Parquet table; one contestant per process.

``python profile_peers.py NAME settings.json`` leaves ``marks.json`` (seconds from the first read to
the last figure). ``polars`` computes the same statistics in its streaming engine: missing and
different values, extremes, moments, quantiles, Pearson's correlations and frequent values;
``polars-no-top`` leaves frequent values of floats out, which is where most of its memory goes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

# This folder has a profile.py, and so has the standard library: let that one be found first.
sys.path.append(sys.path.pop(0))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Settings = dict[str, Any]
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 20


def _asked(settings: Settings) -> Any:
    from engine.data.dataset import Dataset
    from engine.profile.request import Target
    from engine.profiling import request_for

    dataset = Dataset.open(settings["table"])
    partitions = dataset.partitions(list(dataset.schema))
    target = Target(settings["target"]) if settings["target"] else None
    return dataset, partitions, request_for(dataset.schema, partitions, target=target)


def _bad(settings: Settings) -> Any:
    from engine.place.kept import Kept
    from engine.rejected.bad_rows import BadRows

    return BadRows(Kept.of(Path(settings["folder"]) / "quarantine"))


def _write(settings: Settings, profile: Any) -> None:
    path = Path(settings["folder"]) / "profile.json"
    path.write_text(json.dumps(profile.results({"name": "bench"}), allow_nan=False))


def millrace(settings: Settings) -> float:
    """Profile on a cluster of worker processes with one thread each."""
    from dask_workers import workers

    from engine.profiling import profile

    with workers(settings["workers"]) as client:
        began = time.perf_counter()
        dataset, partitions, request = _asked(settings)
        found = profile(
            client,
            dataset.source,
            partitions,
            request,
            bad=_bad(settings),
            threads=settings["workers"],
            progress=lambda _: None,
        )
        _write(settings, found)
        return time.perf_counter() - began


def millrace_plain(settings: Settings) -> float:
    """Profile partition by partition in this process, two side by side."""
    from engine.profiling import ProfileWork, look, merged

    began = time.perf_counter()
    dataset, partitions, request = _asked(settings)
    work = ProfileWork(dataset.source, request, _bad(settings))
    with ThreadPoolExecutor(settings["workers"]) as pool:
        ahead = settings["workers"]
        running = [pool.submit(look, work, part) for part in partitions[:ahead]]

        def states() -> Any:
            for number in range(len(partitions)):
                state = running.pop(0).result()
                if number + ahead < len(partitions):
                    running.append(pool.submit(look, work, partitions[number + ahead]))
                yield state

        _write(settings, merged(states(), request))
    return time.perf_counter() - began


def polars(settings: Settings, top_of_floats: bool = True) -> float:
    """Compute the same statistics with the streaming engine."""
    import polars as pl

    began = time.perf_counter()
    frame = pl.scan_parquet(f"{settings['table']}/*.parquet")
    schema = frame.collect_schema()
    numeric = [name for name, kind in schema.items() if kind.is_numeric()]
    for name, kind in schema.items():
        value = pl.col(name)
        asked = [value.null_count().alias("missing"), value.approx_n_unique().alias("distinct")]
        if kind.is_numeric():
            wide = value.cast(pl.Float64)
            asked += [value.min().alias("min"), value.max().alias("max")]
            asked += [wide.mean().alias("mean"), wide.std().alias("std")]
            asked += [wide.skew().alias("skew")]
            asked += [value.quantile(share).alias(f"q{share}") for share in QUANTILES]
        frame.select(asked).collect(engine="streaming")
        if top_of_floats or not kind.is_float():
            counts = frame.group_by(name).len().top_k(TOP, by="len")
            counts.collect(engine="streaming")
    pairs = (pl.corr(a, b).alias(f"{a} {b}") for a, b in combinations(numeric, 2))
    frame.select(pairs).collect(engine="streaming")
    return time.perf_counter() - began


def polars_no_top(settings: Settings) -> float:
    """Leave the frequent values of floats out."""
    return polars(settings, top_of_floats=False)


def with_dask(settings: Settings) -> float:
    """Run ``describe`` and ``value_counts`` of every column on worker processes."""
    import dask
    import dask.dataframe as dd
    from dask_workers import workers

    with workers(settings["workers"]):
        began = time.perf_counter()
        frame = dd.read_parquet(settings["table"])
        asked = [frame.describe(include="all"), frame.isna().sum()]
        asked += [frame[name].value_counts().nlargest(TOP) for name in frame.columns]
        dask.compute(*asked)
        return time.perf_counter() - began


def ydata(settings: Settings) -> float:
    """Make ydata-profiling's minimal report of the table in memory."""
    import pandas as pd
    from ydata_profiling import ProfileReport

    began = time.perf_counter()
    frame = pd.read_parquet(settings["table"])
    ProfileReport(frame, minimal=True, progress_bar=False).to_json()
    return time.perf_counter() - began


def skrub(settings: Settings) -> float:
    """Make skrub's table report of the table in memory."""
    import polars as pl
    from skrub import TableReport

    began = time.perf_counter()
    frame = pl.read_parquet(f"{settings['table']}/*.parquet")
    TableReport(frame, max_plot_columns=100, max_association_columns=100, verbose=0).html()
    return time.perf_counter() - began


PEERS: dict[str, Callable[[Settings], float]] = {
    "millrace": millrace,
    "millrace-plain": millrace_plain,
    "polars": polars,
    "polars-no-top": polars_no_top,
    "dask.dataframe": with_dask,
    "ydata-profiling": ydata,
    "skrub": skrub,
}


def main() -> None:
    """Run one contestant."""
    name, settings = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    seconds = PEERS[name](settings)
    (Path(settings["folder"]) / "marks.json").write_text(json.dumps({"profile": seconds}))


if __name__ == "__main__":
    main()
