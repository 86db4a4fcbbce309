"""``[evaluate]`` of a model that is there already: it says what training said of the same rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.bundle import load
from engine.errors import ContractRefused, SpecError
from jobs.runs.result import Result
from tests.jobs.input_jobs import Heard, one_cluster, refused_by_plan, run

HEAD = """
name = "month"
[cluster]
workers = 1
memory = "1 GiB"
[data.rows]
path = "data/*.parquet"
{data}
"""

TRAIN = """
[features]
columns = ["x", "z"]
[train]
data = "rows"
model = "m"
{train}
[evaluate]
by = ["kind", "z > 0"]
"""

EVALUATE = """
[evaluate]
model = "m@latest"
data = "rows"
{more}
"""

BOOSTED = """
split = { by = "column", column = "part", test = ["test"], valid = ["valid"] }
params = { n_estimators = 8, num_leaves = 7, min_data_in_leaf = 5 }
"""

TASKS: Mapping[str, str] = {
    "binary": 'task = "binary"\ntarget = "y"\nbalance = "balanced"\ncalibrate = "sigmoid"\n'
    'threshold = { by = "f_beta", beta = 2 }\nmetric = "average_precision"' + BOOSTED,
    "multiclass": 'task = "multiclass"\ntarget = "wood"' + BOOSTED,
    "regression": 'task = "regression"\nobjective = "tweedie"\ntarget = "amount"' + BOOSTED,
    "ranking": 'task = "ranking"\ntarget = "clicks"\nquery = "session"' + BOOSTED,
    "clustering": 'task = "clustering"\nestimator = "sklearn.MiniBatchKMeans"\n'
    "params = { n_clusters = 3 }",
    "anomaly": 'task = "anomaly"\nestimator = "sklearn.IsolationForest"\n'
    "params = { n_estimators = 10 }",
    "reduction": 'task = "reduction"\nestimator = "sklearn.IncrementalPCA"\n'
    "params = { n_components = 1 }",
}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with one_cluster():
        yield


def table(rows: int = 1_500, noise: float = 0.5, seed: int = 3) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    session = np.arange(rows) // 6
    x, off = draw.normal(size=rows), draw.normal(size=rows) * noise
    return pl.DataFrame(
        {
            "x": x,
            "z": draw.normal(size=rows),
            "kind": draw.choice(["a", "b"], rows),
            "y": (x + off > 0.8).astype(np.int8),
            "wood": np.array(["ash", "elm", "oak"])[np.digitize(x + off, [-0.5, 1.0])],
            "amount": np.maximum(np.exp(x + off) - 0.5, 0),
            "clicks": np.digitize(x + off, [0, 1]).astype(np.int8),
            "session": session,
            "part": np.array(["train", "valid", "test"])[session % 3],
        }
    )


def write(folder: Path, frame: pl.DataFrame, *sections: str, data: str = "") -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for part, rows in enumerate(frame.iter_slices(-(-frame.height // 12) * 6)):
        rows.write_parquet(folder / f"data/{part}.parquet")
    job = folder / "job.toml"
    job.write_text(HEAD.format(data=data) + "".join(sections))
    return job


def evaluated(job: Path, heard: Heard | None = None) -> tuple[Result, dict[str, Any]]:
    """Run a job; return what it came to, and the metrics beside its report."""
    result = run(job, heard)
    told = json.loads((Path(result.folder) / "metrics.json").read_text())
    assert (Path(result.folder) / "report.html").stat().st_size > 10_000
    return result, told


def same(one: Any, other: Any) -> bool:
    """Compare JSON values; NaN, which a run's file tells as null, is as good as itself."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    none = [
        value is None or (isinstance(value, float) and not math.isfinite(value))
        for value in (one, other)
    ]
    return one == other or all(none)


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(task, marks=() if task in ("binary", "clustering") else pytest.mark.long)
        for task in TASKS
    ],
)
def test_it_says_of_rows_what_training_said_of_them(task: str, tmp_path: Path) -> None:
    train = TRAIN.format(train=TASKS[task])
    version = run(write(tmp_path, table(), train)).model
    assert version is not None
    kept = {path.name: path.read_bytes() for path in version.iterdir()}
    labelled = task in ("binary", "multiclass", "regression", "ranking")
    # The same test rows; of what has no split, the rows that it was trained on.
    before, data = ("test", "where = \"part = 'test'\"") if labelled else ("train", "")
    evaluate = EVALUATE.format(more='by = ["z > 0", "kind"]')
    result, told = evaluated(write(tmp_path, table(), evaluate, data=data))
    trained, found = load(version).metrics, told["metrics"]
    assert found["results"]["test"]["rows"] == told["data"]["rows"]["test"]
    assert same(trained["results"][before], found["results"]["test"])
    assert same(trained["intervals"][before], found["intervals"]["test"])
    figures = {name: one for name, one in trained.items() if isinstance(one, dict)}
    for name in ("roc", "ranked", "calibration", "decided", "by_class", "residuals", "confusion"):
        if name in figures:
            assert same(figures[name][before], found[name]["test"])
    if labelled:
        baselines = trained["baselines"]
        assert set(baselines) == {"constant", "one_feature", "linear"}
        for name, parts in baselines.items():
            assert same(parts["test"], found["baselines"][name]["test"])
        slices = {(one["by"], one["value"]): one for one in trained["slices"]}
        assert len(slices) == len(found["slices"]) == 4
        for one in found["slices"]:
            there = slices[one["by"], one["value"]]
            assert same(there["results"]["test"], one["results"]["test"])
            assert same(there["intervals"]["test"], one["intervals"]["test"])
        assert same(trained["results"]["test"], found["trained"]["results"])
    # The model stays as it was, and is not taken for one that this run has made.
    assert {path.name: path.read_bytes() for path in version.iterdir()} == kept
    assert result.model is None and result.evaluated == version
    # (Libraries that the worker has loaded for other tests are not in the plan of a survey.)
    for step in ("survey", "evaluate") if labelled else ("evaluate",):
        assert 0 < (result.memory[step]["measured"] or 0) <= (result.memory[step]["projected"] or 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a binary model `m`."""
    folder = tmp_path_factory.mktemp("trained")
    run(write(folder, table(), TRAIN.format(train=TASKS["binary"])))
    return folder


def month(folder: Path, model: Path, frame: pl.DataFrame, more: str = "", data: str = "") -> Path:
    evaluate = EVALUATE.format(more=more).replace("m@latest", f"{model}/m@1")
    return write(folder, frame, evaluate, data=data)


def test_another_month(tmp_path: Path, model: Path) -> None:
    """Labels drift, some are missing, some rows are bad; the label has another name."""
    frame = table(900, noise=3.0, seed=8).drop("part").rename({"y": "late"})
    frame = frame.with_row_index("id").with_columns(
        late=pl.when(pl.col("id") % 10 == 0).then(None).otherwise("late"),
        x=pl.when(pl.col("id") % 10 == 1).then(-99.0).otherwise("x"),
    )
    more = 'target = "late"\nmetric = "f1"\nbaseline = false'
    heard = Heard()
    job = month(tmp_path, model, frame, more, "contract.x = { min = -50 }")
    result, told = evaluated(job, heard)
    found = told["metrics"]
    assert told["data"]["rows"] == {"test": 720, "unlabelled": 90, "rejected": 90}
    assert found["results"]["test"]["rows"] == 720 and list(found["baselines"]) == ["constant"]
    assert result.evaluated_on["quarantined"] == 90
    aside = pl.read_parquet(Path(result.folder) / "quarantine/evaluate/*.parquet")
    assert aside.height == 90
    (worse,) = (text for text in heard.warnings if "worse than it was in training" in text)
    assert worse in found["warnings"] and worse.split(";")[0] in Path(result.report).read_text()
    assert any("in training the model had f1" in text for text in found["notes"])
    assert told["metric"] == "f1" and told["task"] == "binary"


def test_a_month_of_one_class_is_measured(tmp_path: Path, model: Path) -> None:
    _, told = evaluated(month(tmp_path, model, table().filter(pl.col("y") == 0)))
    test = told["metrics"]["results"]["test"]
    assert test["auc"] is None and test["positives"] == 0 and test["log_loss"] > 0


def test_labels_of_odd_rows_are_for_anomaly_models(tmp_path: Path) -> None:
    frame = table().with_columns(pl.when(pl.col("y") == 1).then(8.0).otherwise("x").alias("x"))
    run(write(tmp_path, frame, TRAIN.format(train=TASKS["anomaly"])))
    _, told = evaluated(write(tmp_path, frame, EVALUATE.format(more='target = "y"')))
    test = told["metrics"]["results"]["test"]
    assert test["auc"] > 0.75 and test["rows"] == frame.height


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('target = "lat"', "there is no column 'lat'"),
        ('metric = "ndcg@3"', "metric 'ndcg@3' does not go with task 'binary'"),
        ('by = ["zz > 0"]', "zz"),
        ('target = "kind"', "the label is a text, not 0 or 1"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_anything_runs(
    more: str, words: str, tmp_path: Path, model: Path
) -> None:
    refused_by_plan(month(tmp_path, model, table(), more), SpecError, words)


def test_data_without_what_the_model_needs_or_without_labels(tmp_path: Path, model: Path) -> None:
    job = month(tmp_path / "a", model, table().drop("z"))
    refused_by_plan(job, SpecError, "there is no column 'z'", f"{model}/m@1 needs")
    empty = table().with_columns(pl.lit(None, pl.Int8).alias("y"))
    with pytest.raises(ContractRefused, match="no row is left to measure the model on"):
        run(month(tmp_path / "b", model, empty))


@pytest.mark.long
def test_rankings_under_folds_of_queries(tmp_path: Path) -> None:
    """Every query is held out once and whole: its NDCG is counted in its fold, and in all."""
    frame = table()
    train = (
        TASKS["ranking"].split("\nsplit")[0]
        + "\nparams = { n_estimators = 8, num_leaves = 7, min_data_in_leaf = 5 }\n"
        'cross_validate = { by = "group", column = "session", count = 3 }\n'
        'split = { by = "group", column = "session", test = 0.2 }'
    )
    # Other partitions than files, and queries that go over their ends.
    result = run(write(tmp_path, frame, TRAIN.format(train=train)))
    assert result.model is not None
    metrics = load(result.model).metrics
    told = metrics["cross_validation"]
    [together] = told["out_of_fold"]
    rows = [fold["rows"] for fold in told["folds"]]
    queries = [fold["queries"] for fold in told["folds"]]
    assert len(rows) == 3 and min(queries) > 30 and rows == [6 * count for count in queries]
    assert sum(rows) == together["rows"] == metrics["results"]["train"]["rows"]
    assert sum(queries) == together["queries"]
    for name in ("ndcg@3", "map@10", "mrr"):
        found = np.array([fold[name] for fold in told["folds"]])
        assert 0.6 < found.min() < found.max() <= 1
        assert told["mean"][name] == pytest.approx(found.mean())
        assert together[name] == pytest.approx((found * queries).sum() / sum(queries), rel=1e-12)
    # Held-out queries are ranked better than in the order of the rows, and worse than those learnt.
    constant = metrics["results"]["baseline_train"]["ndcg@3"]
    assert constant + 0.05 < together["ndcg@3"] < metrics["results"]["train"]["ndcg@3"]
