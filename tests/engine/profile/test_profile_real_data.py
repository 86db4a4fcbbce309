"""Profiles of real records: each figure is that of Polars on the whole table, or within its bound.

Nothing of the profile is used to compute what is expected.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.data.dataset import Dataset
from engine.formats.text.csv import Csv
from engine.place.kept import Kept
from engine.profile.request import Target
from engine.profiling import ProfileWork, look, merged, request_for
from engine.rejected.bad_rows import BadRows
from engine.reserved import ROW
from engine.statistics.top import SHOWN

TABLES = {
    "flights2008": ("flights2008", "arrDelay > 15"),
    "online_retail": ("online_retail/online_retail.parquet", "starts_with(InvoiceNo, 'C')"),
    "kddcup99": ("kddcup99_10pct", "label"),
    "california_housing": ("california_housing/housing.csv", "median_house_value"),
    "bike_sharing": ("bike_sharing/hour.csv", "cnt"),
    "bike_sharing_days": ("bike_sharing/day.csv", "cnt > 4500"),
    "online_retail_by_day": ("online_retail/by-day", "Quantity < 0"),
    "dirty_covid_daily": ("dirty_covid_daily", "Deaths > 0"),
    "adult": ("adult/adult.*", "income"),
    "sms_spam": ("sms_spam/SMSSpamCollection.txt", "label"),
}
ADULT = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital", "occupation"),
    *("relationship", "race", "sex", "gain", "loss", "hours", "country", "income"),
)
FORMATS = {
    "adult": Csv(header=ADULT, comment="|", strip=True, nulls=("?",)),
    "sms_spam": Csv(header=("label", "text"), quote=""),
}
PARTITION = 4 * 2**20  # bytes: several partitions of each table that is not tiny


LARGE = ("flights2008", "kddcup99")
"""Tables of half a million rows and more: half a minute each."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.long) if name in LARGE else name for name in TABLES
    ],
)
def profiled(
    request: pytest.FixtureRequest, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[pl.DataFrame, dict[str, Any], str]]:
    """Yield the whole table, its profile and its target."""
    location, target = TABLES[request.param]
    dataset = Dataset.open(str(data_dir / location), format=FORMATS.get(request.param))
    partitions = dataset.partitions(list(dataset.schema), PARTITION)
    asked = request_for(dataset.schema, partitions, target=Target(target))
    work = ProfileWork(dataset.source, asked, BadRows(Kept.of(tmp_path_factory.mktemp("bad"))))
    profile = merged((look(work, partition) for partition in partitions), asked)
    batches = (dataset.source.read(part, list(dataset.schema)).good for part in partitions)
    yield pl.concat(batches).drop(ROW), profile.results({"name": request.param}), target


def _columns(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> Iterator[tuple[Any, pl.Series]]:
    table, result, _ = profiled
    assert [column["name"] for column in result["columns"]] == table.columns
    for column in result["columns"]:
        yield column, table[column["name"]]


def _known(series: pl.Series) -> pl.Series:
    known = series.drop_nulls()
    return known.drop_nans() if known.dtype.is_float() else known


def test_counts_and_extremes(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    for found, series in _columns(profiled):
        known = _known(series)
        assert (found["rows"], found["missing"]) == (series.len(), series.len() - known.len())
        if found["distinct_exact"]:
            assert found["distinct"] == known.n_unique(), found["name"]
        assert abs(found["distinct"] - known.n_unique()) <= 4 * max(
            found["distinct_error"] * known.n_unique(), 0.2
        )
        assert found["constant"] == (known.n_unique() == 1 or known.is_empty())
        if series.dtype.is_numeric():
            assert (found["min"], found["max"]) == (known.min(), known.max())
            assert found["zeros"] == (known == 0).sum()
            assert found["negative"] == (known < 0).sum()
        if series.dtype.is_temporal():
            assert found["min"] == known.min().isoformat()  # type: ignore[union-attr]
            assert found["max"] == known.max().isoformat()  # type: ignore[union-attr]


def test_moments(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    for found, series in _columns(profiled):
        if not series.dtype.is_numeric():
            continue
        wide = _known(series).cast(pl.Float64)
        assert found["mean"] == pytest.approx(wide.mean(), rel=1e-12)
        assert found["std"] == pytest.approx(wide.std(), rel=1e-10)
        if found["constant"]:
            assert found["skew"] is None
        else:
            assert found["skew"] == pytest.approx(wide.skew(), rel=1e-8, abs=1e-9)


def test_quantiles(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    for found, series in _columns(profiled):
        if not series.dtype.is_numeric():
            continue
        values = _known(series).cast(pl.Float64).sort()
        for share, value in found["quantiles"].items():
            if found["quantile_error"] == 0:
                assert value == values.quantile(float(share))
            rank = (values.len() - 1) * float(share)
            first = values.search_sorted(value, side="left")
            last = values.search_sorted(value, side="right")
            slack = found["quantile_error"] * values.len() + 1
            assert first - slack <= rank <= last + slack
        assert found["quantile_error"] <= 0.005


def test_histograms_and_outliers(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    for found, series in _columns(profiled):
        if found["histogram"] is None or not series.dtype.is_numeric():
            continue
        values = _known(series).cast(pl.Float64).to_numpy()
        bars = found["histogram"]
        counts, _ = np.histogram(values, np.array(bars["edges"]))
        assert counts.tolist() == bars["counts"], found["name"]
        assert bars["below"] == (values < bars["edges"][0]).sum()
        assert bars["above"] == (values > bars["edges"][-1]).sum()
        if found["outliers"]["exact"]:
            low, high = np.quantile(values, [0.25, 0.75], method="closest_observation")
            assert found["outliers"]["below"] == (values < found["outliers"]["low"]).sum()
            assert found["outliers"]["above"] == (values > found["outliers"]["high"]).sum()
            width = found["outliers"]["high"] - found["outliers"]["low"]
            assert width == pytest.approx(4 * (high - low), rel=0.05, abs=1e-9)


def test_frequent_values(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    for found, series in _columns(profiled):
        if series.dtype.is_temporal():
            continue
        table = (
            _known(series).alias("v").value_counts().select(pl.col("v").cast(pl.String), "count")
        )
        if series.dtype == pl.String:  # long values are shown cut
            table = table.with_columns(pl.col("v").str.slice(0, SHOWN)).group_by("v").max()
        counts = dict(table.iter_rows())
        best = sorted(counts.values(), reverse=True)
        for place, top in enumerate(found["top"]):
            if found["top_exact"]:
                assert top["count"] == counts[top["value"]] == best[place]
            assert 0 <= counts[top["value"]] - top["count"] <= found["top_error"]


def test_lengths(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    for found, series in _columns(profiled):
        if series.dtype == pl.String and found["length"]:
            lengths = series.drop_nulls().str.len_chars()
            assert found["length"]["mean"] == pytest.approx(lengths.mean())
            assert (found["length"]["min"], found["length"]["max"]) == (
                lengths.min(),
                lengths.max(),
            )


def test_correlations(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    table, result, _ = profiled
    names = result["correlation"]["columns"]
    wide = table.select(pl.col(names).to_physical().cast(pl.Float64)).fill_nan(None)
    for i, one in enumerate(names[:12]):
        for j, two in enumerate(names[:12]):
            both = wide.select(a=one, b=two).drop_nulls()
            expected = both.select(pl.corr("a", "b")).item()
            found = result["correlation"]["pearson"][i][j]
            if found is None:
                assert (
                    expected is None
                    or math.isnan(expected)
                    or both["a"].n_unique() == 1
                    or (both["b"].n_unique() == 1)
                )
            else:
                assert found == pytest.approx(expected, abs=1e-9)


def test_duplicates(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    table, result, _ = profiled
    for column in result["columns"]:
        same = [
            name
            for name in table.columns[: table.columns.index(column["name"])]
            if table[name].equals(table[column["name"]])
            and table[name].dtype == table[column["name"]].dtype
        ]
        assert column["duplicate_of"] == (same[0] if same else None)


def test_target(profiled: tuple[pl.DataFrame, dict[str, Any], str]) -> None:
    table, result, target = profiled
    y = table.select(pl.sql_expr(target).alias("y")).to_series()
    found = result["target"]
    assert found["missing"] == y.null_count()
    if found["task"] != "regression":
        counts = dict(y.drop_nulls().cast(pl.String).value_counts().iter_rows())
        assert {row["value"]: row["count"] for row in found["balance"]} == counts
    for feature in found["features"]:
        x = table[feature["name"]]
        if feature["value"] is None or not x.dtype.is_numeric():
            continue
        known = pl.DataFrame({"x": x.cast(pl.Float64).fill_nan(None), "y": y}).drop_nulls()
        if found["task"] == "binary":
            expected = _auc(known)
            assert abs(feature["value"] - expected) <= feature["error"] + 1e-9
            assert feature["error"] < 0.01
        elif found["task"] == "regression":
            expected = known.select(pl.corr("x", "y")).item()
            assert feature["value"] == pytest.approx(expected, abs=1e-9)


def _auc(known: pl.DataFrame) -> float:
    """By ranks (Mann and Whitney)."""
    ranks, y = known["x"].rank("average"), known["y"].cast(pl.Boolean)
    positives, rows = int(y.sum()), known.height
    wins = float(ranks.filter(y).sum()) - positives * (positives + 1) / 2
    return wins / (positives * (rows - positives))
