"""millrace on a table of `train_sets`: its job file, and what came out of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import millrace_job
import polars as pl
import pyarrow.parquet as pq
from train_reference import Array
from train_sets import Set, categories, features

PARTITIONS, SMALLEST = 8, 16 * 2**20  # how many there should be, and their least bytes
PADDING = "padding"


@dataclass(frozen=True)
class Task:
    """A training on a table.

    Attributes:
        frame: The table.
        kind: Its task.
        params: Of LightGBM; the number of rounds too.
        train: More keys of the section ``[train]``.
        workers: Worker processes.
        memory: Bytes of each.
    """

    frame: pl.DataFrame
    kind: Set
    params: Mapping[str, object]
    train: Mapping[str, object]
    workers: int
    memory: int


def write(folder: Path, task: Task) -> Path:
    """Write the table and a job that trains on it and scores its test rows, if it has any."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    frame = task.frame
    _write_rows(frame, folder / "rows.parquet")
    return millrace_job.write(folder / "job.toml", _sections(task))


def _write_rows(frame: pl.DataFrame, file: Path) -> None:
    """Write a table of so many bytes that all workers get some of its rows.

    millrace packs less than 16 MiB into one partition, and only whole partitions go to ranks. A
    small set gets a column of blanks, which compresses to nothing, and which a filter reads.
    """
    short = max(0, PARTITIONS * SMALLEST - int(frame.estimated_size()))
    padded = frame.with_columns(pl.lit(" " * (short // frame.height + 1)).alias(PADDING))
    groups = max(200, frame.height // (2 * PARTITIONS))
    pq.write_table(padded.to_arrow(), file, row_group_size=groups, use_dictionary=False)


def _sections(task: Task) -> dict[str, object]:
    frame, kind = task.frame, task.kind
    parts = set(frame["part"].unique())
    steps = [{"encode": categories(frame), "with": "category"}] if categories(frame) else []
    split: dict[str, object] = {"by": "column", "column": "part"}
    split |= {name: [name] for name in ("valid", "test") if name in parts}
    head = {"data": "rows", "target": "y", "task": kind.task, "model": millrace_job.MODEL}
    head |= {"query": "q"} if kind.task == "ranking" else {}
    head |= {"objective": kind.objective} if kind.objective else {}
    sections: dict[str, object] = {
        "name": "set",
        "cluster": {"workers": task.workers, "memory": task.memory},
        "data.rows": {"path": "rows.parquet", "where": f"{PADDING} is not null"},
        "features": {"columns": features(frame), "steps": steps},
        "train": {**head, "split": split, **task.train},
        "train.params": {**kind.params, **task.params},
    }
    if "test" in parts:
        sections["data.test"] = {"path": "rows.parquet", "where": "part = 'test'"}
        sections["score"] = {
            **{"data": "test", "model": f"{millrace_job.MODEL}@latest"},
            **{"output": millrace_job.OUTPUT, "columns": ["row"]},
        }
    return sections


def predictions(folder: Path, task: Task) -> Array:
    """Return what the job predicted of the test rows, in their order; see `train_reference`."""
    found = pl.read_parquet(folder / millrace_job.OUTPUT / "*.parquet").sort("row")
    if task.kind.task == "binary":
        return found["probability"].to_numpy()
    if task.kind.task == "multiclass":
        columns = [f"probability_{n}" for n in range(task.kind.classes)]
        return found.select(columns).to_numpy()
    return found["prediction"].to_numpy()


def history(folder: Path) -> dict[str, Any]:
    """Return what the model's bundle says of its training: ``best_round``, ``history``, ..."""
    text = millrace_job.model_text(folder)
    assert text is not None
    told: dict[str, Any] = json.loads((text.parent / "metrics.json").read_text())
    return told
