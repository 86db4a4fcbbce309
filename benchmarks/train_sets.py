"""Sets of ``../shared/data`` as tables that millrace and LightGBM read alike.

Rows, features and splits are those of the data's own ``baselines_public.py``, whose figures are in
``baselines.json``; text columns are categories. A table is one Parquet file: features, ``y``,
``part`` (train, valid or test), ``row`` and for ranking ``q``; it is written outside the project.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

REPOSITORY = Path(__file__).resolve().parent.parent
OWN = ("y", "part", "row", "q")
KDD_CLASSES = (
    ("normal",),
    ("back", "land", "neptune", "pod", "smurf", "teardrop"),
    ("satan", "ipsweep", "nmap", "portsweep"),
    *(
        (
            *("guess_passwd", "ftp_write", "imap", "phf"),
            *("multihop", "warezmaster", "warezclient", "spy"),
        ),
    ),
    ("buffer_overflow", "loadmodule", "rootkit", "perl"),
)
ADULT_COLUMNS = [
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week"),
    *("native-country", "income"),
]
ADULT_NUMBERS = [
    *("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"),
]
FLIGHT_COLUMNS = (
    *("dayOfMonth", "dayOfWeek", "crsDepTime", "crsArrTime", "uniqueCarrier"),
    *("flightNum", "crsElapsedTime", "origin", "destination", "distance"),
)

Array = npt.NDArray[Any]


def folder() -> Path:
    """Return where the sets should be: ``MILLRACE_DATA``, else ``../shared/data``."""
    return (REPOSITORY / os.environ.get("MILLRACE_DATA", "../shared/data")).resolve()


@dataclass(frozen=True)
class Set:
    """A data set with a task.

    Attributes:
        task: As in the job file.
        read: Returns the table from the folder of all sets.
        classes: Of a multiclass task.
        params: Beside LightGBM's defaults.
        objective: LightGBM's, where it is not the task's own.
    """

    task: str
    read: Callable[[Path], pl.DataFrame]
    classes: int = 0
    params: Mapping[str, object] = field(default_factory=dict)
    objective: str | None = None

    @property
    def metric(self) -> str:
        """Return the metric that models of the task are held against."""
        return METRICS[self.task]


METRICS = {"binary": "AUC", "regression": "RMSE", "multiclass": "log loss", "ranking": "NDCG@10"}
HIGHER_IS_BETTER = ("AUC", "NDCG@10")


def features(frame: pl.DataFrame) -> list[str]:
    """Return the features of a table."""
    return [name for name in frame.columns if name not in OWN]


def categories(frame: pl.DataFrame) -> list[str]:
    """Return the features that are text."""
    return [name for name in features(frame) if frame.schema[name] == pl.String]


def with_valid(frame: pl.DataFrame, share: float = 0.2, seed: int = 3) -> pl.DataFrame:
    """Return a table in which a share of the training rows, drawn at random, are validation's."""
    drawn = np.random.default_rng(seed).random(frame.height) < share
    taken = pl.Series(drawn) & (pl.col("part") == "train")
    return frame.with_columns(part=pl.when(taken).then(pl.lit("valid")).otherwise(pl.col("part")))


def _fifths(frame: pl.DataFrame, y: pl.Expr, *drop: str) -> pl.DataFrame:
    """Return a table whose rows 0, 5, 10, ... are the test rows."""
    part = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("test")).otherwise(pl.lit("train"))
    return _numbered(frame.with_columns(y.alias("y"), part.alias("part")).drop(drop))


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))


def with_parts(train: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
    """Return a table of training and test rows."""
    frames = [
        frame.with_columns(pl.lit(part).alias("part"))
        for frame, part in ((train, "train"), (test, "test"))
    ]
    return _numbered(pl.concat(frames))


def adult(root: Path) -> pl.DataFrame:
    """Return who earns more than 50,000 a year; the given test file is the test part."""
    frame = with_parts(_people(root / "adult/adult.data", 0), _people(root / "adult/adult.test", 1))
    y = pl.col("income").str.starts_with(">50K").cast(pl.Int64).alias("y")
    return frame.with_columns(y).drop("income")


def _people(file: Path, skip: int) -> pl.DataFrame:
    frame = pl.read_csv(
        file, has_header=False, new_columns=ADULT_COLUMNS, skip_lines=skip, infer_schema=False
    )
    frame = frame.drop_nulls("income").with_columns(pl.all().str.strip_chars().replace("?", None))
    return frame.with_columns(pl.col(ADULT_NUMBERS).cast(pl.Int64))


def bike_sharing(root: Path) -> pl.DataFrame:
    """Return bicycles lent in an hour; the last four months are the test part."""
    frame = pl.read_csv(root / "bike_sharing/hour.csv", try_parse_dates=False)
    late = pl.col("dteday") >= "2012-09-01"
    part = pl.when(late).then(pl.lit("test")).otherwise(pl.lit("train")).alias("part")
    frame = frame.with_columns(part, pl.col("cnt").alias("y"))
    return _numbered(frame.drop("instant", "dteday", "casual", "registered", "cnt"))


def california_housing(root: Path) -> pl.DataFrame:
    """Return house values of districts."""
    frame = pl.read_csv(root / "california_housing/housing.csv")
    return _fifths(frame, pl.col("median_house_value"), "median_house_value")


def flights(root: Path) -> pl.DataFrame:
    """Return arrival delays in minutes; January trains, February tests."""

    def read(month: int) -> pl.DataFrame:
        files = f"{root}/flights2008/year=2008/month={month}/*.parquet"
        frame = pl.read_parquet(
            files, columns=[*FLIGHT_COLUMNS, "arrDelay"], hive_partitioning=False
        )
        frame = frame.filter(pl.col("arrDelay").is_not_null())
        return frame.with_columns(pl.col("flightNum").cast(pl.Int32))

    return with_parts(read(1), read(2)).rename({"arrDelay": "y"})


def late_flights(root: Path) -> pl.DataFrame:
    """Return whether flights came more than 15 minutes late."""
    return flights(root).with_columns((pl.col("y") > 15).cast(pl.Int64))


def kdd(root: Path) -> pl.DataFrame:
    """Return the kind of an attack on a network, 0 for none, of five."""
    frame = pl.read_parquet(root / "kddcup99_10pct/kddcup99_10pct.parquet")
    number = {word: n for n, words in enumerate(KDD_CLASSES) for word in words}
    y = pl.col("label").str.strip_suffix(".").replace_strict(number, return_dtype=pl.Int64)
    return _fifths(frame, y, "label")


def kdd_attacks(root: Path) -> pl.DataFrame:
    """Return whether a connection is an attack."""
    return kdd(root).with_columns((pl.col("y") > 0).cast(pl.Int64))


def lambdarank(root: Path) -> pl.DataFrame:
    """Return LightGBM's own ranking example: relevance 0 to 4 of documents, by query."""
    from sklearn.datasets import load_svmlight_file

    here = root / "lightgbm_lambdarank"
    found, seen, width = [], 0, 0
    for part in ("train", "test"):
        file = str(here / f"rank.{part}")
        x, y = load_svmlight_file(file, zero_based=False, n_features=width or None)
        width = x.shape[1]
        counts = np.loadtxt(here / f"rank.{part}.query", dtype=int)
        query = seen + np.repeat(np.arange(len(counts)), counts)
        seen += len(counts)
        frame = pl.DataFrame(x.toarray(), schema=[f"x{n}" for n in range(width)])
        found.append(frame.with_columns(y=pl.Series(y.astype(np.int64)), q=pl.Series(query)))
    return with_parts(found[0], found[1])


SETS: Mapping[str, Set] = {
    "adult": Set("binary", adult),
    "bike_sharing": Set("regression", bike_sharing),
    "california_housing": Set("regression", california_housing),
    "flights2008_clf": Set("binary", late_flights),
    "flights2008_reg": Set("regression", flights),
    "kddcup99_10pct_bin": Set("binary", kdd_attacks),
    "kddcup99_10pct_lr003": Set("multiclass", kdd, 5, {"learning_rate": 0.03}),
    "lightgbm_lambdarank": Set("ranking", lambdarank),
}
"""By the names of ``baselines.json``."""
