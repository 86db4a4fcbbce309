"""The section ``[data.<name>.contract]``: what the rows of a table must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Flag, Number, Section, SomeColumns, Text

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

Decimal = Annotated[str, Field(pattern=r"^decimal\(\d+, *\d+\)$")]


class ColumnRule(Section):
    """What every value of one column must satisfy; a row that does not is set aside."""

    type: TypeName | Decimal | None = Field(
        None,
        description="Type of the column, also `decimal(digits, scale)`. Left out: the data's own.",
    )
    min: Number | Text | None = Field(
        None, description="Least allowed value, included; of a date or time as ISO 8601 text."
    )
    max: Number | Text | None = Field(
        None, description="Largest allowed value, included; of a date or time as ISO 8601 text."
    )
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
    pattern: Text | None = Field(
        None, description="Regular expression that the whole text must match (Rust's syntax)."
    )
    unique: Flag = Field(False, description="No value may occur twice in the whole data set.")
    required: Flag = Field(
        True,
        description="Every file must have the column; `false`: a file without it gives missing "
        "values.",
    )
    aliases: tuple[Text, ...] = Field(
        (), description="Other names that the column has in some files."
    )
    unit: Literal["ms", "us", "ns"] | None = Field(
        None, description="Unit of a `datetime`. Left out: microseconds."
    )
    tz: Text | None = Field(
        None, description='Time zone of a `datetime`, such as `"UTC"`. Left out: none.'
    )
    local: Text | None = Field(
        None, description="Time zone in which times that carry none are told."
    )
    format: Text | tuple[Text, ...] = Field(
        (),
        description="How a date or time is written, strptime-like: `%m/%d/%y %H:%M`; of several, "
        "the first that fits. Left out: ISO 8601.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.min, self.max
        if low is None or high is None:
            return self
        if isinstance(low, str) != isinstance(high, str):
            refuse([Problem(("min",), "is text where max is a number, or the other way round")])
        if low > high:  # type: ignore[operator]
            refuse([Problem(("min",), f"{low} is more than max = {high}")])
        return self


class ContractSpec(Section):
    """What rows must satisfy; every other key is a column with its rule."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ColumnRule]

    checks: tuple[Text, ...] = Field(
        (),
        description="Polars SQL expressions over several columns that must not be false, such as "
        '`"arrival >= departure"`.',
    )
    unique: tuple[SomeColumns, ...] = Field(
        (), description='Columns that together may not repeat, a list each: `[["id", "day"]]`.'
    )
    extra: Literal["ignore", "refuse"] = Field(
        "ignore", description="What to do with columns that have no rule here."
    )

    @property
    def columns(self) -> Mapping[str, ColumnRule]:
        """Rules by column."""
        return self.__pydantic_extra__ or {}
