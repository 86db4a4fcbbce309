"""A small seeded table with a known signal, a time, a key, categories and a few bad rows."""

from pathlib import Path

import numpy as np
import polars as pl

JOB = """
name = "small-flights"

[cluster]
workers = {workers}
memory = "{memory}"

[data.history]
path = "history/*.parquet"
time = "at"
key = ["id"]
where = "cancelled = 0"
contract.wind = {{ min = 0, max = 200 }}

[data.today]
path = "today/*.parquet"
key = ["id"]

[features]
columns = ["wind", "distance", "carrier", "age"]
derive.hour = "extract(hour from at)"
steps = [
  {{ impute = ["age"], with = "median", indicator = true }},
  {{ scale = ["distance"], with = "standard" }},
  {{ encode = ["carrier"], with = "category" }},
]

[train]
data = "history"
target = "delay > 15"
task = "binary"
split = {{ by = "{by}", valid = 0.15, test = 0.15 }}
early_stopping = 5
params = {{ num_leaves = 15, learning_rate = 0.2, n_estimators = {rounds} }}
model = "models/late"

[evaluate]

[score]
data = "today"
model = "models/late@latest"
output = "predictions"
columns = ["carrier"]
"""


def table(rows: int, seed: int, start: str, first: int = 0) -> pl.DataFrame:
    """Return flights; ``delay`` depends on wind, hour and carrier, and is null when cancelled."""
    draw = np.random.default_rng(seed)
    wind = draw.gamma(2, 12, rows).astype(np.float32)
    minutes = np.sort(draw.integers(0, 60 * 24 * 60, rows))
    carrier = draw.choice(["AA", "BB", "CC", "DD"], rows, p=[0.4, 0.3, 0.2, 0.1])
    hour = minutes // 60 % 24
    signal = wind / 12 + (hour > 15) * 1.5 + (carrier == "CC") * 1.2 - 3
    late = draw.random(rows) < 1 / (1 + np.exp(-signal))
    cancelled = (draw.random(rows) < 0.02).astype(np.int8)
    age = np.where(draw.random(rows) < 0.1, np.nan, draw.uniform(0, 30, rows))
    frame = pl.DataFrame(
        {
            "id": np.arange(first, first + rows),
            "at": np.datetime64(start, "us") + minutes.astype("timedelta64[m]"),
            "wind": np.where(draw.random(rows) < 0.001, np.float32(-1), wind),
            "distance": draw.uniform(100, 3000, rows).astype(np.float32),
            "carrier": carrier,
            "age": age,
            "cancelled": cancelled,
            "delay": np.where(late, 30.0, 0.0),
        }
    )
    return frame.with_columns(delay=pl.when(pl.col("cancelled") == 0).then("delay"))


def write(
    folder: Path,
    *,
    rows: int = 40_000,
    workers: int = 2,
    memory: str = "700 MiB",
    rounds: int = 15,
    by: str = "random",
) -> Path:
    """Write history, today and the job file; return the job file."""
    for name, seed, count, start in (
        ("history", 1, rows, "2025-01-01"),
        ("today", 2, rows // 2, "2025-03-02"),
    ):
        (folder / name).mkdir(parents=True)
        whole = table(count, seed, start, first=seed * 10**6)
        if name == "today":
            whole = whole.drop("delay", "cancelled")
        for part in range(4):
            piece = whole[part * count // 4 : (part + 1) * count // 4]
            piece.write_parquet(folder / name / f"{part}.parquet", row_group_size=count // 16)
    job = folder / "job.toml"
    job.write_text(JOB.format(workers=workers, memory=memory, rounds=rounds, by=by))
    return job
