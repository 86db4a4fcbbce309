"""What a task gathers of the rows that it scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from engine.commit import Encoded
from engine.plan import Partition
from engine.reserved import ROW
from engine.scoring.statistics.sampling import places
from engine.scoring.statistics.state import State

FEATURES, PREDICTIONS = "features", "predictions"
"""The two groups of columns; a name in a state is ``features.wind``."""


@dataclass(frozen=True)
class Gathering:
    """How a scoring pass looks at its rows.

    Attributes:
        step: One of so many rows is sampled.
    """

    step: int

    def state(
        self,
        partition: Partition,
        rows: pl.DataFrame,
        inputs: Sequence[str],
        added: Sequence[pl.Series],
        rename: Mapping[str, str],
    ) -> Encoded:
        """Look at the rows of a partition.

        Args:
            partition: The partition.
            rows: Its good rows, with `ROW` and the inputs.
            inputs: Columns that the model reads.
            added: Columns that it has added, one value a row.
            rename: New names of added columns.

        Returns:
            The state as a file, to be staged with the part.
        """
        watched = [rows[name].alias(f"{FEATURES}.{name}") for name in inputs]
        said = (one.alias(f"{PREDICTIONS}.{rename.get(one.name, one.name)}") for one in added)
        numbers = rows[ROW].to_numpy().astype(np.int64, copy=False)
        drawn = places(numbers, partition.slices, self.step)
        content = State.of(pl.DataFrame([*watched, *said]), drawn).encode()
        return Encoded(len(drawn), memoryview(content), ".arrow")
