"""The sections ``[data.<name>]``: where the tables are and what their rows must satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from jobs.problems import Problem, refuse
from jobs.section import Columns, Location, Number, Section, Text

TypeName = Literal[
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "string",
    "category",
    "date",
    "datetime",
]


class ColumnRule(Section):
    """What every value of one column must satisfy; a row that does not is set aside."""

    type: TypeName | None = Field(None, description="Type of the column. Left out: the data's own.")
    min: Number | None = Field(None, description="Least allowed value, included.")
    max: Number | None = Field(None, description="Largest allowed value, included.")
    nulls: Number = Field(
        1.0,
        ge=0,
        le=1,
        description="Allowed share of missing values: 1 any, 0 none in any row, between: of all "
        "rows.",
    )
    values: tuple[str | Number, ...] | None = Field(
        None, min_length=1, description="Allowed values. Left out: any."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            refuse([Problem(("min",), f"{self.min:g} is more than max = {self.max:g}")])
        return self


class DataSpec(Section):
    """Tables at one location."""

    path: Location = Field(
        description="File, directory or glob. A relative path starts at the folder of the job "
        "file. `${NAME}` stands for an environment variable."
    )
    format: Literal["parquet", "csv"] | None = Field(
        None, description="Format of the files. Left out: by their ending."
    )
    time: Text | None = Field(None, description="Column that says when a row happened.")
    key: Columns = Field((), description="Columns that name a row; carried to the predictions.")
    where: Text | None = Field(
        None, description="Filter, a Polars SQL expression; rows that do not meet it are left out."
    )
    contract: dict[str, ColumnRule] = Field(
        {}, description="Rules by column; a row that breaks one is quarantined with the reason."
    )


def overlap(output: str, name: str, data: DataSpec) -> Iterator[Problem]:
    """Yield a problem when an output folder lies where the data are read from.

    Args:
        output: The output folder.
        name: Name of the data.
        data: The data.
    """
    fixed = data.path.split("*")[0].rpartition("/")[0] if "*" in data.path else data.path
    folder = fixed.rstrip("/") + "/"
    deep = "*" not in data.path or "**" in data.path
    inside = (output.rstrip("/") + "/").startswith(folder) if deep else False
    if inside or output.rstrip("/") + "/" == folder:
        yield Problem(("output",), f"lies in the folder that data.{name} is read from")
