"""A data set of millrace: files that are read partition by partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.data.dataset import Dataset
from engine.data.source import Source
from engine.errors import ContractRefused
from engine.estimator.columns import Categorical, Columns
from engine.estimator.given import Given
from engine.estimator.lazy import columns_of
from engine.estimator.refusal import Unfit
from engine.estimator.spool import Order, Spooled, spool
from engine.estimator.tasks import here, on_dask
from engine.plan import Partition


@dataclass(frozen=True)
class Stored:
    """Rows of a data set.

    Attributes:
        columns: The features.
        dataset: The data set.
        named: Columns that vectors are in.
    """

    columns: Columns
    dataset: Dataset
    named: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls, given: Given, categorical: Categorical, columns: Columns | None, owner: str
    ) -> Stored:
        """Take a data set; nothing is read.

        Args:
            given: The rows; vectors are columns of them.
            categorical: Which features are categories.
            columns: The features, where they are known.
            owner: The estimator's name.

        Raises:
            Unfit: A vector is no column.
        """
        named = given.named
        asked = (*given.needed, *given.vectors)
        if odd := [name for name in asked if name not in named or name == "group"]:
            hint = 'name the column of the data set: y="label"; queries with qid'
            raise Unfit(f"{owner} requires {odd[0]} as a column of the data set", hint=hint)
        taken = given.taken
        given.x.require(taken, owner)
        types = {name: kind for name, kind in given.x.schema.items() if name not in taken}
        if columns is None:
            columns = Columns.of_frame(types, categorical)
        columns.assert_in(types, owner)
        return cls(columns, given.x, named)

    def spooled(self, order: Order, client: Any, workers: int) -> list[Spooled]:
        """Write the rows of each partition: in tasks with a client, else in this process.

        Raises:
            ContractRefused: A row breaks the contract of the data set.
        """
        taken = [name for names in self.named.values() for name in names]
        read = list(dict.fromkeys([*self.columns.names, *taken]))
        partitions = self.dataset.partitions(read)
        shared = (order, self.dataset.source, read, self.named)
        run = here if client is None else on_dask
        return run(_spooled, shared, ((partition,) for partition in partitions), client)


def _spooled(
    shared: tuple[Order, Source, Sequence[str], Mapping[str, Sequence[str]]], partition: Partition
) -> Spooled:
    order, source, read, named = shared
    batch = source.read(partition, read)
    if batch.rejected.height:
        raise ContractRefused(
            f"{batch.rejected.height:,} rows break the contract",
            where=f"partition {partition.index} of data.{source.contract.name}",
            hint="train with a job, which keeps them apart, or leave them out with where=",
        )
    return spool(order, partition.index, batch.good, columns_of(batch.good, named))
