"""Where a section writes its rows, in which form, and over what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, Field, model_validator

from engine.commit import Output
from engine.commit.versions import key_of
from engine.encoding import Encoding
from engine.errors import SpecError
from engine.formats.database.postgres import Server
from engine.storage import Access
from engine.storage.places import placed
from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Columns, Flag, Integer, Location, Section, Text

_IF_EXISTS = (
    "What to do when something is there. `error`: refuse rows of another job. "
    "`overwrite`: replace what millrace wrote there, and nothing else. `append`: add the rows "
    "in a folder of their own, `run-<key>/`; no file that is there is touched. `version`: the "
    "same in `version-0001/` and so on, and `latest` leads to the newest."
)
_AGAIN = "In all of them the same job again finds its rows and does nothing."
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(KiB|MiB|GiB)")
_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _bytes(value: str) -> int:
    """Return a size such as ``256 MiB`` in bytes; raises `ValueError` on others."""
    match = _SIZE.fullmatch(value)
    if match is None or not (size := int(float(match[1]) * _UNITS[match[2]])):
        raise ValueError('should be a size such as "64 MiB" or "1.5 GiB"')
    return size


def _is_size(value: str) -> str:
    _bytes(value)
    return value


class OutputSpec(Section):
    """The place that rows are written to."""

    output: Location = Field(
        description="Folder for the rows, or a URL of one: `s3://`, `gs://`, `az://`, `abfs://`. A "
        "relative path starts at the folder of the job file."
    )
    if_exists: Literal["error", "append", "overwrite", "version"] = Field(
        "error",
        description=f"{_IF_EXISTS} {_AGAIN}",
    )
    storage: dict[str, Text] = Field(
        {},
        description="Options of the output's store, such as `endpoint` and `region`; a secret is "
        "given as `${secret:NAME}`, never as it is.",
    )

    @property
    def access(self) -> Access:
        """How the output's store is reached."""
        return Access(tuple(self.storage.items()))

    def output_of(self, key: str) -> Output:
        """Return where the files of a run are, and what happens when some are there.

        Args:
            key: What `engine.commit.run_key` returned for what the section is to write.
        """
        return Output(self.output, key, self.if_exists, self.access)

    def shown(self, run: str) -> Path | str:
        """Return where readers find the rows of a committed run, a path or a URL.

        Args:
            run: Its name, which begins with its key.
        """
        apart = self.if_exists in ("append", "version")
        found = self.output_of(key_of(run)).told if apart else self.output
        return found if "://" in found else Path(found)

    @model_validator(mode="after")
    def _check_output(self) -> Self:
        refuse(self._wrong_output())
        return self

    def _wrong_output(self) -> Iterator[Problem]:
        if "://" not in self.output or self.output.startswith("file://"):
            if self.storage:
                yield Problem(("storage",), "are options of a store; the output is a local folder")
            return
        try:
            kind = placed(self.output)[0].kind
        except SpecError as error:
            yield Problem(("output",), f"{error.what}; {error.hint}")
            return
        if kind == "https":
            yield Problem(("output",), "is a web server: use a path, s3, gs, abfs or az")
            return
        try:
            self.access.check(kind)
        except SpecError as error:
            yield Problem(("storage",), f"{error.what}; {error.hint}")


class DatabaseSpec(Section):
    """A PostgreSQL table that gets the rows, beside the files."""

    url: Text = Field(
        description="`postgresql://host:port/database`; user and password are options."
    )
    table: Text = Field(description="Table, with its schema: `public.predictions`.")
    options: dict[str, Text] = Field(
        {},
        description="Such as `user` and `sslmode`; a secret is given as `${secret:NAME}`, never as "
        "it is.",
    )
    if_exists: Literal["error", "append", "overwrite"] = Field(
        "error",
        description="What to do when the table is there: fail, add the rows, or replace the rows "
        "that millrace wrote there before (those with a `millrace_run`), and no others. A table "
        "that is not there is made. Rows of this very run are there once, however often it runs.",
    )

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        schema, dot, name = self.table.partition(".")
        if not dot or not schema or not name or "." in name:
            what = "should be schema and table: `public.predictions`"
            refuse([Problem(("table",), what)])
        try:
            self.server  # noqa: B018 - looked at as a whole
        except SpecError as error:
            refuse([Problem(("url",), f"{error.what}; {error.hint}")])
        return self

    @property
    def server(self) -> Server:
        """The database, and how it is reached."""
        return Server.of(self.url, Access(tuple(self.options.items())))


class FilesSpec(OutputSpec):
    """The files that rows are written to."""

    format: Literal["parquet", "csv", "csv.gz", "csv.zst", "delta"] = Field(
        "parquet",
        description="Format of the files; quarantined rows are Parquet always. `delta`: the output "
        "is a Delta Lake table, to which all rows are added in one transaction.",
    )
    partition_by: Columns = Field(
        (),
        description="Columns of the output that become folders, `month=2024-01/`, and leave the "
        "files: text, whole numbers, booleans or dates, at most 1,000 values in a part.",
    )
    rows_per_file: Integer | None = Field(
        None, ge=1, description="Most rows of a file. Left out: a file holds a part."
    )
    file_size: Annotated[Text, AfterValidator(_is_size)] | None = Field(
        None,
        description='About the largest size of a file, such as `"256 MiB"`: a larger part is cut '
        "evenly. Parts are never put together.",
    )
    formula_safe: Flag = Field(
        True,
        description="CSV: put a `'` in front of texts and column names that a spreadsheet would "
        "run as a formula.",
    )
    if_exists: Literal["error", "append", "overwrite", "version"] = Field(
        "error",
        description=f"{_IF_EXISTS} Of a Delta table: fail, add the rows, or replace all rows by a "
        f"new version of the table (the old one can be read until `VACUUM`). {_AGAIN}",
    )
    database: DatabaseSpec | None = Field(
        None, description="A PostgreSQL table that gets the rows too, in one transaction."
    )

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        refuse(self._wrong_files())
        return self

    def _wrong_files(self) -> Iterator[Problem]:
        text = self.format.startswith("csv")
        if not self.formula_safe and not text:
            yield Problem(("formula_safe",), "is an option of CSV")
        if self.rows_per_file is not None and self.file_size is not None:
            yield Problem(("file_size",), "does not go with `rows_per_file`: give one of them")
        if self.format == "delta" and self.if_exists == "version":
            what = 'is of files: a Delta table keeps its versions itself, with "overwrite"'
            yield Problem(("if_exists",), what)
        if self.format == "delta" and "://" in self.output:
            yield Problem(("output",), "should be a folder: Delta tables are written to disks only")
        if self.database is not None and (text or self.partition_by):
            what = "goes with Parquet files without `partition_by`: the table is loaded from them"
            yield Problem(("database",), what)
        for place, name in enumerate(self.partition_by):
            if quote(name, safe="") != name or name.startswith(("_", ".")):
                what = (
                    f"{name!r} is no name of a folder: only ASCII letters, digits, `-._` (inside)"
                )
                yield Problem(("partition_by", place), what)

    def output_of(self, key: str) -> Output:
        """Return where the files of a run are: those of a Delta table in a folder of their own."""
        if self.format != "delta":
            return super().output_of(key)
        return Output(f"{self.output}.parts/{key[:16]}", key, access=self.access)

    def shown(self, run: str) -> Path | str:
        """Return where readers find the rows: in the table, if there is one."""
        return Path(self.output) if self.format == "delta" else super().shown(run)

    def encoding(self, facts: Mapping[str, str]) -> Encoding:
        """Return how the rows are written.

        Args:
            facts: Key-value metadata of Parquet files.
        """
        return Encoding(
            self.format,
            self.partition_by,
            self.rows_per_file,
            None if self.file_size is None else _bytes(self.file_size),
            self.formula_safe,
            facts,
        )

    def in_files(self) -> dict[str, Any]:
        """Return what the bytes of the files depend on; plain JSON."""
        asked = self.to_dict()
        names = ("format", "partition_by", "rows_per_file", "file_size", "formula_safe")
        return {name: asked[name] for name in names}
