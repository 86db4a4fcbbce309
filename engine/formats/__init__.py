"""File formats: one reader each."""

from __future__ import annotations

import os

from engine.errors import SpecError
from engine.formats.csv import Csv
from engine.formats.format import Format
from engine.formats.parquet import Parquet

READERS: dict[str, Format] = {"parquet": Parquet(), "csv": Csv()}


def format_named(name: str) -> Format:
    """Return the reader of a format; raises `SpecError` for an unknown name."""
    if name not in READERS:
        raise SpecError(f"unknown format {name!r}", hint=f"use one of {', '.join(READERS)}")
    return READERS[name]


def guess(location: str) -> str:
    """Return the format that a location's files suggest by their endings, ``parquet`` at a loss."""
    csv_endings = (".csv", ".tsv")
    if not os.path.isdir(location):
        return "csv" if location.endswith(csv_endings) else "parquet"
    names = (name for _, _, files in os.walk(location) for name in files)
    known = (name for name in names if name.endswith((*csv_endings, ".parquet", ".pq")))
    return "csv" if next(known, "").endswith(csv_endings) else "parquet"
