"""A Dask DataFrame taken in: a Parquet file a partition, from which millrace goes on.

The frame could also stay a graph that each task computes anew. But millrace reads its data several
times (cuts, statistics, training, evaluation), needs rows and sizes before it plans, and a graph
may shuffle or draw at random: one pass to disk costs less and gives every step the same rows.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine import arrow
from engine.errors import InputError, MillraceError, OutputRefused, SpecError, TaskFailed
from engine.place import durable, folders
from engine.place.refusals import refusals
from engine.plan import TARGET_BYTES
from engine.reserved import ROW

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd
    from distributed import Client

STORE = Path(".millrace/frames")
"""Where frames go that are given no folder: beside the runs, in a folder named by their content."""

_SHORT = 16
"""Hexadecimal digits of a SHA-256 in a name."""


@dataclass(frozen=True)
class _Part:
    """A file that a task wrote.

    Attributes:
        index: Partition of the frame.
        name: File name; it carries the digest of the content.
        size: Bytes.
        inferred: Types of the columns whose type the metadata do not say.
    """

    index: int
    name: str
    size: int
    inferred: Mapping[str, pa.DataType]


@dataclass(frozen=True)
class _Target:
    """Where a task writes, and the type of every column: ``None`` where values have to tell."""

    folder: Path
    types: Mapping[str, pa.DataType | None]


def store(frame: dd.DataFrame, folder: str | None = None, client: Client | None = None) -> Path:
    """Compute each partition of a Dask DataFrame once and write it as a Parquet file.

    Memory is that of the partitions under way: nothing is gathered. A named index becomes a column,
    except `ROW`, which a data set gives anew; an index without a name is dropped.

    Args:
        frame: Any Dask DataFrame.
        folder: A new or empty folder that all workers see, or one that holds just this frame.
            Without it, a folder in `STORE` of the current directory, named by the content: an equal
            frame is found there again. It stays until somebody deletes it, as the runs do.
        client: The cluster; otherwise the current client's, or else this process.

    Returns:
        The folder. Names carry the content's digest and times are 0, so that equal frames in one
        place are equal data sets.

    Raises:
        SpecError: Columns cannot be named or stored.
        InputError: A partition does not hold what the frame says; names partition and column.
        OutputRefused: The folder holds something else, or the workers do not see it.
        TaskFailed: A partition could not be computed.
    """
    if folder and "://" in folder:
        hint = "name a folder that all workers have mounted"
        raise SpecError("a Dask DataFrame is stored in a folder", where=folder, hint=hint)
    types = _types(frame)
    home = Path(folder).resolve() if folder else None
    parent = home.parent if home else STORE.resolve()
    stage = parent / f".frame-{uuid.uuid4().hex}"
    with refusals(parent):
        durable.make_folder(stage / "work")
        durable.make_folder(stage / "whole")
        try:
            parts = _written(frame, _Target(stage / "work", types), client)
            digest = hashlib.sha256("\n".join(part.name for part in parts).encode()).hexdigest()
            for part in parts:
                _collect(stage, part)
            return _publish(stage / "whole", home or parent / digest[:_SHORT])
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _types(frame: dd.DataFrame) -> dict[str, pa.DataType | None]:
    """Return the type of every column to write, the index first when it has a name."""
    import dask.dataframe as dd

    if not isinstance(frame, dd.DataFrame):
        raise SpecError(
            f"this is a {type(frame).__name__}, not a Dask DataFrame",
            hint="use dask.dataframe.from_pandas, or Series.to_frame()",
        )
    named = [(frame.index.name, frame.index.dtype)] if _keeps_index(frame) else []
    columns = [(str(name), dtype) for name, dtype in [*named, *frame.dtypes.items()]]
    names = [name for name, _ in columns]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SpecError(f"two columns of the frame are named {min(twice)!r}", hint="rename one")
    if ROW in names:
        hint = "drop it, or rename it"
        raise SpecError(f"the column name {ROW!r} is taken by the row number", hint=hint)
    if not names:
        raise SpecError("this Dask DataFrame has no columns", hint="keep at least one")
    return {name: arrow.declared(dtype, name) for name, dtype in columns}


def _keeps_index(frame: dd.DataFrame | pd.DataFrame) -> bool:
    return frame.index.name not in (None, ROW)


def _written(frame: dd.DataFrame, target: _Target, client: Client | None) -> list[_Part]:
    """Write all partitions; those again that could not know the type of a column without values."""
    import pandas as pd
    from dask.delayed import delayed

    meta = pd.Series([], dtype=object)
    tasks = frame.map_partitions(_write, target, meta=meta, enforce_metadata=False)
    parts = sorted(_computed(tasks, client), key=lambda part: part.index)
    settled = {
        name: arrow.common({part.index: part.inferred[name] for part in parts}, name)
        for name in parts[0].inferred
    }
    complete = replace(target, types={**target.types, **settled})
    again = [part for part in parts if part.inferred != settled]
    if again:
        tasks = delayed(list)([delayed(_retype)(part, complete) for part in again])
        for part in _computed(tasks, client):
            parts[part.index] = part
    return parts


def _computed(tasks: Any, client: Client | None) -> list[_Part]:
    from distributed.scheduler import KilledWorker

    try:
        return list(tasks.compute(scheduler=client))
    except MillraceError:
        raise
    except KilledWorker as error:
        raise TaskFailed(
            "a partition of the Dask DataFrame took several workers down",
            hint="make partitions smaller (frame.repartition), or give the workers more memory",
        ) from error
    except Exception as error:
        raise TaskFailed(
            f"a partition of the Dask DataFrame could not be computed: "
            f"{type(error).__name__}: {error}",
            hint="frame.compute() shows the same error with its traceback",
        ) from error


def _write(
    frame: pd.DataFrame, target: _Target, partition_info: Mapping[str, Any] | None = None
) -> pd.Series:
    """Write a partition, in a task; the row that comes back says where."""
    import pandas as pd

    assert partition_info is not None  # Dask gives it whenever the argument is there
    index = int(partition_info["number"])
    whole = frame.reset_index() if _keeps_index(frame) else frame
    whole = whole.set_axis([str(name) for name in whole.columns], axis=1)
    if set(whole.columns) != set(target.types) or not whole.columns.is_unique:
        odd = sorted(set(whole.columns) ^ set(target.types))
        raise InputError(
            "this partition has other columns than the frame",
            where=f"partition {index}, columns {', '.join(map(repr, odd))}",
            hint="give map_partitions the meta of what its function returns",
        )
    columns = {
        name: arrow.converted(whole[name], kind, f"partition {index}, column {name!r}")
        for name, kind in target.types.items()
    }
    return pd.Series([_put(index, pa.table(columns), target)])


def _retype(part: _Part, target: _Target) -> _Part:
    """Write a part again with the types that the other parts settled."""
    table = pq.read_table(target.folder / part.name, partitioning=None)
    columns = {name: table[name].cast(kind) for name, kind in target.types.items() if kind}
    return _put(part.index, pa.table(columns), target)


def _put(index: int, table: pa.Table, target: _Target) -> _Part:
    """Write a file under a name that carries its digest: a task that runs twice does no harm."""
    if not target.folder.is_dir():
        raise OutputRefused(
            "a worker does not see the folder for the frame",
            where=str(target.folder),
            hint="name a folder on a file system that all workers share",
        )
    data = _encoded(table)
    name = f"part-{index:05d}-{hashlib.sha256(data).hexdigest()[:_SHORT]}.parquet"
    with refusals(target.folder):
        durable.put_if_absent(target.folder / name, data)
        os.utime(target.folder / name, (time.time(), 0))
    inferred = {
        name: table.schema.field(name).type for name, kind in target.types.items() if not kind
    }
    return _Part(index, name, data.nbytes, inferred)


def _encoded(table: pa.Table) -> memoryview:
    """Return the Parquet file of a table: equal rows give equal bytes, row groups stay small."""
    row = max(1, table.nbytes // max(1, table.num_rows))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, TARGET_BYTES // row),
        compression="zstd",
        write_page_checksum=True,
    )
    return memoryview(sink.getvalue())


def _collect(stage: Path, part: _Part) -> None:
    """Take a part over: only those that the driver knows, whatever a late task may still write."""
    written = stage / "work" / part.name
    if not written.is_file() or written.stat().st_size != part.size:
        raise OutputRefused(
            f"partition {part.index} was written, but is not in this machine's folder",
            where=str(written),
            hint="name a folder on a file system that all workers and this machine share",
        )
    durable.link(written, stage / "whole" / part.name)


def _publish(whole: Path, home: Path) -> Path:
    """Give the folder its name, all files at once; the same frame may be there already."""
    names = {path.name for path in whole.iterdir()}
    if home.is_dir() and {path.name for path in home.iterdir()} == names:
        return home
    durable.sync_folder(whole)
    try:
        folders.rename(whole, home)
    except OSError as error:
        raise OutputRefused(
            "this folder holds something else already",
            where=str(home),
            hint="name a new or an empty folder for the frame",
        ) from error
    return home
