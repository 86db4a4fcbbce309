"""One process with as many threads as there are cores: pandas, and Polars by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from score_booster import Settings, booster, names, predicted, read
from synthetic import slices


def with_pandas(settings: Settings) -> float:
    """Read a row group into pandas, predict with all threads, write."""
    began = time.perf_counter()
    columns = [*settings["ids"], *settings["features"]]
    with _Output(settings) as output:
        for part in slices(Path(settings["table"])):
            scores = predicted(read(part, columns), settings, settings["workers"])
            output.write(pa.Table.from_pandas(scores, preserve_index=False))
    return time.perf_counter() - began


def with_polars(settings: Settings) -> float:
    """Read a row group into Polars, encode it by expressions, predict with all threads, write."""
    import polars as pl

    began = time.perf_counter()
    model, features = booster(settings["model"]), settings["features"]
    levels = iter(model.pandas_categorical)
    encoded = [
        pl.col(n).cast(pl.Enum(next(levels)), strict=False).to_physical().cast(pl.Float32)
        if n.startswith("c")
        else pl.col(n)
        for n in features
    ]
    with _Output(settings) as output:
        for path, start, rows in _ranges(Path(settings["table"])):
            scan = pl.scan_parquet(path).slice(start, rows)
            frame = scan.select(*settings["ids"], *encoded).collect()
            x = frame.select(features).to_numpy()
            scores = model.predict(x, num_threads=settings["workers"]).astype("float32")
            by_name = zip(names(settings), scores.reshape(rows, -1).T, strict=True)
            series = [pl.Series(name, column) for name, column in by_name]
            output.write(frame.select(settings["ids"]).with_columns(series).to_arrow())
    return time.perf_counter() - began


def _ranges(folder: Path) -> list[tuple[str, int, int]]:
    """Return file, first row and rows of every row group."""
    found = []
    for path, group in slices(folder):
        metadata = pq.read_metadata(path)
        before = sum(metadata.row_group(number).num_rows for number in range(group))
        found.append((path, before, metadata.row_group(group).num_rows))
    return found


class _Output:
    """One Parquet file, written batch by batch."""

    def __init__(self, settings: Settings) -> None:
        os.makedirs(settings["output"])
        self._path = f"{settings['output']}/part-0.parquet"
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._writer:
            self._writer.close()

    def write(self, rows: pa.Table) -> None:
        """Append rows."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, rows.schema, compression="zstd")
        self._writer.write_table(rows)


CONTESTANTS: Mapping[str, Callable[[Settings], float]] = {
    "pandas": with_pandas,
    "polars": with_polars,
}
