"""Real sets for `estimators`, each with the column that says which rows are held out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
from estimators import PART, TEST, TRAIN

ADULT = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital", "occupation"),
    *("relationship", "race", "sex", "capital_gain", "capital_loss", "hours", "country", "income"),
)

ADULT_TEXT = (
    *("workclass", "education", "marital", "occupation", "relationship", "race", "sex", "country"),
)

ADULT_NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours")

ADULT_STEPS = [
    {"impute": list(ADULT_TEXT), "with": "constant", "value": "none"},
    {"encode": list(ADULT_TEXT), "with": "onehot"},
    {"scale": list(ADULT_NUMBERS), "with": "standard"},
]


def held_out(rows: pl.Expr) -> pl.Expr:
    """Return the column `PART`: test where the expression is true."""
    return pl.when(rows).then(pl.lit(TEST)).otherwise(pl.lit(TRAIN)).alias(PART)


def adult(folder: Path) -> pl.DataFrame:
    """Return the census of incomes; ``rich`` is the label (0, 1)."""
    return pl.concat(
        pl.read_csv(
            folder / "adult" / file,
            has_header=False,
            new_columns=list(ADULT),
            skip_rows=skip,
            infer_schema=False,
        )
        .with_columns(pl.all().str.strip_chars())
        .filter(pl.col("income").is_not_null())
        .with_columns(pl.lit(part).alias(PART))
        for file, skip, part in (("adult.data", 0, TRAIN), ("adult.test", 1, TEST))
    ).select(
        pl.col(ADULT_NUMBERS).cast(pl.Float32),
        pl.col(ADULT_TEXT).replace("?", None),
        pl.col("income").str.starts_with(">50K").cast(pl.Int8).alias("rich"),
        PART,
    )


def bikes(folder: Path) -> pl.DataFrame:
    """Return hours of hired bikes; ``cnt`` is the label, the last four months are test rows."""
    rows = pl.read_csv(folder / "bike_sharing" / "hour.csv", try_parse_dates=True)
    late = held_out(pl.col("dteday") >= datetime(2012, 9, 1).date())
    return rows.with_columns(late).drop("instant", "dteday", "casual", "registered")


def houses(folder: Path) -> pl.DataFrame:
    """Return blocks of houses in California; ``median_house_value`` is the label."""
    rows = pl.read_csv(folder / "california_housing" / "housing.csv")
    return rows.with_columns(held_out(pl.int_range(pl.len()) % 5 == 0))


def customers(folder: Path) -> pl.DataFrame:
    """Return recency, frequency and spending of customers, logarithms; all rows train."""
    sold = pl.read_parquet(folder / "online_retail" / "online_retail.parquet")
    spent = (pl.col("Quantity") * pl.col("UnitPrice")).sum()
    quiet = (datetime(2011, 12, 10) - pl.col("InvoiceDate").max()).dt.total_days()
    by = sold.filter(pl.col("CustomerID").is_not_null()).group_by("CustomerID")
    made = by.agg(recency=quiet, frequency=pl.col("InvoiceNo").n_unique(), spending=spent)
    numbers = made.sort("CustomerID").select(
        pl.col("recency", "frequency").cast(pl.Float64).log1p(),
        pl.col("spending").clip(0).log1p(),
    )
    return numbers.with_columns(pl.lit(TRAIN).alias(PART))


def digits(_: Path) -> pl.DataFrame:
    """Return scikit-learn's images of digits, 8 x 8; every fifth row is a test row."""
    from sklearn.datasets import load_digits

    found = load_digits()
    names = [f"p{place:02}" for place in range(found.data.shape[1])]
    rows = pl.DataFrame(found.data, schema=names).with_columns(digit=pl.Series(found.target))
    return rows.with_columns(held_out(pl.int_range(pl.len()) % 5 == 0))


def all_digits(folder: Path) -> pl.DataFrame:
    """Return the images of digits; all rows train."""
    return digits(folder).with_columns(pl.lit(TRAIN).alias(PART))


def people(folder: Path) -> pl.DataFrame:
    """Return the census of incomes; all rows train."""
    return adult(folder).with_columns(pl.lit(TRAIN).alias(PART))


def few_houses(folder: Path) -> pl.DataFrame:
    """Return every fourth block of houses in California: for estimators that hold a kernel."""
    return houses(folder).gather_every(4)


def tumours(_: Path) -> pl.DataFrame:
    """Return scikit-learn's breast cancers; ``benign`` is the label, every third row is tested."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    names = [name.replace(" ", "_") for name in found.feature_names]
    rows = pl.DataFrame(found.data, schema=names).with_columns(benign=pl.Series(found.target))
    return rows.with_columns(held_out(pl.int_range(pl.len()) % 3 == 0))


def connections(folder: Path) -> pl.DataFrame:
    """Return numbers of network connections, some 10,000 normal ones and 200 attacks.

    ``attack`` is the label, every second row is a test row.
    """
    rows = pl.read_parquet(folder / "kddcup99_10pct" / "kddcup99_10pct.parquet")
    attack = pl.col("label") != "normal."
    numbers = [name for name, kind in rows.schema.items() if kind.is_numeric()]
    chosen = pl.concat(
        [rows.filter(~attack).gather_every(10), rows.filter(attack).gather_every(2000)]
    )
    made = chosen.select(*numbers, attack.cast(pl.Int8).alias("attack"))
    varied = [name for name in made.columns if made[name].n_unique() > 1]
    return made.select(varied).with_columns(held_out(pl.int_range(pl.len()) % 2 == 0))
