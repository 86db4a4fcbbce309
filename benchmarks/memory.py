"""Measure the figures of ``engine/memory.py``: peak bytes of reading and preparing a partition.

Each case runs in a fresh process with one Polars thread, as a worker does, over several partitions;
printed is the peak above the process's own start, beside what the plan says of it.

    python benchmarks/memory.py DATA.parquet [COLUMN ...]
    python benchmarks/memory.py --wide      bytes a column, a column chunk and a feature, few rows
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDE, WIDE_ROWS = 10_000, 200


def case(location: str, columns: list[str], target: int) -> tuple[int, int, int]:
    """Return (peak above start, planned for reading, start), bytes, in this process."""
    import polars as pl

    from engine.data.dataset import Dataset
    from engine.features import encode
    from engine.features.fit import fit
    from engine.features.pipeline import Pipeline
    from engine.memory.passes import Shape, reading
    from engine.process import peak, reset_peak
    from engine.training.preparing import matrix
    from engine.training.survey import gathered

    reset_peak()
    start = peak()
    dataset = Dataset.open(location)
    names = columns or list(dataset.schema)
    text = tuple(n for n in names if dataset.schema[n] == pl.String)
    time = tuple(n for n in names if dataset.schema[n].is_temporal())
    pipeline = Pipeline(
        steps=(encode.Category(text),) if text else (), columns=tuple(names), drop=time
    )
    resolved = pipeline.resolve(dataset.schema)
    parts = dataset.partitions(resolved.inputs, target)
    source = dataset.source
    first = source.read(dataset.partitions(resolved.inputs, 2**22)[0], resolved.inputs).good
    fitted = fit(pipeline, resolved, lambda so_far, request: gathered(so_far, request, first))
    for part in parts[:6]:
        matrix(fitted, source.read(part, resolved.inputs).good)
    planned = sum(term.bytes for term in reading(Shape(parts, resolved.width, 1), 1, 1))
    return peak() - start, planned, start


def wide(path: Path) -> None:
    """Print what a table of few rows and many columns takes: with four, then with `WIDE` columns.

    The small table comes first, so that imports and thread pools are not counted.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(1)
    for columns in (4, WIDE):
        drawn = {f"c{i}": draw.random(WIDE_ROWS, dtype=np.float32) for i in range(columns)}
        pq.write_table(pa.table(drawn), path / f"{columns}.parquet", use_dictionary=False)
        del drawn
        for name, grown in _stages(str(path / f"{columns}.parquet")):
            if columns == WIDE:
                print(f"{name:32s} {grown / WIDE / 1024:8.1f} KiB a column")


def _stages(location: str) -> list[tuple[str, int]]:
    """Return the peak of each stage of a partition's way, above what was held before it."""
    from engine.boosting.bins.reference import Sample, dataset_params, load_bins, make_bins
    from engine.data.dataset import Dataset
    from engine.encoding import parquet_bytes
    from engine.features.fitted import FittedPipeline
    from engine.training.preparing import matrix

    found: list[tuple[str, int]] = []
    dataset = _measured(found, "metadata, opened", lambda: Dataset.open(location))
    names, source = list(dataset.schema), dataset.source
    fitted = FittedPipeline({}, (), tuple(names), tuple(names))
    part = dataset.partitions(names)[0]
    batch = _measured(found, "read and checked, first time", lambda: source.read(part, names))
    _measured(found, "read and checked, next time", lambda: source.read(part, names))
    x = _measured(found, "matrix", lambda: matrix(fitted, batch.good))
    _measured(found, "file written", lambda: parquet_bytes(batch.good.to_arrow()))
    params = {"objective": "regression", "max_bin": 255, "verbosity": -1}
    bins = make_bins(Sample(x, params), 1)
    _measured(found, "bins in a rank", lambda: load_bins(bins, dataset_params(params, len(x))))
    return found


def _measured(found: list[tuple[str, int]], name: str, work: Callable[[], Any]) -> Any:
    from engine.process import peak, reset_peak

    reset_peak()
    before = peak()
    result = work()
    found.append((name, peak() - before))
    return result


def main() -> None:
    """Print a line for each partition size."""
    if sys.argv[1] == "--wide":
        os.environ["POLARS_MAX_THREADS"] = "1"
        with tempfile.TemporaryDirectory() as folder:
            wide(Path(folder))
        return
    if sys.argv[1] == "--case":
        print(*case(sys.argv[3], sys.argv[4:], int(sys.argv[2]) * 2**20))
        return
    print("partition   measured   planned   measured/planned   (MiB above a start of)")
    for size in (8, 16, 32, 64):
        command = [sys.executable, __file__, "--case", str(size), *sys.argv[1:]]
        environment = {**os.environ, "POLARS_MAX_THREADS": "1"}
        run = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, env=environment
        )
        measured, planned, start = (int(word) / 2**20 for word in run.stdout.split())
        ratio = measured / planned
        print(f"{size:6d} MiB {measured:10.0f} {planned:9.0f} {ratio:18.2f} {start:24.0f}")


if __name__ == "__main__":
    main()
