"""The demo's generator: the same bytes for a seed, and data that are as truth.json states them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "demo" / "generate.py"
ROWS, TODAY = 240_000, 24_000


def _generate(out: Path, *extra: str) -> str:
    options = ["--rows", str(ROWS), "--today", str(TODAY), "--out", str(out), *extra]
    command = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


def _files(out: Path) -> dict[str, bytes]:
    found = sorted(out.rglob("*.parquet"))
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with generated data."""
    folder = tmp_path_factory.mktemp("demo")
    _generate(folder)
    return folder


@pytest.fixture(scope="module")
def truth(out: Path) -> dict[str, Any]:
    """Return what the generator states."""
    stated: dict[str, Any] = json.loads((out / "truth.json").read_text())
    return stated


@pytest.fixture(scope="module")
def history(out: Path) -> pl.DataFrame:
    """Return the year of records."""
    return pl.read_parquet(out / "history" / "month=*" / "*.parquet", hive_partitioning=True)


def test_same_seed_same_bytes(out: Path, tmp_path: Path) -> None:
    _generate(tmp_path)
    assert _files(tmp_path) == _files(out)
    assert (tmp_path / "truth.json").read_bytes() == (out / "truth.json").read_bytes()


def test_other_seed_other_bytes(out: Path, tmp_path: Path) -> None:
    _generate(tmp_path, "--seed", "7")
    mine, theirs = _files(tmp_path), _files(out)
    assert mine.keys() == theirs.keys()
    assert all(mine[name] != theirs[name] for name in mine)


def test_present_data_are_kept_and_other_settings_replace_them(tmp_path: Path) -> None:
    _generate(tmp_path)
    assert "already there" in _generate(tmp_path)
    (tmp_path / "truth.json").unlink()  # as a run leaves it that was cut short
    assert "written" in _generate(tmp_path)
    assert "written" in _generate(tmp_path, "--rows", "120000")
    parts = pl.scan_parquet(tmp_path / "history" / "month=*" / "*.parquet")
    assert parts.select(pl.len()).collect().item() == 120_000


def test_counts_are_as_stated(history: pl.DataFrame, truth: dict[str, Any]) -> None:
    flown = pl.col("cancelled") == 0
    bad = (pl.col("distance") < 0) | (pl.col("wind_speed") > 200)
    counted = history.select(
        rows=pl.len(),
        negative_distance=(pl.col("distance") < 0).sum(),
        wind_speed_9999=(pl.col("wind_speed") == 9999).sum(),
        cancelled=(~flown).sum(),
        bad_and_not_cancelled=(bad & flown).sum(),
    ).row(0, named=True)
    assert counted == truth["history"]
    assert counted["rows"] == ROWS
    late = history.filter(flown)["arr_delay"] > 15
    assert late.mean() == pytest.approx(truth["late_rate"], abs=1e-5)  # all rows are in the sample


def test_outcomes_are_missing_only_when_cancelled(history: pl.DataFrame) -> None:
    for name in ("arr_delay", "dep_delay"):
        assert (history[name].is_null() == (history["cancelled"] == 1)).all()
    assert 0.005 < history["cancelled"].mean() < 0.05  # type: ignore[operator]


def test_partitions_hold_their_month_in_order(history: pl.DataFrame) -> None:
    assert (history["departed_at"].dt.month() == history["month"]).all()
    assert history["month"].n_unique() == 12
    assert history["flight_id"].n_unique() == len(history)
    by_id = history.sort("flight_id")["departed_at"]
    assert by_id.is_sorted()


def test_today_has_no_outcomes(out: Path, history: pl.DataFrame, truth: dict[str, Any]) -> None:
    today = pl.read_parquet(out / "today" / "*.parquet")
    assert len(today) == TODAY == truth["today"]["rows"]
    gone = {"arr_delay", "dep_delay", "cancelled", "month"}
    assert set(history.columns) - set(today.columns) == gone
    assert today["departed_at"].min() > history["departed_at"].max()  # type: ignore[operator]
    assert (today["distance"] < 0).sum() == truth["today"]["negative_distance"]


def test_snow_falls_in_winter_and_some_weather_is_missing(history: pl.DataFrame) -> None:
    winter = pl.col("month").is_in([12, 1, 2])
    snow = history.select(cold=pl.col("snow").filter(winter).mean(), all=pl.col("snow").mean())
    assert snow["cold"][0] > 2 * snow["all"][0]
    assert history.filter(pl.col("month") == 7)["snow"].max() == 0
    for name, low, high in (("temperature", 0.01, 0.02), ("visibility", 0.02, 0.05)):
        assert low < history[name].null_count() / len(history) < high
    assert 0.1 < history["previous_delay"].null_count() / len(history) < 0.25


def test_best_auc_is_in_the_wanted_range_and_above_one_feature(
    history: pl.DataFrame, truth: dict[str, Any]
) -> None:
    assert 0.75 < truth["bayes_auc"] < 0.80
    assert all(0.74 < area < 0.81 for area in truth["bayes_auc_by_month"].values())
    flown = history.filter(pl.col("arr_delay").is_not_null())
    late = (flown["arr_delay"] > 15).to_numpy()
    rank = flown["previous_delay"].fill_null(0).rank("average").to_numpy()
    positives = late.sum()
    single = (rank[late].sum() - positives * (positives + 1) / 2) / (
        positives * (len(late) - positives)
    )
    assert 0.55 < single < truth["bayes_auc"] - 0.02


def test_files_are_zstd_with_plain_strings(out: Path) -> None:
    for path in out.rglob("*.parquet"):
        footer = pq.ParquetFile(path)
        assert footer.metadata.row_group(0).column(0).compression == "ZSTD"
        assert str(footer.schema_arrow.field("carrier").type) == "string"
        assert str(footer.schema_arrow.field("departed_at").type) == "timestamp[us]"


def test_too_few_rows_is_a_usage_error(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--rows", "10", "--out", str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "at least 1000" in refused.stderr
