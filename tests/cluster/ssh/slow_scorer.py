"""A function of the user's that takes its time, so that a test can come between."""

from __future__ import annotations

import time
from typing import Any

import polars as pl

SECONDS = 0.4


def predict(frame: pl.DataFrame) -> dict[str, Any]:
    time.sleep(SECONDS)
    return {"score": frame["x0"] * 2}
