"""The sections ``[data.<name>]``: where the tables are and how they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from jobs.spec.contract import ContractSpec
from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Columns, Flag, Integer, Location, Section, Share, SomeColumns, Text

FormatName = Literal["parquet", "csv", "ndjson", "ipc", "delta", "iceberg", "sql"]


class CsvOptions(Section):
    """How text tables are written."""

    delimiter: Text | None = Field(None, description="Left out: found from the first lines.")
    quote: str = Field('"', description='Quote character; `""`: quotes mean nothing.')
    encoding: Text | None = Field(
        None, description="Such as `latin-1`. Left out: UTF-8, or what a byte order mark says."
    )
    header: Flag | SomeColumns = Field(
        True,
        description="`true`: the first line holds the column names; `false`: they are `column_1` "
        "and so on; or the names.",
    )
    skip_rows: Integer = Field(0, ge=0, description="Lines to skip at the start of each file.")
    comment: Text | None = Field(None, description="Lines that start so are not rows.")
    nulls: tuple[str, ...] = Field(
        (), description="Texts that stand for a missing value. Left out: the usual ones."
    )
    strip: Flag = Field(False, description="Take blanks around values away.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark.")


class NdJsonOptions(Section):
    """How lines of JSON are written."""

    encoding: Text | None = Field(
        None, description="Left out: UTF-8, or what a byte order mark says."
    )


class DeltaOptions(Section):
    """Which state of a Delta table is read."""

    version: Integer | None = Field(None, ge=0, description="Left out: the newest.")
    timestamp: Text | None = Field(None, description="The state at this time, ISO 8601.")


class IcebergOptions(Section):
    """Which state of an Iceberg table is read."""

    snapshot: Integer | None = Field(None, description="Snapshot id. Left out: the current one.")
    ref: Text | None = Field(None, description="Name of a branch or tag.")
    catalog: dict[str, Text] | None = Field(
        None,
        description="Properties of the catalog (`type`, `uri`, ...); the path is then the table's "
        "name in it. Secrets as `${secret:NAME}`.",
    )


class SqlOptions(Section):
    """Which rows of a database are read, and how they are cut."""

    table: Text | None = Field(None, description="Table, with its schema: `public.flights`.")
    query: Text | None = Field(None, description="A SELECT instead of a table.")
    partition: Text | None = Field(
        None, description="Integer, date or time column by whose ranges the rows are cut."
    )


class DataSpec(Section):
    """Tables at one location."""

    path: Location = Field(
        description="File, directory, glob or URL (`s3://`, `gs://`, `abfs://`, `https://`, "
        "`postgresql://`). A relative path starts at the folder of the job file. `${NAME}` stands "
        "for an environment variable."
    )
    format: FormatName | None = Field(
        None, description="Format of the data. Left out: by the location."
    )
    csv: CsvOptions | None = Field(None, description="Options of CSV files.")
    ndjson: NdJsonOptions | None = Field(None, description="Options of JSON lines.")
    delta: DeltaOptions | None = Field(None, description="Options of a Delta table.")
    iceberg: IcebergOptions | None = Field(None, description="Options of an Iceberg table.")
    sql: SqlOptions | None = Field(None, description="Options of a database table.")
    storage: dict[str, Text] = Field(
        {},
        description="Options of the store, such as `endpoint` and `region`; a secret is given as "
        "`${secret:NAME}`, never as it is.",
    )
    time: Text | None = Field(None, description="Column that says when a row happened.")
    key: Columns = Field((), description="Columns that name a row; carried to the predictions.")
    where: Text | None = Field(
        None, description="Filter, a Polars SQL expression; rows that do not meet it are left out."
    )
    contract: ContractSpec = Field(
        ContractSpec(), description="What rows must satisfy; one that does not is set aside."
    )
    on_bad_rows: Literal["quarantine", "fail"] = Field(
        "quarantine",
        description="What to do with rows that break the contract: keep them apart with the "
        "reason, or fail.",
    )
    max_bad: Share | None = Field(
        None, description="Largest share of rows in quarantine; above it the job fails."
    )

    @property
    def format_name(self) -> FormatName | None:
        """The format, as named or as its options say; None to go by the location."""
        return self.format or next(iter(self._given()), None)

    @property
    def format_options(self) -> Mapping[str, Any]:
        """Options of the format."""
        return next(iter(self._given().values()), {})

    def _given(self) -> dict[FormatName, dict[str, Any]]:
        sections: dict[FormatName, Section | None] = {
            "csv": self.csv,
            "ndjson": self.ndjson,
            "delta": self.delta,
            "iceberg": self.iceberg,
            "sql": self.sql,
        }
        return {
            name: options.model_dump(exclude_unset=True)
            for name, options in sections.items()
            if options is not None
        }

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = self._given()
        refuse(
            Problem((name,), f"are options of a format that this is not: {self.format_name}")
            for name in given
            if name != self.format_name
        )
        return self


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
