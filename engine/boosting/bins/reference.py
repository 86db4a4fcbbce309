"""The bins that all ranks share, made once from the global sample.

Run as ``python -m engine.boosting.bins.reference``: a pickled `Sample` comes on standard input,
LightGBM's binary reference dataset (two rows, all bin mappers, about 2 KB a feature) goes to
standard output.
A process of its own, because importing LightGBM with all it drags along would cost the driver
seconds and memory, and because a fatal signal in native code must not take the driver along.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.native import lightgbm
from engine.boosting.voice import take_output
from engine.environment import child_environment
from engine.errors import TrainingFailed

LONGEST = 600.0
"""Seconds that making the bins may take; 200,000 rows of 28 features take one."""


@dataclass(frozen=True)
class Sample:
    """What bins are made of.

    Attributes:
        x: Shape (rows, features) float32, NaN = missing.
        params: LightGBM's parameters, the same as for the ranks.
    """

    x: npt.NDArray[np.float32]
    params: Mapping[str, Any]


def make_bins(sample: Sample, threads: int) -> bytes:
    """Make the bins in a child process.

    Args:
        sample: Rows and parameters.
        threads: Threads for it.

    Returns:
        LightGBM's binary dataset, for `load_bins`.

    Raises:
        TrainingFailed: LightGBM refuses the parameters or the sample.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "engine.boosting.bins.reference"],
            input=pickle.dumps(sample),
            capture_output=True,
            timeout=LONGEST,
            env=child_environment(threads),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TrainingFailed(f"making the bins took longer than {LONGEST:.0f} s") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise TrainingFailed(
            f"no bins could be made: {lines[-1] if lines else f'exit status {done.returncode}'}",
            where=f"sample of {sample.x.shape[0]:,} rows x {sample.x.shape[1]} features",
            hint="check train.params",
        )
    return done.stdout


def feature_names(count: int) -> list[str]:
    """Return the names that LightGBM sees: it refuses JSON characters and changes spaces."""
    return [f"f{index}" for index in range(count)]


def dataset_params(params: Mapping[str, Any], sample_rows: int) -> dict[str, Any]:
    """Return the parameters of a dataset; bins and shards must have the same."""
    return {**params, "bin_construct_sample_cnt": sample_rows}


def load_bins(bins: bytes, params: Mapping[str, Any]) -> Any:
    """Return the reference dataset.

    Args:
        bins: What `make_bins` returned.
        params: `dataset_params`.
    """
    # LightGBM reads files only; it has read all of it when construct returns.
    with tempfile.TemporaryDirectory(prefix="millrace-bins-") as folder:
        file = Path(folder) / "reference.bin"
        file.write_bytes(bins)
        return lightgbm().Dataset(str(file), params=dict(params)).construct()


def _main() -> None:
    output = take_output()
    sample: Sample = pickle.load(sys.stdin.buffer)
    rows, features = sample.x.shape
    params = dataset_params(sample.params, rows)
    dataset = lightgbm().Dataset(
        sample.x, params=params, feature_name=feature_names(features), free_raw_data=False
    )
    with tempfile.TemporaryDirectory(prefix="millrace-bins-") as folder:
        file = Path(folder) / "reference.bin"
        dataset.construct().subset([0, min(1, rows - 1)]).save_binary(str(file))
        content = file.read_bytes()
    with output:
        output.write(content)


if __name__ == "__main__":
    _main()
