"""One large row group read in many row ranges: bytes and time, from a disk and from a slow store.

    python benchmarks/row_ranges.py                        # 4M rows x 28 float32, 40 ranges
    python benchmarks/row_ranges.py --rows 500000 --ranges 30 --places disk

A worker is a fresh process that reads every n-th range in order, as scoring tasks go round; one
worker reads them all. Workers run one after the other, so that their seconds add up. The store is
the same file behind requests that take 30 ms and 10 ms for each MB. `--root` names another copy of
millrace, to compare with.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parents[1]

_WORKER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
path, place, first, step, ranges = *sys.argv[2:4], *map(int, sys.argv[4:7])
from engine.formats.columnar.parquet import Parquet
from engine.plan import Slice
from engine.storage import InputFile
asked, stream = [], os.open(path, os.O_RDONLY)
class Slow(InputFile):
    def read(self, start, stop):
        asked.append(min(stop, self.size) - start)
        time.sleep(0.03 + asked[-1] / 100e6)
        return os.pread(stream, asked[-1], start)
    def assert_unchanged(self):
        pass
def so_far():
    return int(Path("/proc/self/io").read_text().split()[1])
stat = os.stat(path)
kind, where = (InputFile, path) if place == "disk" else (Slow, "s3://slow" + path)
file = kind(where, stat.st_size, stat.st_mtime_ns)
info = Parquet().inspect(file)
names, rows = list(info.schema), info.chunks[0].rows
asked.clear()
before, wall, cpu = so_far(), time.perf_counter(), time.process_time()
for k in range(first, ranges, step):
    low, high = rows * k // ranges, rows * (k + 1) // ranges
    assert Parquet().read(file, Slice(0, low, high - low, low), names).height == high - low
size = sum(asked) if asked else so_far() - before
print(size, len(asked), time.perf_counter() - wall, time.process_time() - cpu)
"""


def table(path: Path, rows: int, columns: int, index: bool) -> Path:
    """Write one row group of random float32, without a dictionary."""
    if not path.exists():
        noise = np.random.default_rng(0)
        names = {f"c{i}": noise.normal(size=rows).astype(np.float32) for i in range(columns)}
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.table(names), path, row_group_size=rows, use_dictionary=False, write_page_index=index
        )
    return path


def measure(root: Path, path: Path, place: str, workers: int, ranges: int) -> list[float]:
    """Return bytes, requests, seconds and CPU seconds of all workers together."""
    total = np.zeros(4)
    for number in range(workers):
        command = [sys.executable, "-c", _WORKER, root, path, place, number, workers, ranges]
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True
        )
        total += np.array(done.stdout.split(), float)
    return [float(figure) for figure in total]


def main() -> None:
    """Print a table of figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--columns", type=int, default=28)
    parser.add_argument("--ranges", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--places", nargs="+", default=["disk", "store"])
    parser.add_argument("--root", type=Path, default=HERE)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/millrace-bench"))
    given = parser.parse_args()
    print("| place | page index | workers | read, in file sizes | requests | s | CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for index in (True, False):
        name = f"ranges-{given.rows}-{given.columns}{'-index' * index}.parquet"
        path = table(given.cache / name, given.rows, given.columns, index)
        for place in given.places:
            for workers in given.workers:
                size, *figures = measure(given.root, path, place, workers, given.ranges)
                line = "{:.0f} | {:.2f} | {:.2f}".format(*figures)
                line = f"{workers} | {size / path.stat().st_size:.2f} | {line}"
                print(f"| {place} | {'yes' if index else 'no'} | {line} |", flush=True)


if __name__ == "__main__":
    start = time.time()
    main()
    print(f"\n{time.time() - start:.0f} s", file=sys.stderr)
