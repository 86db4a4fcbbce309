"""Whether the columns of an output go into its files, known before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from engine.encoding import csv, hive, lake
from engine.errors import SpecError
from jobs.spec.output import FilesSpec
from jobs.spec.problems import nearest


def assert_written(
    section: str, spec: FilesSpec, known: Mapping[str, pl.DataType], others: Collection[str] | None
) -> None:
    """Refuse columns that the format cannot hold, or that cannot become folders.

    Args:
        section: Name of the section.
        spec: The section.
        known: Columns of the output whose types are known.
        others: Names of its other columns; None where they are not known yet.

    Raises:
        SpecError: Such a column.
    """
    where = f"{section}.partition_by"
    if others is not None:
        names = [*known, *others]
        for name in spec.partition_by:
            if name not in names:
                what = f"the output has no column {name!r}{nearest(name, names)}"
                raise SpecError(what, where=where, hint=f"pass it through: {section}.columns")
        if set(names) == set(spec.partition_by):
            raise SpecError("no column would be left in the files", where=where)
    hive.refuse_columns(known, spec.partition_by, where)
    if spec.format in csv.PACKED:
        csv.refuse_columns({n: kind for n, kind in known.items() if n not in spec.partition_by})
    elif spec.format == "delta":
        for name, kind in known.items():
            lake.stored(name, kind)


def assert_case_told(spec: FilesSpec, schema: Mapping[str, pl.DataType]) -> None:
    """Refuse text as names of folders where a file system does not tell ``A`` from ``a``.

    Args:
        spec: The section; the folder of its output exists.
        schema: Columns of the data; a column of the output that is not among them may be text.

    Raises:
        OutputRefused: Rows of two values could share a folder.
    """
    if spec.partition_by and "://" not in spec.output:
        hive.refuse_case_blind(Path(spec.output).parent, schema, spec.partition_by)
