"""What `millrace head` shows: the first rows of a result, also while it is being made."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import pyarrow.parquet as pq

from engine.commit import Partial, partial
from engine.errors import SpecError
from engine.storage import Access
from jobs.runs.store import Store
from jobs.show.units import count

SECTIONS = ("score", "prepare", "sort")
"""Sections that write rows; of a run, the first that it has is shown."""

_WIDTH = 200
"""Characters of a line on the screen."""


def head(name: str, store: Store, access: Access, rows: int) -> dict[str, Any]:
    """Return the first rows of a result as far as it is there, as JSON values.

    Args:
        name: An output folder or URL; else a run's id, the beginning of one, or ``@last``.
        store: Where the run folders are.
        access: How the store of a URL is reached; of a run, its job says it.
        rows: Most rows.

    Raises:
        SpecError: There is no such run or output, or nothing in it yet.
        MillraceError: A record is damaged, or the storage cannot be read.
    """
    output, run = name, None
    if not _is_output(name):
        output, run, access = _of_run(name, store)
    found = partial(output, access, run)
    if found is None:
        raise SpecError("nothing was written here yet", where=output)
    table = _first(found, rows)
    return {
        "output": found.run.layout.told,
        "committed": found.committed,
        "parts": len(found.parts),
        "planned_parts": found.planned,
        "bad_parts": sum(part.bad is not None for part in found.parts),
        "rows": found.rows,
        "columns": {column: str(kind) for column, kind in table.schema.items()},
        "head": table.to_dicts(),
    }


def head_text(found: Mapping[str, Any]) -> str:
    """Write what `head` returns for a person."""
    told = f"{count(found['rows'])} rows in {found['output']}"
    if not found["committed"]:
        parts = f"{count(found['parts'])} of {count(found['planned_parts'])} parts"
        told = f"{count(found['rows'])} rows so far ({parts}), nothing is committed yet"
    if found["bad_parts"]:
        told += f"; {count(found['bad_parts'])} parts were set aside"
    if not found["head"]:
        gone = "; its files are gone: it was replaced or deleted" if found["rows"] else ""
        return told + gone
    table = pl.DataFrame(found["head"], infer_schema_length=None)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=_WIDTH, tbl_hide_dataframe_shape=True):
        return f"{table}\n{told}"


def _is_output(name: str) -> bool:
    return "://" in name or Path(name).exists() or Path(f"{name.rstrip('/')}.millrace").is_dir()


def _of_run(name: str, store: Store) -> tuple[str, str | None, Access]:
    """Return where a run writes, the name of its result there if that is known, and how."""
    run = store.find(name)
    job, written = run.job(), run.written()
    for section in SECTIONS:
        spec = job.get(section)
        if spec is None:
            continue
        if section in written or run.step(section) is not None:
            access = Access(tuple(spec.get("storage", {}).items()))
            return spec["output"], written.get(section), access
    writes = [section for section in SECTIONS if job.get(section)]
    what = "this run has not begun to write rows" if writes else "this run writes no rows"
    raise SpecError(what, where=run.id, hint="`millrace status` shows how it stands")


def _first(found: Partial, rows: int) -> pl.DataFrame:
    """Return the first rows; parts that are not done yet are left out."""
    frames: list[pl.DataFrame] = []
    left = rows
    for file, stream in found.files():
        frame = _read(file.name, stream, left).with_columns(_folders(file.name))
        frames.append(frame)
        left -= frame.height
        if left <= 0:
            break
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def _read(name: str, stream: io.BufferedIOBase, rows: int) -> pl.DataFrame:
    """Return the first rows of a file, without the rest of it."""
    if not name.endswith(".parquet"):
        return pl.read_csv(stream.read(), n_rows=rows)
    with pq.ParquetFile(stream) as parquet:
        batches = parquet.iter_batches(batch_size=rows)
        frame = pl.from_arrow(next(batches))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _folders(name: str) -> Iterator[pl.Expr]:
    """Yield the columns that are not in a file but in the names of its folders."""
    for folder in name.split("/")[:-1]:
        column, equals, value = folder.partition("=")
        if equals:
            yield pl.lit(unquote(value)).alias(unquote(column))
