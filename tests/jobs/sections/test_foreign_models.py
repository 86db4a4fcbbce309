"""Whole jobs that score with models that are not LightGBM's, on real Dask workers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from cluster.session import connect
from cluster.spec import LocalCluster
from engine.errors import ModelFailed, PlanRefused, SpecError
from engine.features.call import VARIABLE
from engine.registry import save
from engine.scoring import Asked, Bundled
from jobs.sections import sessions
from jobs.spec.foreign import FunctionSpec
from jobs.spec.jobfile import JobFileError, load_job
from tests.engine.scoring.small_models import small_bundle
from tests.jobs.input_jobs import (
    files,
    one_cluster,
    plan,
    refused,
    refused_by_plan,
    run,
    scored,
    set_aside,
    table,
    write_job,
)

MODULE = """
import ctypes
import os
import polars as pl

def load():
    return 3.0

def predict(frame, factor):
    if (frame["n"] == -1).any():
        ctypes.string_at(0)
    return frame.select(score=pl.col("x") * factor, size=pl.lit(frame.height), kind="kind")

def whose(frame):
    return {"pid": [os.getpid()] * frame.height}
"""

FUNCTION = """
[score]
data = "table"
output = "out"
[score.function]
import = "shop_scoring:predict"
setup = "load"
inputs = ["x", "n", "kind"]
columns = { score = "float64", size = "int32", kind = "category" }
batch = 70
memory = "300 MiB"
"""

MEMBERS = """
[score]
data = "table"
output = "out"
{more}
[score.models]
champion = "models/m@1"
[score.models.challenger.function]
import = "shop_scoring:predict"
setup = "load"
inputs = ["x", "n", "kind"]
columns = {{ score = "float64", size = "int32", kind = "category" }}
memory = "300 MiB"
[score.models.witness.function]
import = "shop_scoring:whose"
inputs = ["n"]
columns = {{ pid = "int64" }}
memory = "200 MiB"
"""


@pytest.fixture(scope="module", autouse=True)
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A package of the user's own; it is there before the workers start."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop_scoring.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        patch.setenv(VARIABLE, "shop_scoring")
        patch.setattr("engine.plan._FINEST_BYTES", 1)  # several partitions of little data
        patch.setattr("engine.plan._COLUMN_BYTES", 1)
        patch.setattr("engine.plan._SPREAD", 3)
        yield folder


@pytest.fixture(scope="module")
def cluster(shop: Path) -> Iterator[None]:
    with one_cluster():
        yield


def several(folder: Path) -> pl.DataFrame:
    """Write three files; return their rows."""
    frames = [table(rows, first) for rows, first in ((200, 0), (150, 200), (90, 350))]
    files(folder, *frames)
    return pl.concat(frames)


def test_a_function_scores_batch_by_batch(tmp_path: Path, cluster: None) -> None:
    rows = several(tmp_path)
    job = write_job(tmp_path, more=FUNCTION)
    result = run(job)
    found = scored(job)
    assert found.columns == ["id", "score", "size", "kind"]
    assert found["score"].to_list() == (rows["x"] * 3).to_list()
    assert found["kind"].to_list() == rows["kind"].to_list()
    sizes = [part.rows for part in plan(job).score_partitions]
    assert len(sizes) >= 3 and max(sizes) > 70
    batches = [min(70, rows - first) for rows in sizes for first in range(0, rows, 70)]
    assert found["size"].to_list() == [size for size in batches for _ in range(size)]
    assert "score" in run(job).skipped
    assert result.scored_by == {"function": "shop_scoring:predict"}
    (step,) = plan(job).plan.steps
    terms = {term.name: term.bytes for term in step.terms}
    assert terms["models in processes of their own"] == 300 * 2**20 and "predictor" not in terms


@pytest.mark.slow
def test_the_bytes_are_those_of_two_workers(
    tmp_path: Path, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    several(tmp_path)
    job, found = write_job(tmp_path, more=FUNCTION), []
    run(job)
    found.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    job.write_text(job.read_text().replace('"out"', '"again"'))
    with connect(LocalCluster(workers=2, memory="900 MiB")) as session:
        monkeypatch.setattr(sessions, "connect", lambda _, **__: nullcontext(session))
        run(job)
    found.append({path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()})
    assert len(found[0]) >= 3 and found[0] == found[1]


def test_a_crash_takes_one_part_and_no_worker(tmp_path: Path, cluster: None) -> None:
    rows = several(tmp_path)
    poisoned = table(150, 200).with_columns(n=pl.when(pl.col("id") == 280).then(-1).otherwise("n"))
    poisoned.write_parquet(tmp_path / "data/1.parquet")
    job = write_job(tmp_path, more=FUNCTION)
    error = refused(job, ModelFailed, "SIGSEGV", "the function shop_scoring:predict")
    told = r"partition \d+, from row [\d,]+ of \S+data/\d.parquet: good rows \d+ to \d+ of"
    assert re.search(told, error.where or "")
    job.write_text(job.read_text().replace("[score]\n", '[score]\non_bad_part = "quarantine"\n'))
    result, left = run(job), scored(job)["id"].to_list()
    aside = set_aside(job)
    assert 280 in aside["id"].to_list() and "SIGSEGV" in aside["reason"][0]
    assert left and sorted([*left, *aside["id"]]) == rows["id"].to_list()
    assert result.ledger["scored"] == len(left)


def test_onnx(tmp_path: Path, cluster: None) -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import FloatTensorType

    rows = several(tmp_path)
    x = rows.select("x", "n").to_numpy().astype(np.float32)
    model = LogisticRegression(max_iter=500).fit(x, rows["label"].to_numpy())
    types = [("input", FloatTensorType([None, 2]))]
    made = skl2onnx.convert_sklearn(model, initial_types=types, options={"zipmap": False})
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    section = """
[score]
data = "table"
output = "out"
[score.onnx]
path = "model.onnx"
inputs = ["x", "n"]
columns = { label = "int8", p = "float32" }
outputs = { p = "probabilities[1]" }
"""
    job = write_job(tmp_path, more=section)
    run(job)
    found = scored(job)
    assert dict(found.schema)["label"] == pl.Int8
    assert found["label"].to_list() == model.predict(x).tolist()
    assert np.allclose(found["p"], model.predict_proba(x)[:, 1], atol=1e-6)
    model.coef_ *= 2
    made = skl2onnx.convert_sklearn(model, initial_types=types, options={"zipmap": False})
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(SpecError, match="overwrite"):
        run(job)  # another model, so other rows


def test_skops(tmp_path: Path, cluster: None) -> None:
    io = pytest.importorskip("skops.io")
    rows = several(tmp_path)
    frame = rows.select("x", "n").to_pandas()
    model = LogisticRegression(max_iter=500).fit(frame, rows["label"].to_numpy())
    io.dump(model, tmp_path / "model.skops")
    section = """
[score]
data = "table"
output = "out"
[score.skops]
path = "model.skops"
inputs = ["x", "n"]
columns = { prediction = "int8", probability = "float32" }
"""
    job = write_job(tmp_path, more=section)
    run(job)
    found = scored(job)
    assert found["prediction"].to_list() == model.predict(frame).tolist()
    expected = model.predict_proba(frame)[:, 1].astype(np.float32)
    assert found["probability"].to_list() == expected.tolist()


def test_xgboost(tmp_path: Path, cluster: None) -> None:
    xgboost = pytest.importorskip("xgboost")
    rows = several(tmp_path)
    x = rows.select("x", "n").to_numpy().astype(np.float32)
    data = xgboost.DMatrix(x, rows["label"].to_numpy(), feature_names=["x", "n"])
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 5)
    booster.save_model(tmp_path / "model.json")
    section = """
[score]
data = "table"
output = "out"
[score.xgboost]
path = "model.json"
inputs = ["n", "x"]
columns = { probability = "float32" }
"""
    job = write_job(tmp_path, more=section)
    run(job)
    assert scored(job)["probability"].to_list() == booster.predict(data).tolist()


def members(folder: Path, more: str = "") -> Path:
    save(small_bundle("binary", ("x",)).files(), folder / "models/m")
    stack = small_bundle("regression", ("x", "score_challenger"))
    save(stack.files(), folder / "models/stack")
    return write_job(folder, more=MEMBERS.format(more=more), memory="2 GiB")


def test_models_of_other_kinds_stand_beside_those_of_millrace(
    tmp_path: Path, cluster: None
) -> None:
    rows = several(tmp_path)
    job = members(tmp_path, 'combine = "models/stack@1"\nraw = true')
    (step,) = plan(job).plan.steps
    terms = {term.name: term.bytes for term in step.terms}
    assert terms["models in processes of their own"] == 500 * 2**20 and "predictor" in terms
    result, found = run(job), scored(job)
    assert len(plan(job).score_partitions) >= 3
    champion = ["prediction_champion", "probability_champion", "raw_champion"]
    others = ["score_challenger", "size_challenger", "kind_challenger", "pid_witness"]
    assert found.columns == ["id", *champion, *others, "prediction", "raw"]
    alone = Bundled(small_bundle("binary", ("x",)), Asked(raw=True)).predict(rows)
    assert all(found[f"{one.name}_champion"].equals(one) for one in alone)
    assert found["score_challenger"].to_list() == (rows["x"] * 3).to_list()
    read = rows.with_columns(found["score_challenger"])
    stack = Bundled(small_bundle("regression", ("x", "score_challenger")), Asked())
    assert found["prediction"].equals(stack.predict(read)[0])
    # Its process waits while the others are asked, from partition to partition.
    assert found["pid_witness"].n_unique() == 1
    assert set(result.scored_by) == {
        f"models.{n}" for n in ("champion", "challenger", "witness")
    } | {"combine"}
    assert "score" in run(job).skipped


def test_what_is_wrong_with_one_of_several_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several(tmp_path)
    job = members(tmp_path)
    text = job.read_text()
    job.write_text(text.replace(":whose", ":who"))
    refused_by_plan(job, SpecError, "score.models.witness.function", "has no attribute 'who'")
    job.write_text(text.replace('["n"]', '["nn"]'))
    refused_by_plan(job, SpecError, "no column 'nn'", "score.models.witness, needs", "mean 'n'?")
    refused_by_plan(members(tmp_path, 'combine = "mean"'), SpecError, "score.models.challenger")
    monkeypatch.setenv(VARIABLE, "")
    refused_by_plan(members(tmp_path), SpecError, "score.models.challenger.function.import")


def test_code_that_nobody_allowed_is_not_imported(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    (shop / "other_scoring.py").write_text(f"open({str(mark)!r}, 'w')\ndef predict(f): ...\n")
    several(tmp_path)
    job = write_job(tmp_path, more=FUNCTION.replace("shop_", "other_"))
    error = refused_by_plan(job, SpecError, "not allowed here", "score.function.import")
    assert f"{VARIABLE}=other_scoring" in str(error) and not mark.exists()
    types = '[score.skops]\ntrusted = ["other_scoring.Model"]\npath = "m"\n'
    types += 'inputs = ["x"]\ncolumns = { prediction = "int8" }\n'
    head = FUNCTION.partition("[score.function]")[0]
    refused_by_plan(write_job(tmp_path, more=head + types), SpecError, "score.skops.trusted")


def test_what_is_wrong_with_the_model_is_told_before_anything_runs(tmp_path: Path) -> None:
    several(tmp_path)
    job = write_job(tmp_path, more=FUNCTION.replace(":predict", ":forecast"))
    refused_by_plan(job, SpecError, "score.function", "has no attribute 'forecast'")
    job = write_job(tmp_path, more=FUNCTION.replace('"x", ', '"y", '))
    refused_by_plan(job, SpecError, "there is no column 'y'")
    job = write_job(tmp_path, more=FUNCTION.replace("300 MiB", "2 GiB"))
    refused_by_plan(job, PlanRefused, "models in processes of their own 2,048 MiB")
    job = write_job(tmp_path, more=FUNCTION.replace("score = ", "id = "))
    refused_by_plan(job, SpecError, "'id' is the name of a column that scoring adds")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (FUNCTION.replace(":predict", ""), "score.function.import: should be an import path"),
        (FUNCTION.replace("float64", "float"), "score.function.columns.score: "),
        (FUNCTION.replace("batch = 70", "batch = 0"), "score.function.batch: "),
        (FUNCTION.replace("300 MiB", "3 MiB"), "score.function.memory: "),
        (FUNCTION.replace("[score.f", 'model = "m@1"\n[score.f'), "score.model: does not go with"),
        (FUNCTION.replace("[score.f", "threshold = 0.3\n[score.f"), "score.threshold: does not go"),
        (
            FUNCTION.replace("[score.f", "[score.models.own.f").replace("batch = 70", "bach = 70"),
            "score.models.own.function.bach: unknown key; did you mean 'batch'?",
        ),
        (
            FUNCTION.partition("[score.f")[0] + "models = { own = {} }",
            "score.models.own: needs one of function, onnx, skops, xgboost",
        ),
        (
            FUNCTION.partition("[score.f")[0] + 'models = { own = "models/m" }',
            "score.models.own: names no version",
        ),
        (
            FUNCTION.replace("[score.f", "[score.models.own.f")
            + '[score.models.own.onnx]\npath = "m"\ninputs = ["x"]\ncolumns = { p = "float32" }\n',
            "score.models.own.onnx: does not go with `function`",
        ),
        (
            FUNCTION + '[score.onnx]\npath = "m"\ninputs = ["x"]\ncolumns = { p = "float32" }\n',
            "score.onnx: does not go with `function`",
        ),
        (
            FUNCTION.partition("[score.f")[0] + '[score.onnx]\npath = "m"\ninputs = ["x"]\n'
            'columns = { p = "float32" }\noutputs = { q = "o" }\ntensors = { t = ["z"] }\n',
            "score.onnx.outputs.q: is not in columns; did you mean 'p'?|known: p",
        ),
    ],
)
def test_the_job_file_is_checked(tmp_path: Path, more: str, told: str) -> None:
    job = write_job(tmp_path, more=more)
    with pytest.raises(JobFileError) as caught:
        load_job(job)
    assert any(text in str(caught.value) for text in told.split("|")), str(caught.value)


def test_a_section_reads_back_what_it_is(tmp_path: Path) -> None:
    score = load_job(write_job(tmp_path, more=FUNCTION)).score
    assert score is not None and score.function is not None
    assert FunctionSpec.model_validate(score.function.to_dict()) == score.function
