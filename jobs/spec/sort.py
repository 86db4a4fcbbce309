"""The section ``[sort]``: rows written in the order of their keys and times."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from jobs.spec.output import OutputSpec
from jobs.spec.section import SomeColumns, Text


class SortSpec(OutputSpec):
    """Write the good rows of some data as Parquet, sorted: steps that look at earlier rows need it.

    Ascending, missing values first, text by its bytes; rows that are equal in all columns of `by`
    keep their order. Beside the output (of a store's: in the run folder) lies a second copy of the
    rows while they are sorted.
    """

    data: Text = Field(description="Name of the data: the `x` of `[data.x]`.")
    by: SomeColumns = Field(
        description="Columns to sort by, the most important first: the keys, then the time."
    )
    on_bad_rows: Literal["quarantine", "fail"] | None = Field(
        None,
        description="What to do with rows that break the contract. Left out: what the section of "
        "the data says.",
    )
