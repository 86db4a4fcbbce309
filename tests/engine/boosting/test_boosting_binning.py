"""Rows that are binned by us are stored as LightGBM stores them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.boosting.bins import coder, columns
from engine.boosting.bins.turns import Turns
from engine.boosting.native import lightgbm
from engine.boosting.rank import loading
from engine.boosting.rank.stock import Part
from engine.boosting.source import Portion, Rows
from engine.errors import TrainingFailed
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
    vectors: frozenset[str] = frozenset()

    def __init__(self, x: np.ndarray) -> None:
        self.x = np.split(x, np.cumsum(COUNTS)[:-1])

    def read(self, partition: Partition, part: str) -> Rows:
        x = self.x[partition.index]
        return Rows(x, (np.nan_to_num(x[:, 0]) + (x[:, 3] % 3 == 1) > 0.5).astype(np.float32))


def params(max_bin: int, **more: Any) -> dict[str, Any]:
    return {
        "verbosity": -1, "objective": "binary", "feature_pre_filter": False, "max_bin": max_bin,
        "num_threads": 1, "deterministic": True, "force_col_wise": True, "categorical_column": [3],
        **more,
    }  # fmt: skip


def reference(like: np.ndarray, given: dict[str, Any]) -> Any:
    whole: Any = lightgbm().Dataset(like[::3], params=given, free_raw_data=False)
    return whole.construct().subset([0, 1]).construct()


def part(x: np.ndarray, given: dict[str, Any], like: np.ndarray, folder: Path) -> Part:
    shard = [
        Portion(Partition(i, (), n, 0, 0, 0), "train", n, 0, 0, n) for i, n in enumerate(COUNTS)
    ]
    blocks = loading.Blocks.within(folder, reference(like, given), Held(x), 1, Turns())
    blocks.fill(Held(x), shard, lambda rows: None)
    return Part.of(blocks, shard, "train", 0)


def model(x: np.ndarray, max_bin: int, like: np.ndarray, folder: Path, **more: Any) -> str:
    given = params(max_bin, **more)
    booster = lightgbm().Booster(given, part(x, given, like, folder).dataset(given))
    for _ in range(8):
        booster.update()
    return str(booster.model_to_string())


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "coder_for", lambda reference, width: coder.Plain(width))


@pytest.mark.parametrize("max_bin", [15, 63, 255, 1000])
def test_same_model_as_when_lightgbm_bins(
    max_bin: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    x = drawn()
    odd = x.copy()
    odd[5:300] = np.random.default_rng(2).choice(ODD, (295, 7))
    odd[::50, 3] = 41
    fast = model(odd, max_bin, x, tmp_path / "fast")
    assert "itself" not in capfd.readouterr().err
    slow(monkeypatch)
    assert model(odd, max_bin, x, tmp_path / "slow") == fast


@pytest.mark.parametrize("max_bin", [15, 63, 255, 1000])
def test_trees_send_a_value_of_a_bin_the_way_of_the_row(max_bin: int, tmp_path: Path) -> None:
    x = drawn()
    x[::50, 3] = 41
    x[7:90, [0, 6]] = np.random.default_rng(2).choice(ODD[:8], (83, 2))
    text = model(x, max_bin, x, tmp_path)
    booster = lightgbm().Booster(model_str=text)
    given = params(max_bin)
    pieces = part(x, given, x, tmp_path)
    turned = [
        pieces.blocks.coder.decode(list(piece.block.cells(piece.start, piece.stop)))
        for piece in pieces.pieces
    ]
    leaves = (booster.predict(rows, pred_leaf=True) for rows in (np.concatenate(turned), x))
    np.testing.assert_array_equal(*leaves)


@pytest.mark.parametrize("way", ["wrong table", "sparse", "bundles"])
def test_lightgbm_bins_where_we_cannot(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    x, learn = drawn(), columns.learn
    more: dict[str, Any] = {}

    def wrong(reference: Any, width: int, folder: Path) -> list[columns.Column]:
        found = learn(reference, width, folder)
        found[0].table[20] += 1
        return found

    if way == "wrong table":
        monkeypatch.setattr(coder, "learn", wrong)
    if way == "sparse":
        x[50:, 2] = 0
        more = {"is_enable_sparse": True}
    if way == "bundles":
        x[50:, 2], x[:60, 5] = 0, 0
        more = {"enable_bundle": True}
    found = model(x, 63, x, tmp_path / "fast", **more)
    assert "LightGBM bins the rows itself" in capfd.readouterr().err
    slow(monkeypatch)
    assert model(x, 63, x, tmp_path / "slow", **more) == found


def test_bucket_tables_are_bounded_and_bins_stay_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    x = drawn()
    wide = model(x, 255, x, tmp_path / "wide")
    tables: list[int] = []
    learn = columns.learn

    def watched(*arguments: Any) -> list[columns.Column]:
        found = learn(*arguments)
        tables.extend(len(c.buckets.first) if c.buckets else 0 for c in found)
        return found

    monkeypatch.setattr(coder, "learn", watched)
    for buckets in (7 * 2_000, 7):  # wider buckets; none at all
        tables.clear()
        monkeypatch.setattr(columns, "BUCKETS", buckets)
        assert model(x, 255, x, tmp_path / str(buckets)) == wide
        assert tables and max(tables) <= max(2, buckets // 7)
    assert "itself" not in capfd.readouterr().err


def test_blocks_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    x, given = drawn(), params(63)
    part(x, given, x, tmp_path)
    files = sorted(tmp_path.rglob("*.rows"))
    assert len(files) == len(COUNTS)
    made = [file.stat().st_mtime_ns for file in files]
    os.truncate(files[1], 3)  # not in full: made again
    again = part(x, given, x, tmp_path)
    assert [file.stat().st_mtime_ns for file in files][::2] == made[::2]
    assert again.rows == sum(COUNTS)
    np.testing.assert_array_equal(again.vector("y")[777], Held(x).read(_second(), "train").y[0])


def _second() -> Partition:
    return Partition(1, (), 1, 0, 0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=True)
    try:
        x = drawn()
        with pytest.raises(TrainingFailed, match="is full") as caught:
            part(x, params(63), x, disk)
        assert "local directory" in str(caught.value)
        assert not list(disk.rglob("*.tmp"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
