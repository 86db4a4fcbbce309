"""A job file becomes a model, or a list of all of its problems, each with its key."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SpecError
from engine.features import encode as encoding
from engine.features import impute as imputing
from engine.features import scale as scaling
from engine.schema import TYPES
from jobs.spec.contract import TypeName
from jobs.spec.job import JobSpec, SplitSpec, TrainSpec
from jobs.spec.jobfile import JobFileError, load_job
from jobs.spec.problems import dotted

FULL = """
name = "flight-delays"

[cluster]
workers = 2
memory = "2 GiB"

[data.history]
path = "data/month=*/*.parquet"
time = "departed_at"
key = ["flight_id"]
where = "cancelled = 0"

[data.history.contract]
dep_delay = { type = "float32", min = -120, max = 3000, nulls = 0.05 }
carrier = { type = "category", values = ["AA", "BB"] }

[data.today]
path = "${TODAY}/*.csv"

[features]
drop = ["tail"]
derive.speed = "distance / nullif(air_time, 0) * 60"
steps = [
  { impute = ["air_time"], with = "median", indicator = true },
  { impute = ["gate"], with = "constant", value = 0 },
  { encode = ["carrier"], with = "category", min_count = 5 },
  { scale = ["distance"], with = "robust" },
]

[train]
data = "history"
target = "late"
task = "binary"
split = { by = "time", valid = 0.1, test = 0.1 }
early_stopping = 50
params = { num_leaves = 63, learning_rate = 0.1, n_estimators = 1000 }
model = "models/flight-delays"

[evaluate]

[score]
data = "today"
model = "models/flight-delays@latest"
output = "predictions/"
columns = ["carrier"]
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "job.toml"
    file.write_text(text, encoding="utf-8")
    return file


def load(folder: Path, text: str) -> JobSpec:
    return load_job(write(folder, text), {"TODAY": "/data/today"})


def problems(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(JobFileError) as caught:
        load(folder, text)
    return {dotted(p.key): p.what for p in caught.value.problems}


def changed(old: str, new: str) -> str:
    assert old in FULL
    return FULL.replace(old, new)


def test_a_full_job(tmp_path: Path) -> None:
    job = load(tmp_path, FULL)
    assert job.train is not None and job.score is not None and job.features is not None
    assert job.cluster.memory == 2**31
    assert job.data["history"].contract.columns["dep_delay"].max == 3000
    impute, constant, encode, scale = job.features.steps
    assert impute.step() == imputing.Median(("air_time",), indicator=True)
    assert constant.step() == imputing.Constant(constant.columns, value=0)
    assert encode.step() == encoding.Category(("carrier",), min_count=5)
    assert scale.step() == scaling.Robust(("distance",))
    assert job.train.rounds == 1000
    assert job.train.lightgbm_params == {"num_leaves": 63, "learning_rate": 0.1}
    assert job.evaluate is not None and job.evaluate.baseline


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    job = load(tmp_path, FULL)
    assert job.train is not None and job.score is not None
    assert job.data["history"].path == f"{tmp_path}/data/month=*/*.parquet"
    assert job.data["today"].path == "/data/today/*.csv"
    assert job.train.model == f"{tmp_path}/models/flight-delays"
    assert job.score.references == {"model": f"{job.train.model}@latest"}
    assert job.scores_what_it_trains
    assert job.score.output == f"{tmp_path}/predictions"


def test_urls_are_left_alone(tmp_path: Path) -> None:
    text = changed("data/month=*/*.parquet", "s3://bucket/./x.parquet")
    assert load(tmp_path, text).data["history"].path == "s3://bucket/./x.parquet"


def test_the_resolved_job_reads_back(tmp_path: Path) -> None:
    job = load(tmp_path, FULL)
    assert JobSpec.model_validate(job.to_dict()) == job


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ("workers = 2", 'workers = "2"', "cluster.workers", "valid integer"),
        ("workers = 2", "worker = 2", "cluster.worker", "did you mean 'workers'?"),
        ('"2 GiB"', '"2 Gib potatoes"', "cluster.memory", "byte"),
        ("${TODAY}", "${TOMORROW}", "data.today.path", "TOMORROW is not set"),
        ('"float32"', '"flaot32"', "data.history.contract.dep_delay.type", "'float32'?"),
        ("min = -120", "min = 4000", "data.history.contract.dep_delay.min", "more than max"),
        ("nulls = 0.05", "nulls = 5", "data.history.contract.dep_delay.nulls", "equal to 1"),
        ('key = ["flight_id"]', 'keys = ["a"]', "data.history.keys", "did you mean 'key'?"),
        ('["flight_id"]', '["a", "a"]', "data.history.key", "twice: a"),
        ('with = "median"', 'with = "medain"', "features.steps[0].with", "'median'?"),
        (', with = "median"', "", "features.steps[0].with", "is required"),
        ("value = 0", "indicator = true", "features.steps[1].value", "is required"),
        ("{ scale =", "{ scael =", "features.steps[3].scael", "did you mean 'scale'?"),
        ("{ scale =", '{ encode = ["a"], scale =', "features.steps[3]", "several verbs"),
        ('{ scale = ["distance"], ', "{ ", "features.steps[3]", "one of: impute"),
        ("min_count = 5", "mincount = 5", "features.steps[2].mincount", "'min_count'?"),
        (
            'drop = ["tail"]',
            'columns = ["late", "air_time", "gate", "carrier", "distance"]',
            "features.columns",
            "is the target",
        ),
        ("derive.speed", "derive.late", "features.derive.late", "is the target"),
        ('data = "history"', 'data = "histroy"', "train.data", "did you mean 'history'?"),
        ('task = "binary"', 'task = "binray"', "train.task", "did you mean 'binary'?"),
        ('model = "models/flight-delays"\n', "", "train.model", "is required"),
        ("valid = 0.1, ", "", "train.early_stopping", "validation rows"),
        ("valid = 0.1", "valid = 1.0", "train.split.valid", "less than 1"),
        ("valid = 0.1", "valid = 0.95", "train.split.test", "no rows to train"),
        ("valid = 0.1", 'valid = ["a"]', "train.split.valid", "a share such as"),
        ("valid = 0.1", "valid = true", "train.split.valid", "valid number"),
        ('time = "departed_at"', "", "train.split.column", "names no time column"),
        ('by = "time"', 'by = "hash"', "train.split.columns", "is required"),
        ('by = "time"', 'by = "group"', "train.split.column", "is required"),
        (
            'by = "time", valid = 0.1, test = 0.1',
            'by = "systematic", valid = 0.1, test = 0.12345',
            "train.split.test",
            "every 1000 rows or fewer",
        ),
        ('by = "time"', 'by = "systematic", column = "a"', "train.split.column", "does not go"),
        ('by = "time"', 'by = "time", columns = ["a"]', "train.split.columns", "does not go"),
        ("test = 0.1", "at = [2008-01-01]", "train.split.valid", "does not go with `at`"),
        ("num_leaves", "n_iter = 4, num_leaves", "train.params.n_estimators", "n_iter"),
        ("= 1000", "= 0", "train.params.n_estimators", "whole number"),
        ("num_leaves", "objective", "train.params.objective", "train.objective"),
        ("early_stopping = 50", 'metric = "rmse"', "train.metric", "log_loss, auc"),
        ("@latest", "", "score.model", "names no version"),
        ("@latest", "@new", "score.model", "names no version"),
        ('columns = ["carrier"]', 'columns = ["prediction"]', "score.columns[0]", "adds"),
        ('data = "today"', 'data = "tody"', "score.data", "did you mean 'today'?"),
        ('"predictions/"', '"/data/today"', "score.output", "data.today is read from"),
        ("[evaluate]", "[evalute]", "evalute", "did you mean 'evaluate'?"),
        ("[evaluate]", '[evaluate]\nby = ["a", "a"]', "evaluate.by", "twice: a"),
        ('"flight-delays"\n\n[c', '"flight delays"\n\n[c', "name", "letter or digit"),
    ],
)
def test_a_problem_names_its_key(tmp_path: Path, old: str, new: str, key: str, what: str) -> None:
    found = problems(tmp_path, changed(old, new))
    assert key in found, found
    assert what in found[key]


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ('name = "x"', "data", "is required"),
        (
            'name = "x"\n[data.a]\npath = "a"',
            "job file",
            "add [profile], [sort], [prepare], [train] or [score]",
        ),
        ('name = "x"\n[data.a]\npath = ""', "data.a.path", "at least 1 character"),
        ("", "name", "is required"),
        ('name = "x"\ndata = 3', "data", "valid dictionary"),
    ],
)
def test_small_files(tmp_path: Path, text: str, key: str, what: str) -> None:
    assert what in problems(tmp_path, text)[key]


def test_sections_need_each_other(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        'name = "x"\n[data.a]\npath = "a"\n[features]\n[evaluate]\n'
        '[score]\ndata = "a"\nmodel = "m@3"\noutput = "o"',
    )
    assert set(found) == {"features", "evaluate"}


def test_what_is_evaluated_is_said_once(tmp_path: Path) -> None:
    head = 'name = "x"\n[data.a]\npath = "a"\n[evaluate]\n'
    assert set(problems(tmp_path, head + 'model = "m@3"')) == {"evaluate.data"}
    assert "no version" in problems(tmp_path, head + 'model = "m"\ndata = "a"')["evaluate.model"]
    found = problems(tmp_path, head + 'model = "m@3"\ndata = "b"')
    assert "there is no [data.b]" in found["evaluate.data"]
    text = changed("[evaluate]", '[evaluate]\nmodel = "m@3"\ntarget = "y"')
    assert set(problems(tmp_path, text)) == {"evaluate.model", "evaluate.target"}


def test_all_problems_at_once_with_their_lines(tmp_path: Path) -> None:
    text = changed("workers = 2", "worker = 2").replace('"binary"', '"binray"')
    text = text.replace("valid = 0.1", "valid = 2.0").replace("min = -120", 'min = "low"')
    with pytest.raises(JobFileError) as caught:
        load(tmp_path, text)
    lines = text.splitlines()
    found = {dotted(p.key): lines[(p.line or 0) - 1] for p in caught.value.problems}
    assert found == {
        "cluster.worker": "worker = 2",
        "data.history.contract.dep_delay.min": lines[14],
        "train.task": 'task = "binray"',
        "train.split.valid": lines[34],
    }
    assert lines[14].startswith("dep_delay") and lines[34].startswith("split")
    message = str(caught.value)
    assert "the job file has 4 problems" in message and str(tmp_path / "job.toml") in message
    assert caught.value.exit_code == 2


def test_not_toml_says_the_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="line 2"):
        load(tmp_path, 'name = "x"\n[data\n')


def test_not_text(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(SpecError, match="UTF-8"):
        load_job(tmp_path / "job.toml")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read") as caught:
        load_job(tmp_path / "job.toml")
    assert caught.value.where == str(tmp_path / "job.toml")
    assert "millrace init" in (caught.value.hint or "")


def test_the_error_survives_pickling(tmp_path: Path) -> None:
    with pytest.raises(JobFileError) as caught:
        load(tmp_path, "")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_types_are_those_of_the_engine() -> None:
    assert set(get_args(TypeName)) == set(TYPES)


def test_split_by_column() -> None:
    split = SplitSpec(by="column", column="month", valid=0.2, test=(2, 3))
    assert split.keys == ("month",) and split.has_valid and split.has_test


def test_split_by_cuts() -> None:
    split = SplitSpec.model_validate({"by": "time", "at": ["2008-02-01", "2008-03-01"]})
    assert split.at == (datetime(2008, 2, 1), datetime(2008, 3, 1))
    assert split.has_valid and split.has_test
    one = SplitSpec(by="time", at=(datetime(2008, 2, 1, tzinfo=UTC),))
    assert not one.has_valid and one.has_test


def test_rounds_by_default() -> None:
    train = TrainSpec(data="a", target="y", task="regression", model="m")
    assert train.rounds == 100 and train.sample_rows == 200_000 and train.seed == 42


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES: list[tuple[str | int, ...]] = [
    ("name",),
    ("cluster",),
    ("data",),
    ("data", "a", "contract"),
    ("features",),
    ("features", "steps"),
    ("features", "steps", 0),
    ("features", "steps", 0, "impute"),
    ("train", "split"),
    ("train", "params"),
    ("score",),
]


@given(value=json_values, place=st.sampled_from(PLACES))
def test_any_value_anywhere_is_taken_or_is_a_problem(
    tmp_path_factory: pytest.TempPathFactory, value: Any, place: tuple[str | int, ...]
) -> None:
    from pydantic import ValidationError

    from jobs.spec.problems import problems_of

    job: Any = {
        "name": "x",
        "data": {"a": {"path": "a", "contract": {}}},
        "features": {"steps": [{"impute": ["a"], "with": "mean"}]},
        "train": {"data": "a", "target": "y", "task": "binary", "model": "m"},
    }
    inner = job
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    try:
        JobSpec.model_validate(job)
    except ValidationError as error:
        found = problems_of(error, JobSpec, job)
        assert found
        for problem in found:
            shared = min(len(problem.key), len(place))
            assert problem.what and (problem.key == () or shared)
            assert dotted(problem.key)


@pytest.mark.parametrize(
    ("change", "remote"),
    [
        ({}, False),
        ({"data": {"history": {"path": "file:///data"}}}, False),
        ({"data": {"history": {"path": "postgresql://db/rows", "sql": {"table": "t"}}}}, False),
        ({"data": {"history": {"path": "s3://bucket/rows"}}}, True),
        ({"data": {"history": {"path": "https://example.org/rows.parquet"}}}, True),
        ({"score": {"data": "history", "model": "m@1", "output": "gs://bucket/out"}}, True),
    ],
)
def test_tasks_wait_where_rows_lie_in_a_store(change: dict[str, object], remote: bool) -> None:
    job = {"name": "job", "data": {"history": {"path": "rows/"}}, "profile": {"data": "history"}}
    assert JobSpec.model_validate(job | change).remote is remote
