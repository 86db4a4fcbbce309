"""Tables of odd shapes inside a worker of 1 GiB: one giant row group, and ten thousand columns.

Each job either runs with measured <= projected <= 1 GiB in every step, or is refused before it
starts with the figure that it needs.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.data.dataset import Dataset
from engine.errors import PlanRefused
from engine.plan import TARGET_BYTES
from jobs.planning.plan import plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.spec.jobfile import load_job

GIB = 2**30

JOB = """
name = "odd-shapes"

[cluster]
workers = 1
memory = "{memory}"

[data.history]
path = "{history}"

[data.today]
path = "{today}"

{features}
[train]
data = "history"
target = "y"
task = "regression"
params = {{ num_leaves = {leaves}, max_bin = {bins}, n_estimators = 3 }}
model = "model"

[score]
data = "today"
model = "model@latest"
output = "predictions"
columns = {columns}
"""


def job(
    folder: Path,
    history: Path,
    today: Path,
    *,
    leaves: int = 31,
    bins: int = 255,
    memory: str = "1 GiB",
    features: Sequence[str] = (),
    columns: Sequence[str] = (),
) -> Path:
    """Write a job file that trains on one table and scores another; return its path."""
    path = folder / "job.toml"
    chosen = f"[features]\ncolumns = {json.dumps(features)}\n" if features else ""
    text = JOB.format(
        memory=memory,
        history=history,
        today=today,
        leaves=leaves,
        bins=bins,
        features=chosen,
        columns=json.dumps(columns),
    )
    path.write_text(text)
    return path


def write(path: Path, names: Sequence[str], rows: int, row_group: int, seed: int) -> Path:
    """Write seeded float32 columns, a row group in memory at a time; return the path."""
    schema = pa.schema([(name, pa.float32()) for name in names])
    draw = np.random.default_rng(seed)
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for start in range(0, rows, row_group):
            count = min(row_group, rows - start)
            columns = [pa.array(draw.random(count, dtype=np.float32)) for _ in names]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=count)
    return path


def outcome(path: Path) -> Result | PlanRefused:
    """Run a job; what comes back is either within the plan or a refusal with the figures."""
    try:
        result = run_job(load_job(path), path.parent / "runs", Together([]))
    except PlanRefused as refused:
        figures = re.search(
            r"needs ([\d,]+) MiB on each worker, the limit is 1,024 MiB", str(refused)
        )
        assert figures and int(figures[1].replace(",", "")) > 1024
        assert not (path.parent / "predictions").exists()
        return refused
    for step, found in result.memory.items():
        measured, projected = found["measured"], found["projected"]
        assert measured and projected
        assert measured <= projected <= GIB, (step, measured, projected)
    return result


def wide_names(count: int) -> list[str]:
    return ["y", *(f"c{i:05d}" for i in range(count - 1))]


@pytest.mark.parametrize(("columns", "rows"), [(4, 6_000_000), (1_000, 20_000)])
def test_a_row_group_over_the_size_of_a_partition_is_cut(
    tmp_path: Path, columns: int, rows: int
) -> None:
    path = write(tmp_path / "one.parquet", wide_names(columns), rows, rows, seed=1)
    dataset = Dataset.open(str(path))
    assert len(dataset.infos[0].chunks) == 1
    names = list(dataset.schema)
    parts = dataset.partitions(names)
    assert len(parts) > 1 and sum(part.rows for part in parts) == rows
    assert max(part.bytes for part in parts) <= TARGET_BYTES
    last = dataset.source.read(parts[-1], names[:1]).good
    expected = pq.read_table(path, columns=names[:1])[names[0]][rows - last.height :]
    assert last[names[0]].to_arrow().equals(expected.combine_chunks())


def test_a_plan_for_too_many_columns_is_refused_with_the_figure(tmp_path: Path) -> None:
    path = write(tmp_path / "wide.parquet", wide_names(2_000), 1_000, 500, seed=1)
    planned = plan_job(load_job(job(tmp_path, path, path, memory="400 MiB")))
    with pytest.raises(PlanRefused, match=r"needs [\d,]+ MiB .* the limit is 400 MiB") as caught:
        planned.plan.check()
    assert caught.value.hint and "cluster.memory" in caught.value.hint


@pytest.fixture(scope="module")
def giant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20M x 4 float32 in one row group, 320 MB of noise: nothing compresses."""
    path = tmp_path_factory.mktemp("giant") / "giant.parquet"
    return write(path, ["y", "a", "b", "c"], 20_000_000, 20_000_000, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_row_group_of_20_million_rows_is_scored_within_a_gibibyte(
    giant: Path, tmp_path: Path
) -> None:
    small = write(tmp_path / "small.parquet", ["y", "a", "b", "c"], 20_000, 20_000, seed=2)
    result = outcome(job(tmp_path, small, giant))
    assert isinstance(result, Result)
    assert result.ledger["rows_in"] == result.ledger["scored"] == 20_000_000


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_row_group_of_20_million_rows_is_trained_on_or_refused(
    giant: Path, tmp_path: Path
) -> None:
    small = write(tmp_path / "small.parquet", ["y", "a", "b", "c"], 20_000, 20_000, seed=2)
    outcome(job(tmp_path, giant, small))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 rows of 10,000 float32 columns, 800 MB, in row groups of 100 MB."""
    path = tmp_path_factory.mktemp("wide") / "wide.parquet"
    return write(path, wide_names(10_000), 20_000, 2_500, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_ten_thousand_columns_with_ordinary_settings_are_refused(
    wide: Path, tmp_path: Path
) -> None:
    refused = outcome(job(tmp_path, wide, wide))
    assert isinstance(refused, PlanRefused) and "histograms" in str(refused.where)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.timeout(900)
def test_ten_thousand_columns_are_passed_through_scoring_or_refused(
    wide: Path, tmp_path: Path
) -> None:
    small = write(tmp_path / "small.parquet", ["y", "c00000", "c00001"], 5_000, 5_000, seed=2)
    names = wide_names(10_000)
    result = outcome(job(tmp_path, small, wide, features=names[1:3], columns=names))
    if isinstance(result, Result):
        assert result.ledger["rows_in"] == result.ledger["scored"] == 20_000
        assert (
            pq.read_schema(next((tmp_path / "predictions").glob("*.parquet"))).names[-2]
            == names[-1]
        )


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.timeout(900)
def test_ten_thousand_columns_are_trained_on_and_scored_or_refused(
    wide: Path, tmp_path: Path
) -> None:
    outcome(job(tmp_path, wide, wide, leaves=7, bins=31))
