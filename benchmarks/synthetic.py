"""HIGGS-like Parquet tables of any size, made once and kept.

28 float32 features (the last seven are functions of the others, like the masses in HIGGS), a row
id (int64), a binary label (float32) and, if asked for, string categories and a second id that is in
no order; 18 features or more are drawn in the same way. Every row group is drawn from a seed of its
own, so memory stays at one row group, and the same shape gives the same bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP, FILE_GROUPS = 500_000, 4  # rows of a group, groups of a file
GROUP_CELLS = 20_000_000  # of a wide table's groups, which have fewer rows
DERIVED = 7
LEVELS = (8, 60, 700, 5_000)  # distinct values of the categorical columns, in turn
CACHE = Path("/tmp/millrace-bench")
VERSION = 1  # of the recipe
_SPREAD = 2_654_435_761  # Knuth's multiplicative hash: row numbers in no order, none twice

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """What decides the bytes of a table; ``double``: features are float64; ``ids``: 1 or 2."""

    rows: int
    features: int = 28
    categories: int = 0
    seed: int = 1
    double: bool = False
    ids: int = 1

    @property
    def group(self) -> int:
        """Return the rows of a row group."""
        return min(ROW_GROUP, GROUP_CELLS // self.features)

    @property
    def names(self) -> list[str]:
        """Return the feature columns, floats first."""
        floats = [f"f{n}" for n in range(self.features)]
        return floats + [f"c{n}" for n in range(self.categories)]

    @property
    def folder(self) -> str:
        """Return the folder name of the table."""
        kind = ("-float64" if self.double else "") + ("-ids2" if self.ids == 2 else "")
        return f"v{VERSION}-{self.rows}x{self.features}c{self.categories}s{self.seed}{kind}"


def _features(rng: np.random.Generator, rows: int, count: int) -> list[Floats]:
    raw = [rng.standard_normal(rows, np.float32) for _ in range(count - DERIVED)]
    raw = [np.exp(x * np.float32(0.5)) if n % 3 == 1 else x for n, x in enumerate(raw)]
    derived = [np.hypot(raw[n], raw[n + 1]) + raw[n + 2] * raw[n + 3] for n in range(DERIVED)]
    return raw + derived


def _label(rng: np.random.Generator, x: list[Floats], codes: list[npt.NDArray[np.int64]]) -> Floats:
    odds = 0.8 * x[0] * x[4] + np.sin(2 * x[2]) - 0.6 * np.abs(x[3]) + 0.5 * (x[6] > x[8]) * x[9]
    odds = odds + 0.4 * x[-1] - 0.3 * x[-3]
    for code in codes:
        odds = odds + np.float32(0.3) * np.sin(code * 1.7)
    chance = 1 / (1 + np.exp(-odds))
    return np.asarray(rng.random(len(odds)) < chance, dtype=np.float32)


def _group(shape: Shape, number: int) -> pa.Table:
    """Return one row group as a table."""
    first = number * shape.group
    rows = min(shape.group, shape.rows - first)
    rng = np.random.default_rng([shape.seed, number])
    x = _features(rng, rows, shape.features)
    levels = [LEVELS[n % len(LEVELS)] for n in range(shape.categories)]
    codes = [np.floor(rng.random(rows) ** 2 * count).astype(np.int64) for count in levels]
    columns = {"id": pa.array(np.arange(first, first + rows))}
    if shape.ids == 2:
        columns["account"] = pa.array(np.arange(first, first + rows) * _SPREAD % 2**31)
    columns["label"] = pa.array(_label(rng, x, codes))
    kind = pa.float64() if shape.double else pa.float32()
    columns |= {f"f{n}": pa.array(values).cast(kind) for n, values in enumerate(x)}
    for n, (code, count) in enumerate(zip(codes, levels, strict=True)):
        words = pa.array([f"level-{k:04d}" for k in range(count)])
        columns[f"c{n}"] = pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), words)
    return pa.table(columns)


def table(shape: Shape, cache: Path = CACHE) -> Path:
    """Return the folder of a table; write it first if it is not there yet."""
    folder = cache / shape.folder
    if folder.exists():
        return folder
    draft = cache / f".{shape.folder}.{os.getpid()}"
    draft.mkdir(parents=True)
    groups = range(-(-shape.rows // shape.group))
    for number, start in enumerate(groups[::FILE_GROUPS]):
        _write(shape, groups[start : start + FILE_GROUPS], draft / f"part-{number:04d}.parquet")
    try:
        draft.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(draft)
    return folder


def _write(shape: Shape, groups: range, path: Path) -> None:
    first = _group(shape, groups[0])
    categories = [name for name in shape.names if name.startswith("c")]
    with pq.ParquetWriter(
        path,
        first.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=categories,
        store_schema=False,
    ) as writer:
        writer.write_table(first, row_group_size=shape.group)
        for number in groups[1:]:
            writer.write_table(_group(shape, number), row_group_size=shape.group)


def slices(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield (file, row group) of every row group of a table, in order."""
    for path in sorted(folder.glob("*.parquet")):
        for number in range(pq.ParquetFile(path).num_row_groups):
            yield str(path), number


def main() -> None:
    """Make a table from the command line and print its folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=28)
    parser.add_argument("--categories", type=int, default=0)
    parser.add_argument("--double", action="store_true", help="float64 features")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=CACHE)
    options = parser.parse_args()
    shape = Shape(options.rows, options.features, options.categories, options.seed, options.double)
    print(table(shape, options.cache))


if __name__ == "__main__":
    main()
