"""Real houses: CSV in, a regression, missing values, text; better than a constant by far."""

from pathlib import Path

import polars as pl
import pytest

from jobs.run import run_job
from jobs.runs.events import Together
from jobs.spec.jobfile import load_job

JOB = """
name = "houses"

[cluster]
workers = 2
memory = "900 MiB"

[data.houses]
path = "{data}/california_housing/housing.csv"
contract.total_rooms = {{ type = "float64", min = 0 }}

[features]
derive.rooms_each = "total_rooms * 1.0 / households"
steps = [
  {{ impute = ["total_bedrooms"], with = "median", indicator = true }},
  {{ encode = ["ocean_proximity"], with = "category" }},
]

[train]
data = "houses"
target = "median_house_value"
task = "regression"
split = {{ by = "random", valid = 0.1, test = 0.2 }}
early_stopping = 20
params = {{ n_estimators = 300 }}
model = "models/houses"

[evaluate]

[score]
data = "houses"
model = "models/houses@latest"
output = "predictions"
columns = ["ocean_proximity"]
"""


@pytest.mark.slow
@pytest.mark.real_data
def test_houses(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(JOB.format(data=data_dir))
    result = run_job(load_job(tmp_path / "job.toml"), tmp_path / "runs", Together([]))
    test, constant = result.metrics["test"], result.metrics["baseline_test"]
    assert test["rmse"] < 52_000  # plain LightGBM on another fifth of the rows: 45,992
    assert constant["rmse"] > 2 * test["rmse"]
    assert test["r2"] > 0.8
    assert abs(constant["r2"]) < 0.01
    scored = pl.read_parquet(tmp_path / "predictions")
    assert scored.columns == ["ocean_proximity", "prediction"]
    assert scored.height == 20_640
