"""Keys that may occur once only, over the whole data set: a pass over the key columns.

Each partition gives a 64-bit hash of each key. Those of all rows together are sorted by the driver;
hashes that occur twice are looked up in the data again, so that neither a collision nor a row that
is quarantined for another rule is taken for a repeat. Rows that miss a part of the key are not
compared, as in SQL. When the hashes are over the budget, a sketch counts the distinct keys; then
data are refused only if even the upper bound of the estimate is under their rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

import numpy as np
import polars as pl
from distributed import Client

from engine.data.dataset import Dataset
from engine.data.position import positions
from engine.data.source import Source
from engine.errors import ContractRefused, MillraceError
from engine.plan import MIB, Partition
from engine.reserved import ROW
from engine.statistics.distinct import Distinct
from engine.statistics.repeats import Hashes, key_hashes, known, probe, repeated
from engine.tasks.execute import Done, over_partitions

R = TypeVar("R")
Key = tuple[str, ...]

BUDGET = 256 * MIB
"""Bytes of hashes that the driver holds: 33 million rows of one key."""

_HASH_BYTES = 8
_SIGMAS = 3
_FIRST = 1_000
"""Repeated hashes that are looked up first: enough to refuse; the rest only if all were false."""
_EXAMPLES = 3
_PLACES = 3


@dataclass(frozen=True)
class Unique:
    """A key that was found unique, or at least not seen otherwise.

    Attributes:
        key: The columns.
        rows: Rows that were compared: those that miss no part of the key.
        distinct: Different keys; an estimate when not exact.
        exact: Every key was compared with every other.
        error: Relative standard error of the estimate; 0 when exact.
    """

    key: Key
    rows: int
    distinct: float
    exact: bool
    error: float

    def __str__(self) -> str:
        """Return the finding as a sentence; it says when it is an estimate."""
        name = f"key ({', '.join(self.key)})"
        if self.exact:
            return f"{name}: no repeats in {self.rows:,} rows"
        return (
            f"{name}: about {self.distinct:,.0f} different in {self.rows:,} rows, an estimate with "
            f"a standard error of {self.error:.1%}: fewer repeats than that were not looked for"
        )


@dataclass(frozen=True)
class _Keys:
    """Work of the first pass: keys to send as hashes, keys to sketch."""

    source: Source
    exact: tuple[Key, ...]
    sketched: tuple[Key, ...]


@dataclass(frozen=True)
class _Suspects:
    """Work of the second pass: hashes of one key to look up."""

    source: Source
    key: Key
    hashes: Hashes


@dataclass(frozen=True)
class _Seen:
    """What a partition has: hashes or (rows, sketch) of each key, and how it hashes."""

    probe: int
    hashes: tuple[Hashes, ...]
    sketches: tuple[tuple[int, Distinct], ...]


def assert_unique(
    client: Client, dataset: Dataset, *, threads: int, budget: int = BUDGET
) -> list[Unique]:
    """Make sure that no key of the contract occurs twice in the good rows of a data set.

    Args:
        client: An open Dask client.
        dataset: The data; its contract names the keys.
        threads: Threads of all workers together.
        budget: Bytes of hashes that this process may hold.

    Returns:
        The finding for each key, in the order of the contract.

    Raises:
        ContractRefused: A key occurs twice; the message has examples and where they are.
        MillraceError: Workers hash differently: other versions of Polars.
    """
    findings = []
    for finding in look(client, dataset, threads=threads, budget=budget):
        if isinstance(finding, ContractRefused):
            raise finding
        findings.append(finding)
    return findings


def look(
    client: Client, dataset: Dataset, *, threads: int, budget: int = BUDGET
) -> Iterator[Unique | ContractRefused]:
    """Yield what is found of each key of the contract, in its order, from one pass over the keys.

    Args:
        client: An open Dask client.
        dataset: The data; its contract names the keys.
        threads: Threads of all workers together.
        budget: Bytes of hashes that this process may hold.

    Yields:
        That a key does not occur twice, or the refusal that says where it does.

    Raises:
        MillraceError: Workers hash differently: other versions of Polars.
    """
    contract = dataset.source.contract
    columns = list(dict.fromkeys(name for key in contract.keys for name in key))
    if not columns:
        return
    narrow = replace(dataset.source, contract=contract.only(columns))
    parts = replace(dataset, source=narrow).partitions(columns)
    exact, sketched = _affordable(contract.keys, sum(part.rows for part in parts), budget)
    work = _Keys(narrow, exact, sketched)
    seen = over_partitions(client, _seen, work, parts, threads=threads)
    arrays, sketches = _gathered(seen, work, sum(part.rows for part in parts))
    for key in exact:
        suspects = repeated(arrays[key])
        rows = len(arrays.pop(key))
        refused = _confirmed(client, dataset, key, suspects, threads)
        yield refused or Unique(key, rows, rows, True, 0.0)
    for key in sketched:
        yield _estimated(dataset, key, *sketches[key])


def _affordable(
    keys: Sequence[Key], rows: int, budget: int
) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
    """Return the first keys, whose hashes fit into the budget together, and the others."""
    count = sum(total <= budget for total in accumulate(rows * _HASH_BYTES for _ in keys))
    return tuple(keys[:count]), tuple(keys[count:])


def _seen(work: _Keys, partition: Partition) -> _Seen:
    """Hash the keys of one partition. Runs in a task."""
    columns = list(dict.fromkeys(name for key in (*work.exact, *work.sketched) for name in key))
    good = work.source.read(partition, columns).good
    hashes = tuple(key_hashes(known(good, key), key).to_numpy() for key in work.exact)
    sketched = (key_hashes(known(good, key), key) for key in work.sketched)
    sketches = tuple((found.len(), Distinct.of_hashes(found)) for found in sketched)
    return _Seen(probe(), hashes, sketches)


def _gathered(
    done: Iterator[Done[_Seen]], work: _Keys, rows: int
) -> tuple[dict[Key, Hashes], dict[Key, tuple[int, Distinct]]]:
    """Collect hashes in one array a key, made once; merge sketches."""
    arrays = {key: np.empty(rows, np.uint64) for key in work.exact}
    filled = dict.fromkeys(work.exact, 0)
    sketches = dict.fromkeys(work.sketched, (0, Distinct()))
    probes: set[int] = set()
    for one in done:
        probes.add(one.result.probe)
        for key, hashes in zip(work.exact, one.result.hashes, strict=True):
            arrays[key][filled[key] : filled[key] + len(hashes)] = hashes
            filled[key] += len(hashes)
        for key, (count, sketch) in zip(work.sketched, one.result.sketches, strict=True):
            before = sketches[key]
            sketches[key] = before[0] + count, before[1].merge(sketch)
    if len(probes) > 1:
        raise MillraceError(
            "Workers hash the same key differently.",
            hint="run the same version of Polars on all workers",
        )
    return {key: arrays[key][: filled[key]] for key in arrays}, sketches


def _estimated(dataset: Dataset, key: Key, rows: int, sketch: Distinct) -> Unique | ContractRefused:
    distinct, error = sketch.estimate(), sketch.error
    if distinct * (1 + _SIGMAS * error) < rows:
        about = "" if sketch.exact else f"about (an estimate, standard error {error:.1%}) "
        return _refusal(dataset, key, f"{about}{distinct:,.0f} different keys in {rows:,} rows")
    return Unique(key, rows, distinct, False, error)


def _confirmed(
    client: Client, dataset: Dataset, key: Key, suspects: Hashes, threads: int
) -> ContractRefused | None:
    """Look repeated hashes up in the data; return the refusal of a repeated key of good rows."""
    parts = dataset.partitions(list(key)) if len(suspects) else []
    for chunk in (suspects[:_FIRST], suspects[_FIRST:]):
        if not len(chunk):
            break
        work = _Suspects(dataset.source, key, chunk)
        done = over_partitions(client, _occurrences, work, parts, threads=threads)
        twice = _repeats([one.result for one in done], key)
        if twice.height:
            least = "at least " if len(chunk) < len(suspects) else ""
            rows = int((twice["rows"] - 1).sum())
            keys = "1 key occurs" if twice.height == 1 else f"{twice.height:,} keys occur"
            what = f"{least}{keys} more than once, {rows:,} rows too many"
            return _refusal(dataset, key, what, twice)
    return None


def _occurrences(work: _Suspects, partition: Partition) -> pl.DataFrame:
    """Count the rows of each suspected key in a partition. Runs in a task."""
    good = known(work.source.read(partition, list(work.key)).good, work.key)
    hashes = pl.Series(work.hashes)
    rows = good.filter(key_hashes(good, work.key).is_in(hashes.implode())).sort(ROW)
    where = positions(work.source.paths, partition, rows[ROW])
    text = pl.format("{}, row {}", "file", "row")
    return (
        rows.select(*work.key, pl.col(ROW).alias("__first"))
        .with_columns(where.select(text.alias("__where")))
        .group_by(work.key, maintain_order=True)
        .agg(pl.len().alias("__rows"), pl.first("__first"), pl.col("__where").head(_PLACES))
    )


def _repeats(found: Sequence[pl.DataFrame], key: Key) -> pl.DataFrame:
    """Return the keys with more than one row: ``key`` (text), ``rows`` and ``where``."""
    shown = [pl.concat_str(pl.lit(f"{name} = "), pl.col(name).cast(pl.String)) for name in key]
    return (
        pl.concat(found)
        .sort("__first")
        .group_by(key, maintain_order=True)
        .agg(pl.sum("__rows"), pl.col("__where").explode().head(_PLACES))
        .filter(pl.col("__rows") > 1)
        .select(
            pl.concat_str(shown, separator=", ").alias("key"),
            pl.col("__rows").cast(pl.Int64).alias("rows"),
            pl.col("__where").list.join(" and ").alias("where"),
        )
    )


def _refusal(
    dataset: Dataset, key: Key, what: str, twice: pl.DataFrame | None = None
) -> ContractRefused:
    examples = [] if twice is None else twice.head(_EXAMPLES).iter_rows()
    told = "".join(f"; {text}: {count:,} rows, {places}" for text, count, places in examples)
    return ContractRefused(
        f"the key ({', '.join(key)}) is not unique: {what}",
        where=f"data.{dataset.source.contract.name}.contract.unique{told}",
        hint="take the repeats out, leave them out with where, or name the whole key",
    )
