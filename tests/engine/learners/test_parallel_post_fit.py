"""`dask_ml.wrappers.ParallelPostFit` on our Dask frames: fitted on a sample, predicted by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine.data.dataset import Dataset

pytest.importorskip("dask_ml")


def test_it_predicts_every_row_of_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dask_ml.wrappers import ParallelPostFit
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(1)
    x = draw.normal(size=(900, 2))
    rows = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": (x.sum(axis=1) > 0).astype(np.int8)})
    for number in range(3):
        rows.slice(number * 300, 300).write_parquet(tmp_path / f"{number}.parquet")
    monkeypatch.setattr("engine.plan._FINEST_BYTES", 4000)  # several partitions of little data
    monkeypatch.setattr("engine.plan._COLUMN_BYTES", 1)
    frame = Dataset.open(str(tmp_path)).to_dask(["a", "b"])
    assert frame.npartitions > 2
    wrapper = ParallelPostFit(LogisticRegression()).fit(x[:200], rows["y"].to_numpy()[:200])
    array = frame.astype("float64").to_dask_array(lengths=True)
    said = wrapper.predict_proba(array)
    assert said.numblocks[0] == frame.npartitions
    own = LogisticRegression().fit(x[:200], rows["y"].to_numpy()[:200]).predict_proba(x)
    assert np.allclose(said.compute(scheduler="synchronous"), own, rtol=1e-12)
