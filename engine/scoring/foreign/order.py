"""What the child that holds a model is told."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from engine.scoring.foreign.limits import Limits
from engine.scoring.foreign.loader import Loader


@dataclass(frozen=True)
class Order:
    """What a child is told first.

    Attributes:
        loader: The model.
        inputs: Columns of the batches, in order.
        columns: Name and type of each column that it makes.
        missing: ``keep`` lets null and NaN pass.
        limits: What it may use.
    """

    loader: Loader
    inputs: tuple[str, ...]
    columns: dict[str, pl.DataType]
    missing: str
    limits: Limits
