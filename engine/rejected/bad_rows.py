"""What a pass does with rows that break the contract: keep them apart, or stop."""

from __future__ import annotations

from dataclasses import dataclass

from engine.data.source import Batch, Source
from engine.ledger import Ledger
from engine.place.kept import Kept
from engine.plan import Partition
from engine.rejected.quarantine import quarantined, refuse, write


@dataclass(frozen=True)
class BadRows:
    """The rule for a data set.

    Attributes:
        folder: Where they are kept; every worker must see it.
        fail: One of them ends the job.
        most: Largest share of them that is allowed; ``None``: any.
    """

    folder: Kept
    fail: bool = False
    most: float | None = None

    def keep(self, source: Source, partition: Partition, batch: Batch) -> None:
        """Write the rejected rows of a partition, in a task.

        Raises:
            ContractRefused: There is one, and one ends the job.
        """
        if not batch.rejected.height:
            return
        table = quarantined(source.files, source.format, partition, batch.rejected)
        if self.fail:
            refuse(table)
        write(table, self.folder.below(f"part-{partition.index:05d}.parquet"))

    def gate(self, ledger: Ledger, name: str) -> None:
        """Refuse the data when too many rows are bad.

        Args:
            ledger: Of all rows.
            name: Name of the data.

        Raises:
            ContractRefused: Their share is over the limit.
        """
        if self.most is not None:
            ledger.refuse_over(self.most, f"data.{name}.max_bad")
