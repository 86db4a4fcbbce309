"""Write the tables that three of the job files read: `python shape.py [FOLDER]`.

From the data of ``MILLRACE_DATA``, which have a shape of their own: a ranking in libsvm text, with
the sizes of its queries in another file, and single sales of which each customer becomes a row.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

FEATURES = 300


def documents(folder: Path, part: str) -> pl.DataFrame:
    """Return the documents of ``rank.<part>``, a row each, in the order of the file.

    Args:
        folder: Where the libsvm text and its ``.query`` file are.
        part: ``train`` or ``test``.

    Returns:
        ``relevance`` (0 to 4), ``f1`` to ``f300`` (0 where the text names none), ``query`` (unique
        over both parts) and ``part``.
    """
    lines = (folder / f"rank.{part}").read_text(encoding="ascii").splitlines()
    values = np.zeros((len(lines), FEATURES))
    relevance = np.zeros(len(lines), np.int32)
    for row, line in enumerate(lines):
        label, *cells = line.split()
        relevance[row] = int(label)
        for cell in cells:
            column, value = cell.split(":")
            values[row, int(column) - 1] = float(value)
    sizes = np.loadtxt(folder / f"rank.{part}.query", dtype=int)
    names = [f"{part}-{number:04}" for number in range(len(sizes))]
    return pl.DataFrame(values, [f"f{n}" for n in range(1, FEATURES + 1)]).with_columns(
        relevance=relevance,
        query=pl.Series(np.repeat(names, sizes).tolist()),
        part=pl.lit(part),
    )


def sales(data: Path) -> pl.DataFrame:
    """Return the sales to known customers."""
    table = pl.read_parquet(data / "online_retail/online_retail.parquet")
    return table.filter(pl.col("CustomerID").is_not_null())


def customers(sold: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Return a row for each customer who bought before a time.

    Args:
        sold: What `sales` returns.
        until: Features look at what was before, ``returns`` at what was bought since.

    Returns:
        Eight features, ``returns`` (0 or 1), and ``part``: a fifth of the customers is ``test``.
    """
    before, since = pl.col("InvoiceDate") < until, pl.col("InvoiceDate") >= until
    back = sold.filter(since & (pl.col("Quantity") > 0))["CustomerID"].unique()
    spent = pl.col("Quantity") * pl.col("UnitPrice")
    table = (
        sold.filter(before)
        .group_by(customer=pl.col("CustomerID"))
        .agg(
            invoices=pl.col("InvoiceNo").n_unique(),
            cancelled=pl.col("InvoiceNo").str.starts_with("C").sum(),
            quantity=pl.col("Quantity").sum(),
            spent=spent.sum(),
            recency=(until - pl.col("InvoiceDate").max()).dt.total_days(),
            tenure=(until - pl.col("InvoiceDate").min()).dt.total_days(),
            items=pl.col("StockCode").n_unique(),
            country=pl.col("Country").sort().first(),
        )
    )
    fifth = pl.col("customer").cast(pl.Float64).cast(pl.Int64) % 5 == 0
    return table.sort("customer").with_columns(
        returns=pl.col("customer").is_in(back.implode()).cast(pl.Int32),
        part=pl.when(fifth).then(pl.lit("test")).otherwise(pl.lit("train")),
    )


def rfm(sold: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Return recency in days, frequency in invoices and money, not under 0, of each customer."""
    spent = pl.col("Quantity") * pl.col("UnitPrice")
    return (
        sold.group_by(customer=pl.col("CustomerID"))
        .agg(
            recency=(until - pl.col("InvoiceDate").max()).dt.total_days(),
            frequency=pl.col("InvoiceNo").n_unique(),
            money=spent.sum().clip(lower_bound=0),
        )
        .sort("customer")
    )


def shape(data: Path, folder: Path) -> None:
    """Write all tables as Parquet files.

    Args:
        data: The folder of the real records.
        folder: It is made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ranked = data / "lightgbm_lambdarank"
    both = pl.concat([documents(ranked, part) for part in ("train", "test")])
    both.write_parquet(folder / "lambdarank.parquet")
    sold = sales(data)
    customers(sold, datetime(2011, 9, 1)).write_parquet(folder / "customers.parquet")
    rfm(sold, datetime(2011, 12, 10)).write_parquet(folder / "rfm.parquet")


if __name__ == "__main__":
    shape(Path(os.environ["MILLRACE_DATA"]), Path(sys.argv[1] if sys.argv[1:] else "shaped"))
