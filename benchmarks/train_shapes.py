"""Tables of any shape for measuring the memory of training: rows x columns x categories x task.

Numbers are float32, categories are strings of so many levels, queries have 1 to 60 rows. The same
shape gives the same bytes; a row group is drawn at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

GROUP_CELLS = 8_000_000  # of a row group
LONGEST_QUERY = 60

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A training whose memory is measured.

    Attributes:
        rows: Of the table; all of them train or validate.
        numbers: Numeric columns.
        levels: Levels of each categorical column.
        bins: ``max_bin``.
        leaves: ``num_leaves``.
        task: As in the job file.
        classes: Of a multiclass task.
        valid: Share of validation rows.
        row_wise: Whether LightGBM keeps a row-wise copy.
    """

    rows: int
    numbers: int
    levels: tuple[int, ...] = ()
    bins: int = 255
    leaves: int = 31
    task: str = "binary"
    classes: int = 0
    valid: float = 0.0
    row_wise: bool = False

    @property
    def columns(self) -> int:
        """Return the number of features."""
        return self.numbers + len(self.levels)

    @property
    def categories(self) -> list[str]:
        """Return the categorical columns."""
        return [f"c{n}" for n in range(len(self.levels))]

    def __str__(self) -> str:
        """Return what is special of it, in a few words."""
        words = [f"{self.rows / 1e6:g}M x {self.columns}", f"{self.bins} bins"]
        words += [f"{self.leaves} leaves"]
        words += [f"{len(self.levels)} of {max(self.levels):,} levels"] if self.levels else []
        words += [self.task] if self.task != "binary" else []
        words += [f"{self.classes} classes"] if self.classes else []
        words += [f"valid {self.valid:g}"] if self.valid else []
        words += ["row-wise"] if self.row_wise else []
        return ", ".join(words)

    def sections(self, data: Path, model: str, rounds: int) -> dict[str, object]:
        """Return the job's sections, without its cluster."""
        layout = {"force_row_wise": True} if self.row_wise else {"force_col_wise": True}
        given: dict[str, object] = {"data": "table", "target": "y", "task": self.task}
        given |= {"query": "q"} if self.task == "ranking" else {}
        given |= {"split": self._split()} if self.valid else {}
        features: dict[str, object] = {"columns": [f"f{n}" for n in range(self.numbers)]}
        if self.levels:
            features["columns"] = [f"f{n}" for n in range(self.numbers)] + self.categories
            features["steps"] = [{"encode": self.categories, "with": "category"}]
        return {
            "data.table": {"path": f"{data}/*.parquet"},
            "features": features,
            "train": {**given, "model": model},
            "train.params": {"n_estimators": rounds, **self._params(), **layout},
        }

    def _split(self) -> dict[str, object]:
        if self.task == "ranking":
            return {"by": "group", "column": "q", "valid": self.valid}
        return {"by": "random", "valid": self.valid}

    def _params(self) -> dict[str, object]:
        # As many leaves as asked for, or histograms would be measured that are never made.
        return {"num_leaves": self.leaves, "max_bin": self.bins, "min_data_in_leaf": 20}


def _strings(rng: np.random.Generator, rows: int, levels: int) -> tuple[pa.Array, Array]:
    code = np.floor(rng.random(rows) ** 2 * levels).astype(np.int32)
    words = pa.array([f"level-{n:05d}" for n in range(levels)])
    return pa.DictionaryArray.from_arrays(pa.array(code), words), code


def _target(rng: np.random.Generator, case: Case, signal: Array) -> Array:
    noisy = signal + rng.standard_normal(len(signal))
    if case.task == "binary":
        return np.asarray(noisy > 0, np.float32)
    if case.task == "regression":
        return np.asarray(noisy, np.float32)
    steps = case.classes if case.task == "multiclass" else 5
    place = np.searchsorted(np.linspace(-2, 2, steps - 1), noisy)
    return np.asarray(place, np.int32)


def _group(case: Case, first: int, rows: int, query: int) -> tuple[pa.Table, int]:
    """Return a row group and the number of the next query."""
    rng = np.random.default_rng([5, first, case.columns])
    x = [rng.standard_normal(rows, np.float32) for _ in range(case.numbers)]
    drawn = [_strings(rng, rows, levels) for levels in case.levels]
    signal = x[0] + np.sin(2 * x[-1]) + sum(0.2 * np.sin(code * 1.7) for _, code in drawn)
    columns: dict[str, Any] = {f"f{n}": values for n, values in enumerate(x)}
    columns |= {name: words for name, (words, _) in zip(case.categories, drawn, strict=True)}
    columns["y"] = _target(rng, case, signal)
    if case.task == "ranking":
        lengths = rng.integers(1, LONGEST_QUERY + 1, rows)  # more than enough
        columns["q"] = query + np.repeat(np.arange(rows), lengths)[:rows]
        query = int(columns["q"][-1]) + 1
    return pa.table(columns), query


def _groups(case: Case) -> Iterator[pa.Table]:
    step = max(1_000, min(500_000, GROUP_CELLS // case.columns))
    query = 0
    for first in range(0, case.rows, step):
        table, query = _group(case, first, min(step, case.rows - first), query)
        yield table


def table(case: Case, cache: Path) -> Path:
    """Return the folder of a case's table; write it first if it is not there yet."""
    levels = "-".join(map(str, case.levels))
    name = f"shape-v1-{case.rows}x{case.numbers}c{levels}-{case.task}{case.classes}"
    folder, draft = cache / name, cache / f".{name}"
    if folder.exists():
        return folder
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    writer = None
    for group in _groups(case):
        kept = case.categories
        writer = writer or pq.ParquetWriter(
            draft / "rows.parquet", group.schema, compression="zstd", use_dictionary=kept
        )
        writer.write_table(group, row_group_size=group.num_rows)
    assert writer is not None
    writer.close()
    return draft.rename(folder)
