"""Rows of a table written to a file: features as float32, label, weight, first score, query.

Runs in tasks. A file stands on its own: classes and categories are coded by what is in it, and it
says which ones these are; what all files have together is only known at the end.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from engine.classes import assert_few
from engine.errors import ContractRefused, OutputRefused
from engine.estimator.columns import Columns
from engine.estimator.refusal import Unfit
from engine.queries import Runs
from engine.split import hashed
from engine.statistics.levels import MOST_LEVELS

Vectors = Mapping[str, Any]
"""``y``, ``weight``, ``init`` and ``query`` of some rows, those that there are."""


@dataclass(frozen=True)
class Order:
    """What is written of a table; the same for all of its partitions.

    Attributes:
        folder: Where; all workers and the client see it.
        part: ``train`` or ``valid``.
        columns: The features.
        classes: Whether labels are classes.
    """

    folder: Path
    part: str
    columns: Columns
    classes: bool


@dataclass(frozen=True)
class Spooled:
    """A file that was written.

    Attributes:
        path: The file.
        rows: Rows in it; 0 = there is no file.
        size: Its bytes.
        vectors: Which of ``weight``, ``init`` and ``query`` it has.
        labels: Classes in it, sorted; empty where labels are numbers.
        counts: Rows of each class.
        levels: Categories in it, sorted, by position of the feature.
        runs: Queries in it.
        outputs: Columns of ``init``.
    """

    path: Path
    rows: int = 0
    size: int = 0
    vectors: frozenset[str] = frozenset()
    labels: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    levels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    runs: Runs = field(default_factory=Runs)
    outputs: int = 1


def spool(order: Order, index: int, rows: Any, vectors: Vectors) -> Spooled:
    """Write the rows of a partition.

    Args:
        order: What is written.
        index: Number of the partition.
        rows: A Polars frame or an array, shape (n, features).
        vectors: Each of n rows; without ``y``, labels are 0.

    Raises:
        Unfit: A label, weight, first score or query is missing, or cannot be one.
        OutputRefused: The folder is not there.
    """
    path = order.folder / f"{order.part}-{index:06d}.arrow"
    if not len(rows):
        return Spooled(path)
    levels = order.columns.levels(rows) if isinstance(rows, pl.DataFrame) else {}
    for i, known in levels.items():
        _assert_levels(order.columns.names[i], len(known))
    made: dict[str, npt.NDArray[Any]] = {"x": order.columns.matrix(rows, levels)}
    labels, counts = np.empty(0), np.empty(0, np.int64)
    y = plain(vectors.get("y", np.zeros(len(rows))))
    if order.classes:
        labels, y, counts = coded(y)
    made["y"] = _finite(y, "label").astype(np.float32)
    made.update(_checked(vectors))
    query = made.get("query", np.empty(0, np.uint64))
    return Spooled(
        path,
        len(rows),
        _write(path, made),
        frozenset(made) - {"x", "y"},
        labels,
        counts,
        levels,
        Runs.of(query),
        made["init"].shape[1] if "init" in made else 1,
    )


def _assert_levels(name: str, count: int) -> None:
    if count > MOST_LEVELS:
        raise ContractRefused(
            f"column {name!r} has more than {MOST_LEVELS:,} categories",
            hint="put rare ones together, or encode them with a FeatureTransformer",
        )


def plain(values: Any) -> npt.NDArray[Any]:
    """Return labels as an array with one dimension: numbers, or text and other objects.

    Raises:
        Unfit: They have several columns.
    """
    found = np.asarray(values)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1:
        raise Unfit(f"the labels have {found.ndim} dimensions; y should be a 1d array")
    return found


def coded(
    y: npt.NDArray[Any],
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the classes of labels, sorted, the place of each label among them, and their rows.

    Raises:
        Unfit: A label is missing, they are numbers with fractions, or of several kinds.
    """
    if y.dtype.kind not in "fiubUS" and any(one is None or one != one for one in y):
        raise Unfit("a label is missing", hint="drop the rows without a label")
    if y.dtype.kind == "f" and (_finite(y, "label") % 1).any():
        hint = "take LGBMRegressor for numbers, or make classes of them"
        raise Unfit("Unknown label type: continuous numbers are no classes", hint=hint)
    try:
        classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    except TypeError as error:
        raise Unfit(f"labels of several kinds: {error}", hint="make text of all") from error
    assert_few(len(classes))
    return classes, codes, counts


def _checked(vectors: Vectors) -> dict[str, npt.NDArray[Any]]:
    made: dict[str, npt.NDArray[Any]] = {}
    if "weight" in vectors:
        made["weight"] = _finite(vectors["weight"], "weight").astype(np.float32)
        if (made["weight"] < 0).any():
            raise Unfit("a weight is negative", where="sample_weight")
    if "init" in vectors:
        init = _finite(vectors["init"], "first score")
        made["init"] = init.reshape(len(init), -1)
    if "query" in vectors:
        query = pl.Series("query", np.asarray(vectors["query"]))
        if query.null_count():
            raise Unfit("a query is missing", where="qid")
        made["query"] = hashed(query.to_frame())
    return made


def _finite(values: Any, what: str) -> npt.NDArray[np.float64]:
    try:
        found = np.asarray(values).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise Unfit(f"a {what} is no number: {error}") from error
    if not np.isfinite(found).all():
        raise Unfit(f"a {what} is missing or infinite", hint="drop these rows")
    return found


def _column(values: npt.NDArray[Any]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.size // len(values))


def _write(path: Path, made: Mapping[str, npt.NDArray[Any]]) -> int:
    """Write an Arrow file, whole or not at all, and return its bytes."""
    if not path.parent.is_dir():
        raise OutputRefused(
            "a worker does not see the folder for the rows",
            where=str(path.parent),
            hint="give scratch= a folder on a file system that the client and all workers share",
        )
    table = pa.table({name: _column(values) for name, values in made.items()})
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    os.replace(part, path)
    return path.stat().st_size
