"""Folds as a section asks for them, held against the data."""

from __future__ import annotations

import polars as pl

from engine.data.dataset import Dataset
from engine.errors import SpecError
from engine.folds import Folds
from engine.reserved import TARGET
from jobs.spec.data import DataSpec
from jobs.spec.folds import FoldsSpec
from jobs.spec.section import seconds
from jobs.work.opening import time_of

_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units of a second in the integers of a time."""

_DAY = 86_400


def folds_of(spec: FoldsSpec, data: DataSpec, dataset: Dataset, where: str) -> Folds:
    """Return the folds that a section asks for; their cuts are not known yet.

    Args:
        spec: What it asks for.
        data: The section of the data.
        dataset: The data.
        where: The key in the job file, such as ``train.cross_validate``.

    Raises:
        SpecError: A column is not there, or does not go with time or the gap.
    """
    ways = {"time": time_of(data), "stratified": (TARGET,)}
    columns = spec.keys or ways.get(spec.by, ())
    dataset.require([name for name in columns if name != TARGET], where)
    gap = 0.0
    if spec.by == "time":
        if not columns:
            raise SpecError(
                "folds by time need a time column",
                where=f"{where}.column",
                hint=f"name it here, or as data.{dataset.name}.time",
            )
        gap = _units(spec.gap, dataset.schema[columns[0]], columns[0], where)
    return Folds(spec.by, spec.count, spec.repeats, columns, spec.seed, gap, spec.window)


def _units(gap: str | float | None, kind: pl.DataType, column: str, where: str) -> float:
    """Return a gap in units of the integers of a column."""
    if not (kind.is_temporal() or kind.is_numeric()):
        raise SpecError(
            f"column {column!r} is {kind}, and folds by time need times or numbers",
            where=where,
            hint="name another column, or read it as a datetime by the contract of the data",
        )
    if gap is None or gap == 0:
        return 0.0
    if kind.is_numeric() == isinstance(gap, str):
        need = "a number" if kind.is_numeric() else 'a span such as "7d"'
        raise SpecError(f"column {column!r} is {kind}: give {need}", where=f"{where}.gap")
    if not isinstance(gap, str):
        return float(gap)
    if isinstance(kind, pl.Date):
        return seconds(gap) / _DAY
    # A time of day is counted in nanoseconds.
    return seconds(gap) * _SECOND[getattr(kind, "time_unit", None) or "ns"]
