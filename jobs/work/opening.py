"""Sections of a job file that say what the data are: opened data sets, their rules, their split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import polars as pl

from engine.contract import Contract, Rule
from engine.data.dataset import Dataset
from engine.errors import SpecError
from engine.formats import guess, make
from engine.reserved import TARGET
from engine.split import Split
from engine.storage import Access
from jobs.spec.job import DataSpec, SplitSpec


def open_data(name: str, spec: DataSpec, inherited: Mapping[str, Rule]) -> Dataset:
    """Open a ``[data.<name>]`` section; its own rules go before inherited ones."""
    given = spec.contract
    own = {column: Rule(**dict(rule)) for column, rule in given.columns.items()}
    contract = Contract(
        {**inherited, **own}, name=name, checks=given.checks, unique=given.unique, extra=given.extra
    )
    kind = spec.format_name or guess(spec.path)
    dataset = Dataset.open(
        spec.path,
        format=make(kind, spec.format_options),
        where=spec.where,
        contract=contract,
        access=Access(tuple(spec.storage.items())),
        name=name,
    )
    dataset.require([*spec.key, *time_of(spec)], f"data.{name}")
    return dataset


def model_rules(
    inputs: Iterable[str], schema: Mapping[str, pl.DataType], given: Mapping[str, Rule]
) -> dict[str, Rule]:
    """Return the rule of each input column, its type stated where it has a name."""
    return {name: given.get(name, Rule()).stating(schema[name]) for name in inputs}


def time_of(spec: DataSpec) -> tuple[str, ...]:
    """Return the time column of some data, or nothing."""
    return (spec.time,) if spec.time else ()


def split_of(spec: SplitSpec | None, data: DataSpec, dataset: Dataset) -> Split:
    """Return the split that a section asks for; without one all rows train.

    Raises:
        SpecError: Cuts in time do not fit their column.
    """
    if spec is None:
        return Split("random")
    by = "hash" if spec.by == "group" else spec.by
    ways = {"time": time_of(data), "stratified": (TARGET,)}
    columns = spec.keys or ways.get(by, ())
    cuts = _cuts(spec.at, dataset.schema.get(columns[0])) if spec.at else None
    return Split(by, _part(spec.valid), _part(spec.test), columns, spec.seed, cuts)


def _part(value: float | tuple[str | float, ...] | None) -> float | tuple[str | float, ...]:
    return value if isinstance(value, tuple) else float(value or 0)


def _cuts(at: tuple[datetime, ...], kind: pl.DataType | None) -> tuple[float, float]:
    """Return the first time of validation and of test as integers of the column's type."""
    if kind is None or not kind.is_temporal():
        raise SpecError("a time split needs a date or datetime column", where="train.split")
    times = [int(pl.Series([cut]).cast(kind).to_physical()[0]) for cut in at]
    return float(times[0]), float(times[-1])
