"""Rows that are binned by us are stored as LightGBM stores them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.boosting.bins import columns, file, layout
from engine.boosting.native import lightgbm
from engine.boosting.rank import loading
from engine.boosting.source import Rows, ShardPart
from engine.plan import Partition

ODD = np.array([np.nan, np.inf, -np.inf, -0.0, 0, 77, 1e-35, -1e-36, -3, 3e9], np.float32)
COUNTS = (777, 1, 20_002)


def drawn() -> np.ndarray:
    rng = np.random.default_rng(1)
    n = sum(COUNTS)
    x = rng.standard_normal((n, 7)).astype(np.float32)
    x[:, 1] = rng.integers(0, 9, n)
    x[rng.random(n) < 0.5, 2] = 0
    x[:, 3] = rng.integers(0, 30, n)
    x[rng.random(n) < 0.2, 4] = np.nan
    x[:, 5] = rng.integers(0, 3, n)
    x[:, 6] = 1000 + rng.random(n)
    return x


class Held:
    features = tuple("abcdefg")
    categorical = (3,)

    def __init__(self, x: np.ndarray) -> None:
        self.x = np.split(x, np.cumsum(COUNTS)[:-1])

    def read(self, partition: Partition, part: str) -> Rows:
        x = self.x[partition.index]
        return Rows(x, (np.nan_to_num(x[:, 0]) + (x[:, 3] % 3 == 1) > 0.5).astype(np.float32))


def model(x: np.ndarray, max_bin: int, like: np.ndarray) -> str:
    params = {
        "verbosity": -1, "objective": "binary", "feature_pre_filter": False, "max_bin": max_bin,
        "num_threads": 1, "deterministic": True, "force_col_wise": True, "categorical_column": [3],
    }  # fmt: skip
    reference: Any = lightgbm().Dataset(like[::3], params=params, free_raw_data=False)
    reference = reference.construct().subset([0, 1]).construct()
    shard = [ShardPart(Partition(i, (), n, 0, 0, 0), n, 0) for i, n in enumerate(COUNTS)]
    train, valid = loading.load(Held(x), shard, reference, lambda rows: None)  # type: ignore[arg-type]
    assert valid.data is None
    booster = lightgbm().Booster(params, train.data)
    for _ in range(8):
        booster.update()
    return str(booster.model_to_string())


def slow(*_: object) -> None:
    raise layout.Unsupported("told so")


@pytest.mark.parametrize("max_bin", [15, 63, 255])
def test_same_model_as_when_lightgbm_bins(
    max_bin: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    x = drawn()
    odd = x.copy()
    odd[5:300] = np.random.default_rng(2).choice(ODD, (295, 7))
    odd[::50, 3] = 41
    fast = model(odd, max_bin, x)
    assert "itself" not in capfd.readouterr().err
    monkeypatch.setattr(loading, "BinFile", slow)
    assert model(odd, max_bin, x) == fast
    assert "told so" in capfd.readouterr().err


@pytest.mark.parametrize("way", ["wrong table", "many bins", "sparse"])
def test_lightgbm_bins_where_we_cannot(
    way: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    x, learn = drawn(), columns.learn

    def wrong(reference: Any, width: int, folder: Path) -> list[columns.Column]:
        found = learn(reference, width, folder)
        found[0].table[20] += 1
        return found

    if way == "wrong table":
        monkeypatch.setattr(file, "learn", wrong)
    if way == "sparse":
        x[50:, 2] = 0
    bins = 1000 if way == "many bins" else 63
    found = model(x, bins, x)
    assert "LightGBM bins the rows itself" in capfd.readouterr().err
    monkeypatch.setattr(loading, "BinFile", slow)
    assert model(x, bins, x) == found


def test_bucket_tables_are_bounded_and_bins_stay_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    x = drawn()
    wide = model(x, 255, x)
    tables: list[int] = []
    learn = columns.learn

    def watched(*arguments: Any) -> list[columns.Column]:
        found = learn(*arguments)
        tables.extend(len(c.buckets.first) if c.buckets else 0 for c in found)
        return found

    monkeypatch.setattr(file, "learn", watched)
    for buckets in (7 * 2_000, 7):  # wider buckets; none at all
        tables.clear()
        monkeypatch.setattr(columns, "BUCKETS", buckets)
        assert model(x, 255, x) == wide
        assert tables and max(tables) <= max(2, buckets // 7)
    assert "itself" not in capfd.readouterr().err
