"""A table as CSV that a spreadsheet can open without harm: RFC 4180, UTF-8, one header.

Missing values are empty, empty texts are ``""``; numbers are written so that reading gives the same
bits; times are ISO 8601, in UTC where they have a zone. A text that a spreadsheet would run as a
formula gets a ``'`` in front (OWASP, "CSV Injection").
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import polars as pl
import pyarrow as pa

from engine.commit.staging import Encoded
from engine.errors import SpecError

PACKED: Mapping[str, str | None] = {"csv": None, "csv.gz": "gzip", "csv.zst": "zstd"}
"""Compression by format; the format is the suffix too."""

_ROWS = 2**17
"""Rows that are turned into text together: compressed formats hold no more of it at a time."""

_FORMULA = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
"""What a formula begins with: OWASP's list, the full-width forms of Japanese input with it."""

_TIME = {"ms": "%Y-%m-%dT%H:%M:%S%.3fZ", "us": "%Y-%m-%dT%H:%M:%S%.6fZ"}
_NANOSECONDS = "%Y-%m-%dT%H:%M:%S%.9fZ"


def encoded(table: pl.DataFrame, form: str, formula_safe: bool) -> Encoded:
    """Return the CSV file of a table, to be staged.

    Args:
        table: Any number of rows.
        form: A key of `PACKED`.
        formula_safe: Whether texts and names that begin like a formula are made harmless.

    Raises:
        SpecError: A column has no text form.
    """
    refuse_columns(table.schema)
    plain = table.select(_told(name, kind, formula_safe) for name, kind in table.schema.items())
    if formula_safe:
        plain = plain.rename(harmless(table.columns))
    quotes: Literal["always", "necessary"] = "always" if _blank(plain) else "necessary"
    sink = pa.BufferOutputStream()
    with _packed(sink, PACKED[form]) as write:
        for first in range(0, max(1, plain.height), _ROWS):
            text = io.BytesIO()
            plain[first : first + _ROWS].write_csv(
                text, include_header=not first, line_terminator="\r\n", quote_style=quotes
            )
            write(text.getbuffer())
    return Encoded(table.height, memoryview(sink.getvalue()), f".{form}")


@contextmanager
def _packed(sink: pa.NativeFile, packing: str | None) -> Iterator[Callable[[memoryview], object]]:
    """Give a function that writes to the sink, compressed in the libraries' usual levels.

    Polars' own compression shows where its chunks end; pyarrow's gzip takes level 9, which needs
    twice the time of level 6 for random floats (measured).
    """
    if packing == "gzip":
        packer = zlib.compressobj(6, wbits=31)  # 31: with gzip's header, which has no time then
        yield lambda text: sink.write(packer.compress(text))
        sink.write(packer.flush())
    elif packing == "zstd":
        stream = pa.CompressedOutputStream(sink, packing)
        yield stream.write
        stream.close()
    else:
        yield sink.write


def refuse_columns(schema: Mapping[str, pl.DataType]) -> None:
    """Refuse what CSV cannot hold.

    Raises:
        SpecError: A column is nested, binary or a span of time.
    """
    for name, kind in schema.items():
        if kind.is_nested() or kind.base_type() in (pl.Binary, pl.Duration, pl.Object):
            raise SpecError(
                f"CSV cannot hold column {name!r}, which is {kind}",
                where="format",
                hint="leave the column out, or write Parquet",
            )


def harmless(names: list[str]) -> dict[str, str]:
    """Return the names of columns as they stand in the header, by name."""
    series = pl.Series(names, dtype=pl.String)
    marked = pl.select(_marked(pl.lit(series))).to_series().to_list()
    return dict(zip(names, marked, strict=True))


def _told(name: str, kind: pl.DataType, formula_safe: bool) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        pattern = _TIME.get(kind.time_unit, _NANOSECONDS)
        return column.dt.convert_time_zone("UTC").dt.to_string(pattern)
    if kind.base_type() in (pl.String, pl.Categorical, pl.Enum):
        text = column.cast(pl.String)
        return _marked(text).alias(name) if formula_safe else text
    return column


def _marked(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(_FORMULA)).then(pl.lit("'") + text).otherwise(text)


def _blank(table: pl.DataFrame) -> bool:
    """Tell whether a row would be an empty line, which readers skip, if not all was quoted."""
    return table.width == 1 and table.to_series().null_count() > 0
