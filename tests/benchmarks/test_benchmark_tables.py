"""What benchmarks read and run: tables, job files, events, a measured command."""

import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import measure
import millrace_job
import numpy as np
import polars as pl
import pytest
import synthetic
import train_examples
import train_published
import train_set_job
import train_sets
import train_shapes
from synthetic import Shape
from train_shapes import Case

from jobs.runs.events import Event
from jobs.runs.store import Store
from jobs.spec.jobfile import load_job


def test_a_job_file_is_what_was_meant(tmp_path: Path) -> None:
    sections = {
        "name": "x",
        "data.table": {"path": 'a"b/*.parquet', "contract": {"a-b": {"min": 0.5, "type": "int8"}}},
        "train.params": {"on": True, "list": ["ü", 1]},
    }
    job = millrace_job.write(tmp_path / "job.toml", sections)
    assert tomllib.loads(job.read_text()) == {
        "name": "x",
        "data": {"table": sections["data.table"]},
        "train": {"params": sections["train.params"]},
    }


def test_load_ends_one_mean_round_before_the_first(tmp_path: Path) -> None:
    run = Store.at(tmp_path / ".millrace/runs").create({})

    def event(second: int, name: str, **fields: int) -> None:
        time = datetime(2026, 11, 21, 12, 0, second, tzinfo=UTC)
        run.events.write(Event(time, name, "train", fields).encoded())

    event(0, "step_started")
    event(14, "round", round=2)
    event(20, "round", round=5)
    event(22, "step_done")
    assert millrace_job.seconds(tmp_path) == {"train": 22, "load": 10, "boost": 10}


def test_a_wide_table_has_smaller_row_groups() -> None:
    assert Shape(20_000_000).group == synthetic.ROW_GROUP
    assert Shape(500_000, 2_000).group == 10_000


def test_float64_tables_have_the_values_of_float32_ones(tmp_path: Path) -> None:
    found = [
        pl.read_parquet(synthetic.table(Shape(1_000, 20, double=double), tmp_path) / "*.parquet")
        for double in (False, True)
    ]
    assert found[1].schema["f3"] == pl.Float64
    assert found[1].cast(found[0].schema).equals(found[0])


@pytest.mark.parametrize(
    "case",
    [
        Case(5_000, 5, leaves=7),
        Case(5_000, 2, (10, 2_000), task="regression", valid=0.2, row_wise=True),
        Case(5_000, 6, task="multiclass", classes=5),
        Case(5_000, 6, task="ranking"),
    ],
    ids=str,
)
def test_shapes_have_their_rows_columns_and_labels(case: Case, tmp_path: Path) -> None:
    rows = pl.read_parquet(train_shapes.table(case, tmp_path) / "*.parquet")
    params = case.sections(tmp_path, "m", 5)
    assert set(params["features"]["columns"]) < set(rows.columns)
    assert rows.height == 5_000
    labels = {"binary": 2, "multiclass": case.classes, "ranking": 5}
    assert rows["y"].n_unique() == labels.get(case.task, rows["y"].n_unique())
    if case.task == "ranking":
        assert rows["q"].is_sorted()
        assert rows.group_by("q").len()["len"].max() <= train_shapes.LONGEST_QUERY


def test_a_shape_becomes_a_job_that_millrace_reads(tmp_path: Path) -> None:
    case = Case(2_000, 3, (10,), valid=0.2)
    data = train_shapes.table(case, tmp_path)
    sections = case.sections(data, "models/x", 3)
    job = load_job(millrace_job.write(tmp_path / "job.toml", {"name": "x", **sections}))
    assert job.train is not None
    assert job.train.rounds == 3


def ranked() -> pl.DataFrame:
    query = np.repeat(np.arange(50), 4)
    columns = {"row": np.arange(200), "q": query, "y": query % 3, "a": query * 1.0}
    return pl.DataFrame(columns).with_columns(part=pl.lit("train"))


def test_shuffled_queries_stay_together() -> None:
    rows = ranked()
    found = train_published.shuffled(rows, 3)
    assert not found["q"].is_sorted()
    assert found.sort("row").select(rows.columns).equals(rows)
    assert (found["q"].rle().struct.field("len") == 4).all()


def test_validation_rows_are_drawn_from_training_rows_alone() -> None:
    rows = pl.DataFrame({"part": ["train"] * 800 + ["test"] * 200})
    found = train_sets.with_valid(rows)
    assert found["part"][800:].to_list() == ["test"] * 200
    assert 100 < (found["part"] == "valid").sum() < 220
    assert found.equals(train_sets.with_valid(rows))


def test_a_small_set_is_cut_into_several_partitions(tmp_path: Path) -> None:
    part = pl.Series(["train"] * 800 + ["test"] * 200)
    rows = pl.concat([ranked().drop("q")] * 5).with_columns(row=pl.int_range(1_000), part=part)
    kind = train_sets.Set("regression", lambda _: rows)
    task = train_set_job.Task(rows, kind, {"n_estimators": 2}, {}, 2, 2**30)
    job = train_set_job.write(tmp_path / "set", task)
    planned = millrace_job.plan(job)
    assert millrace_job.step(planned, "train")["partitions"] >= 4
    train_published.several(planned)


def test_what_millrace_refuses_is_told(tmp_path: Path) -> None:
    job = millrace_job.write(tmp_path / "job.toml", {"name": "x", "train": {"task": "no"}})
    with pytest.raises(millrace_job.Refused, match="job file"):
        millrace_job.plan(job)


CONF = """
# objective = regression
objective = binary   # the task
num_trees = 7
learning_rate = 0.05
bagging_freq=5
min_sum_hessian_in_leaf = 5.0
"""


def test_an_example_of_lightgbm_is_read(tmp_path: Path) -> None:
    here = tmp_path / "binary_classification"
    here.mkdir()
    (here / "train.conf").write_text(CONF)
    (here / "binary.train").write_text("1\t0.5\t2\n0\t0.25\t3\n")
    with pytest.raises(FileNotFoundError):
        train_examples.example(tmp_path, "binary_classification")
    (here / "binary.test").write_text("1\t0.5\t4\n")
    kind, rounds = train_examples.example(tmp_path, "binary_classification")
    rows = kind.read(tmp_path)
    assert rounds == 7
    assert kind.params == {
        "learning_rate": 0.05,
        "bagging_freq": 5,
        "min_sum_hessian_in_leaf": 5.0,
    }
    assert rows.select("y", "part", "x1").rows() == [
        *[(1, "train", 2.0), (0, "train", 3.0)],
        (1, "test", 4.0),
    ]


@pytest.mark.parametrize("name", ["dask binary", "dask multiclass", "dask regression"])
def test_examples_for_dask_are_drawn(name: str) -> None:
    kind, rounds = train_examples.EXAMPLES[name]
    rows = kind.read(Path())
    assert rounds == 10
    assert dict(rows["part"].value_counts().rows()) == {"train": 1_000, "test": 1_000}
    assert len(train_sets.features(rows)) == 50


SIZES = {
    **{"adult": (32_561, 16_281, 14), "bike_sharing": (14_491, 2_888, 12)},
    **{"california_housing": (16_512, 4_128, 9), "lightgbm_lambdarank": (3_005, 768, 300)},
}
"""Training rows, test rows and features, as the README of the data says."""


@pytest.mark.parametrize("name", SIZES)
def test_real_sets_have_the_rows_of_their_baselines(name: str, data_dir: Path) -> None:
    rows = train_sets.SETS[name].read(data_dir)
    parts = dict(rows["part"].value_counts().rows())
    found = (parts["train"], parts["test"], len(train_sets.features(rows)))
    assert found == SIZES[name]


def test_a_command_is_measured(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(20_000_000))
    code = "import time; x = open('big', 'rb').read(); time.sleep(1.5)"
    cost = measure.run([sys.executable, "-c", code], tmp_path / "log.txt", folder=tmp_path)
    assert cost.ending == "finished"
    assert cost.wall > 1.5
    assert cost.worker_peak > 20_000_000
    assert 20_000_000 < cost.read < 40_000_000
