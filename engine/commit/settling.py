"""The ledger is checked before anything is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from engine.commit.manifest import Manifest, PartRecord
from engine.commit.staging import imbalance
from engine.errors import MillraceError
from engine.ledger import Ledger


def settle(run: str, planned: Sequence[int], done: Mapping[int, PartRecord]) -> Manifest:
    """Check the ledger: every planned row is in exactly one place.

    Args:
        run: Name of the run.
        planned: Rows to read, per part.
        done: The part records, by index.

    Raises:
        MillraceError: Parts are missing, or the rows of one do not add up.
    """
    missing = [part for part in range(len(planned)) if part not in done]
    if missing:
        what = f"{len(missing)} of {len(planned)} parts are missing, the first is {missing[0]}."
        raise MillraceError(what, where=f"run {run}", hint="run again: the others are kept")
    records = [done[part] for part in range(len(planned))]
    for record, rows in zip(records, planned, strict=True):
        if record.rows_in != rows:
            what = f"Part {record.part} read {record.rows_in} rows; {rows} were planned."
            raise MillraceError(what, where=f"run {run}", hint="has the input changed?")
        if record.lost:
            raise MillraceError(imbalance(record), where=f"run {run}")
    ledger = reduce(Ledger.merge, (record.ledger for record in records), Ledger())
    return Manifest(
        run=run,
        rows_in=sum(planned),
        scored=sum(record.scored for record in records),
        quarantined=sum(record.quarantined for record in records),
        filtered=sum(record.filtered for record in records),
        inputs=ledger.files,
        reasons=dict(ledger.reasons),
        unread=dict(ledger.unread),
        parts=tuple(records),
    )
