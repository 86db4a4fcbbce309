"""A model that is not LightGBM's, in a process beside the worker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import polars as pl

from engine.errors import ModelError, ModelFailed, SpecError
from engine.schema import type_name
from engine.scoring.foreign.child import Child, ChildFailed
from engine.scoring.foreign.limits import Limits
from engine.scoring.foreign.loader import Loader
from engine.scoring.foreign.order import Order
from engine.scoring.foreign.pool import POOL


@dataclass(frozen=True)
class Isolated:
    """A model of any kind behind a process of its own; a `engine.scoring.model.Model`.

    A crash, a hang or too much memory ends that process, and the partition with an error. The next
    partition gets a new one.

    Attributes:
        loader: The model.
        inputs: Columns that it reads, in the order in which it gets them.
        columns: Name and type of each column that it makes.
        limits: What its process may use.
        missing: ``fail`` or ``keep``: whether null and NaN among its values are an error.
        identity: What it was loaded from on the machine that opened it (`opened`).
        place: Its part of the job file; empty: that of the only model of its kind.
        company: Names the models that are asked in turn with it, whose processes are kept while it
            is asked; empty: it is alone.
    """

    loader: Loader
    inputs: tuple[str, ...]
    columns: dict[str, pl.DataType]
    limits: Limits = field(default_factory=Limits)
    missing: str = "fail"
    identity: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    company: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of files, versions, columns, batch size and threads; other limits do not matter.

        The batch size counts because a model may look at the batch as a whole, threads because sums
        of several may round in another way.
        """
        return hashlib.sha256(self._decides.encode()).hexdigest()

    def opened(self) -> Isolated:
        """Load the model once, here, and remember what it was loaded from.

        Raises:
            SpecError: It cannot be loaded.
        """
        try:
            child = Child(self._order)
        except ChildFailed as error:
            what = f"{self.loader.title} {error.what}"
            raise SpecError(what, where=self._place, hint=error.hint) from None
        child.close()
        return replace(self, identity=dict(child.identity))

    def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Predict batch by batch, cut from the first row on.

        Raises:
            ModelFailed: It failed on a batch; its process is gone.
            ModelError: It cannot be used on this worker, or is another one here.
        """
        if not rows.height:
            return [pl.Series(name, [], kind) for name, kind in self.columns.items()]
        wanted, made = rows.select(self.inputs), []
        try:
            key = f"{self.digest} {self.limits}"
            with POOL.lent(key, self._started, self.company or key) as child:
                for first in range(0, rows.height, self.limits.batch):
                    batch = wanted.slice(first, self.limits.batch)
                    made.append(self._predicted(child, batch, first))
        except ChildFailed as error:  # it did not load
            if error.refused:  # nor would it for any other partition
                what = f"{self.loader.title} {error.what}"
                raise ModelError(what, where=self._place, hint=error.hint) from None
            raise self._failed(error, "while it was loaded") from None
        return pl.concat(made, rechunk=True).get_columns()

    def _predicted(self, child: Child, batch: pl.DataFrame, first: int) -> pl.DataFrame:
        place = f"good rows {first + 1:,} to {first + batch.height:,} of the partition"
        try:
            columns = child.predict(batch)
        except ChildFailed as error:
            raise self._failed(error, place) from None
        # The child has looked already; memory that native code has overwritten may say anything.
        if dict(columns.schema) != self.columns or columns.height != batch.height:
            raise self._failed(ChildFailed("sent other columns than it had checked"), place)
        return columns

    def _started(self) -> Child:
        child = Child(self._order)
        if self.identity and dict(child.identity) != dict(self.identity):
            child.close()
            raise ChildFailed(
                f"is another one here: {_difference(self.identity, child.identity)}",
                "have the same files and versions on all machines, and leave them while a job runs",
                refused=True,
            )
        return child

    def _failed(self, error: ChildFailed, place: str) -> ModelFailed:
        return ModelFailed(f"{self.loader.title} {error.what}", where=place, hint=error.hint)

    @property
    def _place(self) -> str:
        return self.place or self.loader.section

    @property
    def _order(self) -> Order:
        return Order(self.loader, self.inputs, self.columns, self.missing, self.limits)

    @property
    def _decides(self) -> str:
        decides = {
            "kind": self.loader.section,
            "options": self.loader.options(),
            "identity": dict(self.identity),
            "inputs": self.inputs,
            "columns": [[name, type_name(kind)] for name, kind in self.columns.items()],
            "batch": self.limits.batch,
            "threads": self.limits.threads,
            "missing": self.missing,
        }
        return json.dumps(decides, sort_keys=True)


def _difference(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    names = sorted(wanted.keys() | found.keys())
    other = [name for name in names if wanted.get(name) != found.get(name)]
    return ", ".join(f"{n} {found.get(n, 'none')}, not {wanted.get(n, 'none')}" for n in other)
