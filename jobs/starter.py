"""The first job file for some data: what can be guessed from the columns of its first file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from engine.data.dataset import Dataset
from engine.errors import InputError, SpecError
from engine.formats import guess, make
from engine.formats.format import Files
from engine.schema import require
from engine.storage import PLAIN
from jobs.spec.problems import is_bare

_TARGETS = ("target", "label", "y", "class", "outcome", "response")
_ROWS = 1000
"""Rows that are looked at to tell a binary target from a number."""


@dataclass(frozen=True)
class Columns:
    """The columns of some data, by what a job does with them.

    Args:
        target: The column to predict.
        binary: Whether it has two values, 0 and 1.
        key: Columns that look like identifiers.
        time: The first date or datetime, if there is one.
        numbers: Numeric columns.
        texts: Text columns.
        others: Columns that can be no features as they are.
    """

    target: str
    binary: bool
    key: Sequence[str]
    time: str | None
    numbers: Sequence[str]
    texts: Sequence[str]
    others: Sequence[str]


def starter(location: str, target: str | None = None) -> str:
    """Return a commented job file for data; it is meant to be edited.

    Args:
        location: File, directory or glob.
        target: The column to predict; guessed when left out.

    Raises:
        SpecError: There is no such location or column.
        InputError: The first file cannot be read, or has no columns.
    """
    path = location if "://" in location else os.path.abspath(location)
    return _text(path, look(location, target), guessed=target is None)


def look(location: str, target: str | None = None) -> Columns:
    """Sort the columns of the first file.

    Args:
        location: File, directory or glob.
        target: The column to predict; guessed when left out.

    Raises:
        SpecError: There is no such location or column.
        InputError: The first file cannot be read, or has no columns.
    """
    dataset = _first(location)
    schema = dict(dataset.schema)
    if not schema:
        hint = "name data with a column to predict"
        raise InputError("the file has no columns", where=location, hint=hint)
    if target is not None:
        require([target], schema, "--target")
    chosen = target or _likely_target(schema)
    binary = set(_head(dataset, chosen).drop_nulls().unique().to_list()) <= {0, 1}
    return _sorted(schema, chosen, binary)


def write(file: Path, text: str) -> None:
    """Write a job file that is not there yet.

    Raises:
        SpecError: The file exists, or cannot be written.
    """
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        hint = "name another file with --output"
        raise SpecError("the file exists and is not replaced", where=str(file), hint=hint) from None
    except OSError as error:
        what = f"the job file cannot be written: {error.strerror}"
        raise SpecError(what, where=str(file)) from None


def _first(location: str) -> Dataset:
    """Open the first file of a location, or the table that it is."""
    reader = make(guess(location))
    files = reader.list(location, PLAIN)
    return Dataset.open(files[0].path if isinstance(reader, Files) else location, format=reader)


def _head(dataset: Dataset, column: str) -> pl.Series:
    partitions = dataset.partitions([column])
    if not partitions:
        return pl.Series(column, [], dataset.schema[column])
    return dataset.source.read(partitions[0], [column]).good[column].head(_ROWS)


def _likely_target(schema: Mapping[str, pl.DataType]) -> str:
    named = [name for name in schema if name.lower() in _TARGETS]
    usable = [n for n, kind in schema.items() if kind.is_numeric() or kind == pl.Boolean]
    return [*usable, *(name for name in named)][-1] if usable or named else list(schema)[-1]


def _sorted(schema: Mapping[str, pl.DataType], target: str, binary: bool) -> Columns:
    key = [name for name in schema if name != target and _is_key(name)]
    rest = {n: kind for n, kind in schema.items() if n != target and n not in key}
    times = [name for name, kind in rest.items() if kind in (pl.Date, pl.Datetime)]
    numbers = [name for name, kind in rest.items() if kind.is_numeric()]
    texts = [name for name, kind in rest.items() if kind in (pl.String, pl.Categorical, pl.Enum)]
    usable = {*numbers, *texts, *times[:1]}
    others = [name for name, kind in rest.items() if name not in usable and kind != pl.Boolean]
    return Columns(target, binary, key, next(iter(times), None), numbers, texts, others)


def _is_key(name: str) -> bool:
    return name.lower() in ("id", "key", "uuid") or name.lower().endswith(("_id", "_key", "_uuid"))


def _text(path: str, found: Columns, *, guessed: bool) -> str:
    return "\n".join(
        [
            "# A millrace job. Every key is described in docs/job-file.md.",
            "#   millrace plan job.toml    what it will read, hold in memory and write",
            "#   millrace run job.toml     do it",
            f"name = {_quoted(name_of(path))}",
            "",
            "# [cluster]                 # left out: sized to this machine",
            "# workers = 2",
            '# memory = "2 GiB"          # per worker; the plan never exceeds it',
            "",
            *_data(path, found),
            "",
            *_features(found),
            "",
            *_train(found, guessed=guessed),
            "",
            "[evaluate]                  # metrics on held-out rows, beside a baseline",
            "",
            *_score(found),
            "",
        ]
    )


def _data(path: str, found: Columns) -> Iterator[str]:
    yield "[data.table]"
    yield f"path = {_quoted(path)}"
    if found.time:
        yield f"time = {_quoted(found.time)}"
    if found.key:
        yield f"key = {_listed(found.key)}   # no features; carried to the predictions"
    yield '# where = "column > 0"      # rows to use, a SQL expression'
    yield ""
    yield "# [data.table.contract]     # a row that breaks a rule is set aside with the reason"
    for name in [*found.numbers, *found.texts][:1]:
        yield f"# {_key(name)} = {{ nulls = 0.5 }}   # also: type, min, max, values"


def _features(found: Columns) -> Iterator[str]:
    yield "[features]"
    if found.others:
        yield f"drop = {_listed(found.others)}   # of types that can be no features"
    yield '# derive.ratio = "a / nullif(b, 0)"'
    yield "steps = ["
    if found.numbers:
        yield f'  {{ impute = {_listed(found.numbers)}, with = "median" }},'
    if found.texts:
        yield f'  {{ encode = {_listed(found.texts)}, with = "category" }},'
    yield "]"


def _train(found: Columns, *, guessed: bool) -> Iterator[str]:
    hint = "   # a guess: name the column to predict" if guessed else ""
    task = "binary" if found.binary else "regression"
    yield "[train]"
    yield 'data = "table"'
    yield f"target = {_quoted(found.target)}{hint}"
    yield f'task = "{task}"'
    by = "time" if found.time else "random"
    yield f'split = {{ by = "{by}", valid = 0.1, test = 0.1 }}'
    yield "early_stopping = 20"
    yield "params = { n_estimators = 300, num_leaves = 31, learning_rate = 0.1 }"
    yield 'model = "models/table"'


def _score(found: Columns) -> Iterator[str]:
    columns = [] if found.key else [name for name in (found.time,) if name]
    yield "[score]"
    yield 'data = "table"              # usually other data than that of [train]'
    yield 'model = "models/table@latest"'
    yield 'output = "predictions"'
    if columns:
        yield f"columns = {_listed(columns)}   # passed through"


def name_of(path: str) -> str:
    """Return a name for what lies at a path, of letters, digits and ``-``."""
    stem = Path(path.split("*")[0].rstrip("/")).stem
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in stem).strip("-")
    return kept or "job"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML string


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, names))}]"


def _key(name: str) -> str:
    return name if is_bare(name) else _quoted(name)
