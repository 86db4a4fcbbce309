"""One partition becomes one part: what every pass that writes rows shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import polars as pl

from engine import process
from engine.commit import Encoded, PartRecord, Run, Staged
from engine.data.dataset import Dataset
from engine.data.source import Batch, Source
from engine.encoding import Encoding, encoded
from engine.ledger import Ledger
from engine.plan import Partition
from engine.rejected.quarantine import quarantined, refuse


def rejected_of(source: Source, partition: Partition, batch: Batch, fail: bool) -> pl.DataFrame:
    """Return the rows of a partition that go to quarantine; with ``fail`` refuse them."""
    if not batch.rejected.height:
        return batch.rejected  # nobody looks at the columns of no rows
    rejected = quarantined(source.files, source.format, partition, batch.rejected)
    if fail:
        refuse(rejected)
    return rejected


def stage(
    run: Run,
    source: Source,
    partition: Partition,
    batch: Batch,
    rejected: pl.DataFrame,
    table: pl.DataFrame,
    encoding: Encoding,
    crossed: int | None = None,
    statistics: Encoded | None = None,
) -> Staged:
    """Stage what was made of the good rows of a partition, and say where all its rows went.

    Args:
        run: The run.
        source: Where the rows are from.
        partition: Which of them.
        batch: What was read.
        rejected: Those that go to quarantine.
        table: What was made of the others.
        encoding: How it is written.
        crossed: Rows of an interval whose quantiles had to be put in order, if there is one.
        statistics: State of the rows, where statistics are gathered.
    """
    ledger = Ledger.of(source.paths, partition, batch)
    return run.stage(
        partition.index,
        encoding.files(table),
        [encoded(rejected.to_arrow())] if rejected.height else [],
        rows_in=batch.rows,
        filtered=batch.filtered,
        reasons=ledger.reasons,
        inputs=ledger.files,
        missing=batch.missing(source.contract.shares()),
        worker=process.name(),
        crossed=crossed,
        statistics=statistics,
    )


def gate(dataset: Dataset, parts: Iterable[PartRecord], max_bad: float | None) -> None:
    """Refuse to publish what the contract does not allow, or what does not add up.

    Args:
        dataset: The rows that were read.
        parts: Records of all parts.
        max_bad: Largest share of quarantined rows, if there is one.

    Raises:
        ContractRefused: A share is over its limit; the staged parts are kept.
        MillraceError: The rows of a file were not all read, or do not add up.
    """
    contract, ledger = dataset.source.contract, Ledger()
    missing: Counter[str] = Counter()
    for part in parts:
        missing.update(part.missing)
        ledger = ledger.merge(part.ledger)
    ledger.check(dataset.rows_by_file())
    if max_bad is not None:
        ledger.refuse_over(max_bad, f"data.{contract.name}.max_bad")
    contract.gate(missing, ledger.total.good)
