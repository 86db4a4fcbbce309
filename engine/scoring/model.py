"""What scoring asks of a model, of whatever kind it is."""

from __future__ import annotations

from typing import Protocol

import polars as pl


class Model(Protocol):
    """Predicts the rows of a partition.

    It goes to the workers pickled, and is used there by several threads at once.
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of the data that it reads, each once."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides what it predicts: a run with another digest is another."""

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Name and type of each column that it adds, in order; the same for all rows."""

    def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Predict.

        Args:
            rows: Good rows with the `inputs` at least; none are allowed.

        Returns:
            One value a row for each of `columns`, in that order, with those names and types. It
            does not depend on which rows stand beside which.

        Raises:
            MillraceError: The rows do not fit, or the model failed on them.
        """
