"""The section ``[prepare]``: features written as data, for any tool to train on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from jobs.spec.output import FilesSpec
from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Columns, Integer, Location, Text, has_version
from jobs.spec.split import SplitSpec

SPLIT = "split"
"""Name of the column that tells the part of each row."""


class PrepareSpec(FilesSpec):
    """Write the features of every row as files, so that another tool can train on them.

    The pipeline is learned on the training rows, or taken as it was learned before.
    """

    data: Text = Field(description="Name of the data: the `x` of `[data.x]`.")
    pipeline: Location | None = Field(
        None,
        description="Path under which the fitted pipeline is kept, a new version each time. Left "
        "out: it is kept in the run folder alone.",
    )
    fitted: Annotated[Location, AfterValidator(has_version)] | None = Field(
        None,
        description="Take a pipeline that was fitted before: `pipelines/x@latest` or "
        "`pipelines/x@3`; nothing is learned then, and `[features]` is left out.",
    )
    target: Text | None = Field(
        None,
        description="Expression of the label, which is written too. Steps that learn from the "
        "label need it.",
    )
    label: Text = Field("target", description="Name of the label's column in the output.")
    split: SplitSpec | None = Field(
        None,
        description=f"Which rows train, validate and test; written as the column `{SPLIT}`. "
        "Statistics are of the training rows alone. Left out: all rows train.",
    )
    columns: Columns = Field(
        (),
        description="Columns of the data that are passed through, after the key and in front of "
        "the features.",
    )
    seed: Integer = Field(42, ge=0, description="Gives the rows to the folds of an encoding.")
    on_bad_rows: Literal["quarantine", "fail"] | None = Field(
        None,
        description="What to do with rows that break the contract. Left out: what the section of "
        "the data says.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse(self._taken())
        return self

    def _taken(self) -> Iterator[Problem]:
        if self.fitted is None:
            return
        for name in ("target", "split", "pipeline"):
            if getattr(self, name) is not None:
                yield Problem((name,), "does not go with `fitted`: nothing is learned then")
