"""Hive partitioning: rows of one value lie in a folder of their own, ``month=2024-01/``.

The column leaves the files; a reader takes the value from the folder's name. Names are therefore
written so that Polars, pyarrow, DuckDB, Dask and Spark read the same value from them, and what one
of them would read as something else is refused:

- Values are percent-encoded but for ASCII letters, digits and ``_.-~``: no reserved character of a
  shell, an URL or Windows is left, and no two Unicode forms of one text.
- A missing value is ``__HIVE_DEFAULT_PARTITION__``. Text that reads so comes back as missing, and
  Spark stops at an empty text: both are refused.
- Floats are refused: 0.1 has no one name, and nearly every row would get a folder.
- Readers skip folders that begin with ``_`` or ``.``: such column names are refused.
- On a file system that does not tell ``k=A`` from ``k=a`` both would share a folder, whose name
  says the value: text is refused there (`refuse_case_blind`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

import polars as pl

from engine.errors import OutputRefused, SpecError

MISSING = "__HIVE_DEFAULT_PARTITION__"

MOST = 1_000
"""Folders that the rows of one part may lie in. Each costs a file per part, so ten thousand parts
would make ten million files; a column with more values is a key, no partition."""

_LONGEST = 255
"""Bytes of a name in a folder: ext4, XFS, NTFS and others."""

_KINDS = (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Date)


def refuse_columns(schema: Mapping[str, pl.DataType], by: Sequence[str], where: str) -> None:
    """Refuse columns that cannot be partitioned by.

    Args:
        schema: Columns of the output, as far as they are known.
        by: The partition columns.
        where: Key of the job file.

    Raises:
        SpecError: A type or a name does not go into folder names, or nothing would be left.
    """
    for name in by:
        if quote(name, safe="") != name or name.startswith(("_", ".")):
            hint = "use ASCII letters, digits, `-`, `.`, `_`, not beginning with `_` or `.`"
            raise SpecError(f"no name for folders: {name!r}", where=where, hint=hint)
        kind = schema.get(name)
        if kind is not None and not (kind.is_integer() or kind.base_type() in _KINDS):
            raise SpecError(
                f"rows cannot be partitioned by {name!r}, which is {kind}",
                where=where,
                hint="partition by text, whole numbers, booleans or dates",
            )


def refuse_case_blind(folder: Path, schema: Mapping[str, pl.DataType], by: Sequence[str]) -> None:
    """Refuse text on a file system that does not tell upper from lower case.

    Args:
        folder: Where to try it; exists.
        schema: Columns of the output, as far as they are known.
        by: The partition columns.

    Raises:
        OutputRefused: Two values could share a folder.
    """
    if all((kind := schema.get(name)) is not None and not _is_text(kind) for name in by):
        return
    probe = folder / f"probe-{uuid.uuid4().hex}"
    try:
        probe.touch()
        blind = probe.with_name(probe.name.replace("probe", "PROBE")).exists()
    finally:
        with suppress(OSError):
            probe.unlink()
    if blind:
        raise OutputRefused(
            "This file system does not tell `A` from `a`: their rows would share a folder.",
            where=str(folder),
            hint="leave `partition_by` out, or choose another output",
        )


def partitioned(table: pl.DataFrame, by: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Cut a table by the values of some columns, which leave it.

    Args:
        table: Any number of rows.
        by: The partition columns; ``()`` for one piece without a folder.

    Yields:
        Folder, such as ``month=2024-01/carrier=AA``, and its rows in their order; folders sorted
        by name; none when there are no rows.

    Raises:
        SpecError: A value does not go into a folder name, there are too many values, or no column
            would be left; types were looked at before (`refuse_columns`).
    """
    if not by:
        yield "", table
        return
    where = f"partition_by = {list(by)}"
    if len(by) == table.width:
        raise SpecError("no column would be left in the files", where=where)
    keys = table.select(by).unique()
    if keys.height > MOST:
        raise _too_many(keys, by, where)
    folders = {_folder(by, key): key for key in keys.iter_rows()}
    cut = table.partition_by(by, maintain_order=True, include_key=False, as_dict=True)
    for folder in sorted(folders):
        yield folder, cut.pop(folders[folder])


def values(folder: str) -> dict[str, str | None]:
    """Read the name of a folder back: the text of each partition column, None where missing."""
    pairs = (part.split("=", 1) for part in folder.split("/") if part)
    return {name: None if text == MISSING else unquote(text) for name, text in pairs}


def _folder(by: Sequence[str], key: Sequence[object]) -> str:
    return "/".join(_named(name, value) for name, value in zip(by, key, strict=True))


def _named(name: str, value: object) -> str:
    text = _text(value)
    if text == "" or (text == MISSING and value is not None):
        what = f"no folder name that all readers take: {text!r}"
        raise _refused(what, name, "fill it in, or leave the column out of `partition_by`")
    whole = f"{name}={quote(text, safe='')}"
    if len(whole) > _LONGEST:
        what = f"a folder name of {len(whole)} bytes: {text[:40]!r}..."
        raise _refused(what, name, "partition by a shorter text")
    return whole


def _text(value: object) -> str:
    """Return a value as Spark and Delta Lake write it; dates and integers as they are."""
    if value is None:
        return MISSING
    return str(value).lower() if isinstance(value, bool) else str(value)


def _too_many(keys: pl.DataFrame, by: Sequence[str], where: str) -> SpecError:
    counts = {name: keys[name].n_unique() for name in by}
    worst = max(by, key=lambda name: counts[name])
    return SpecError(
        f"the rows of one part would lie in {keys.height:,} folders; {MOST:,} are the bound",
        where=f"{where}, column {worst!r} has {counts[worst]:,} values",
        hint="partition by something coarser, such as the month of a day",
    )


def _refused(what: str, name: str, hint: str) -> SpecError:
    return SpecError(what, where=f"partition_by, column {name!r}", hint=hint)


def _is_text(kind: pl.DataType) -> bool:
    return kind.base_type() in (pl.String, pl.Categorical, pl.Enum)
