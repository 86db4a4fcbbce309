"""What members say of training rows as the features of the model that combines them.

No prediction is stored: each is made when its row is read, by members that have not seen the row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from distributed import Client

from engine.boosting.source import Rows
from engine.models import Learned
from engine.plan import Partition
from engine.reserved import ROW
from engine.split import VALID, uniform
from engine.tasks.execute import Done, in_order, over_partitions
from engine.training.crossing import Held
from engine.training.preparing import PARTS, Labelled, MatrixSource, matrix

_SEED = 0x57AC
"""Added to a seed, so that this sample and others draw different numbers."""

Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class MemberSource:
    """Reads a partition as what members say of its rows; a `engine.boosting.source.RowSource`.

    Of a training row those members are asked whose fold holds it out, with the features that were
    fitted under that fold; rows that no fold holds out are left out. Without folds (blending) the
    rows to train on are the validation rows, of which all members know nothing.

    Attributes:
        rows: Reads the rows that members learn from.
        names: Names of what members say.
        members: Members that were fitted on all training rows.
        held: Members of every fold; none: blending.
    """

    rows: MatrixSource
    names: tuple[str, ...]
    members: Learned
    held: tuple[Held, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what members say."""
        return self.names

    @property
    def categorical(self) -> tuple[int, ...]:
        """None."""
        return ()

    @property
    def vectors(self) -> frozenset[str]:
        """Those of the rows; what members say is no first score."""
        return self.rows.vectors - {"init"}

    def read(self, partition: Partition, part: str) -> Rows:
        """Return what members say of the rows to train on, or of the validation rows."""
        return self.numbered(partition, part)[0]

    def numbered(self, partition: Partition, part: str) -> tuple[Rows, Numbers]:
        """Return the same and the numbers of the rows in the data set."""
        if part == "train" and self.held:
            return self._out_of_fold(partition)
        labelled = self.rows.data.read(partition)
        chosen = labelled.parts == VALID
        if part == "valid" and not self.held:
            chosen[:] = False
        x = matrix(self.rows.pipeline, labelled.frame.filter(chosen))
        return self._told(labelled, chosen, self.members.predict(x), part == "train")

    def _out_of_fold(self, partition: Partition) -> tuple[Rows, Numbers]:
        data = replace(self.rows.data, split=self.held[0].fold)
        labelled = data.read(partition)
        said = np.empty((len(labelled.y), len(self.names)), np.float32)
        chosen = np.zeros(len(labelled.y), np.bool_)
        for held in self.held:
            here = held.fold.assign(labelled.frame, labelled.frame[ROW]) == VALID
            said[here] = held.model.predict(matrix(held.pipeline, labelled.frame.filter(here)))
            chosen |= here
        return self._told(labelled, chosen, said[chosen], True)

    def _told(
        self, labelled: Labelled, chosen: npt.NDArray[np.bool_], said: Any, training: bool
    ) -> tuple[Rows, Numbers]:
        y, vectors = labelled.y[chosen], labelled.vectors.of(chosen)
        weight = self.rows.weighted(vectors.weight, y, training)
        x = np.ascontiguousarray(said, np.float32)
        numbers = labelled.frame[ROW].to_numpy().astype(np.uint64)[chosen]
        return Rows(x, y, weight), numbers


@dataclass(frozen=True)
class Said:
    """A sample of what members say of the rows that the final model learns from.

    Attributes:
        x: Shape (rows, columns) float32.
        y: Labels, shape (rows,).
        weight: How much each row counts, shape (rows,).
        counts: Rows to train on and validation rows of each partition, by its index.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    counts: Mapping[int, Mapping[str, int]]

    @property
    def of(self) -> int:
        """Number of rows that the sample was drawn from."""
        return sum(one["train"] for one in self.counts.values())


def sampled(
    client: Client,
    source: MemberSource,
    partitions: Sequence[Partition],
    counts: Mapping[int, Mapping[str, int]],
    *,
    rows: int,
    seed: int,
    threads: int,
    progress: Callable[[Done[Any]], None],
) -> Said:
    """Draw a sample of what members say, by row number, in one pass.

    Args:
        client: An open Dask client.
        source: Reads what members say.
        partitions: All partitions.
        counts: Rows by part of each partition, by index, as members were trained.
        rows: Rows wanted.
        seed: Of the draws.
        threads: Threads of all workers together.
        progress: Called for every finished partition.
    """
    part = "train" if source.held else "valid"
    total = sum(one.get(part, 0) for one in counts.values())
    work = (source, min(1.0, rows / max(1, total)), seed)
    found, counted = [], {}
    done = over_partitions(client, _look, work, partitions, threads=threads)
    for one in in_order(done, partitions):
        progress(one)
        index = one.partition.index
        found.append(one.result[0])
        valid = counts[index].get("valid", 0) if source.held else 0
        counted[index] = {**dict.fromkeys(PARTS, 0), "train": one.result[1], "valid": valid}
    x, y = (np.concatenate([getattr(rows, name) for rows in found]) for name in ("x", "y"))
    weights = [np.ones(len(r.y)) if r.weight is None else r.weight for r in found]
    return Said(x, y.astype(np.float64), np.concatenate(weights).astype(np.float64), counted)


def _look(work: tuple[MemberSource, float, int], partition: Partition) -> tuple[Rows, int]:
    """Return the sampled rows of a partition, and how many there are. Runs inside a task."""
    source, share, seed = work
    rows, numbers = source.numbered(partition, "train")
    drawn = uniform(numbers, seed + _SEED) < share
    weight = None if rows.weight is None else rows.weight[drawn]
    return Rows(rows.x[drawn], rows.y[drawn], weight), len(rows.y)
