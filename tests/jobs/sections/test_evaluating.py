"""``[evaluate]``, and what ``[train]`` does for rare classes, from a job file on a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.bundle import Bundle, load
from engine.calibration import Chain, Isotonic, Prior, Temperature
from engine.metrics.confidence import wilson
from jobs.report.wording import number
from jobs.runs.result import Result
from tests.jobs.input_jobs import Heard, one_cluster, run

JOB = """
name = "measured"
[cluster]
workers = 1
memory = "1 GiB"
[data.table]
path = "data/*.parquet"
key = ["id"]
[features]
{features}
[train]
data = "table"
model = "m"
{train}
[evaluate]
{evaluate}
"""

SCORE = """
[score]
data = "table"
model = "m@latest"
output = "out"
"""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with one_cluster():
        yield


def measured(
    folder: Path,
    frame: pl.DataFrame,
    *,
    features: str = "",
    train: str,
    evaluate: str = "",
    more: str = "",
) -> tuple[Result, Bundle, list[str]]:
    """Run a job on rows in three files; return what it came to, its model and its warnings."""
    (folder / "data").mkdir(parents=True)
    for part, rows in enumerate(frame.iter_slices(-(-frame.height // 3))):
        rows.write_parquet(folder / f"data/{part}.parquet")
    job = folder / "job.toml"
    job.write_text(JOB.format(features=features, train=train, evaluate=evaluate) + more)
    heard = Heard()
    result = run(job, heard)
    assert result.model is not None
    return result, load(result.model), heard.warnings


def rare(rows: int = 6_000) -> pl.DataFrame:
    """One row of eight is positive; those of kind `odd` cannot be told apart."""
    draw = np.random.default_rng(4)
    x, kind = draw.normal(size=rows), draw.choice(["a", "b", "odd"], rows, p=[0.4, 0.4, 0.2])
    noise = draw.normal(size=rows) * np.where(kind == "odd", 4.0, 0.4)
    y = x + noise > np.where(kind == "odd", 4.5, 1.3)
    columns = {"id": np.arange(rows), "x": x, "z": draw.normal(size=rows), "kind": kind}
    return pl.DataFrame({**columns, "y": y.astype(np.int8)})


RARE = """
target = "y"
task = "binary"
split = { by = "random", valid = 0.25, test = 0.25 }
params = { n_estimators = 20, num_leaves = 7 }
"""


def test_rare_classes_from_the_sampling_to_the_decision(tmp_path: Path) -> None:
    frame = rare()
    result, bundle, _ = measured(
        tmp_path,
        frame,
        features='columns = ["x", "z"]',
        train=RARE
        + 'balance = "balanced"\ncalibrate = "isotonic"\n'
        + 'threshold = { by = "cost", false_positive = 1, false_negative = 6 }',
        evaluate='by = ["kind", "x > 0"]',
        more=SCORE,
    )
    rows = bundle.provenance["rows"]
    train, left = rows["train"], rows["left_out"]
    assert train + left + rows["valid"] + rows["test"] == frame.height
    # As many of both classes, and probabilities that are shares of all rows nevertheless.
    assert isinstance(bundle.calibration, Chain)
    prior, line = bundle.calibration.links
    assert isinstance(prior, Prior) and isinstance(line, Isotonic)
    assert prior.kept[1] == 1 and train * prior.kept[0] / (1 + prior.kept[0]) < 0.3 * train
    found = bundle.metrics
    share = frame["y"].mean()
    assert isinstance(share, float)
    constant = found["results"]["baseline_test"]
    wanted = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert constant["log_loss"] == pytest.approx(wanted, rel=0.05)
    before = found["uncalibrated"]["test"]["log_loss"]
    assert found["results"]["test"]["log_loss"] < constant["log_loss"]
    assert before < constant["log_loss"]
    # The threshold is below a half, is what scoring decides by, and is measured.
    assert bundle.threshold is not None and 0.05 < bundle.threshold < 0.4
    assert found["threshold"] == {
        "by": "cost",
        "false_positive": 1.0,
        "false_negative": 6.0,
        "at": bundle.threshold,
        "value": found["threshold"]["value"],
    }
    out = pl.read_parquet(tmp_path / "out/*.parquet")
    assert ((out["probability"] > bundle.threshold) == (out["prediction"] == 1)).all()
    # All training rows are measured, also those that were left out.
    assert found["results"]["train"]["rows"] == train + left
    assert list(found["baselines"]) == ["constant", "linear", "one_feature"]
    told = {name: step for name, step in result.memory.items() if name in ("calibrate", "evaluate")}
    assert len(told) == 2
    for step in told.values():
        assert 0 < (step["measured"] or 0) <= (step["projected"] or 0)


def test_slices_tell_where_a_model_is_worse(tmp_path: Path) -> None:
    result, bundle, warnings = measured(
        tmp_path,
        rare(),
        features='columns = ["x", "z", "kind"]\n'
        'steps = [{ encode = ["kind"], with = "category" }]\nderive.half = "x / 2"',
        train=RARE,
        evaluate='by = ["kind", "half > 0"]',
    )
    slices = {(one["by"], one["value"]): one["results"] for one in bundle.metrics["slices"]}
    assert set(slices) == {
        *(("kind", kind) for kind in ("a", "b", "odd")),
        *(("half > 0", kind) for kind in ("true", "false")),
    }
    results = bundle.metrics["results"]
    for by in ("kind", "half > 0"):
        for part in ("valid", "test"):
            counts = [found[part]["rows"] for (name, _), found in slices.items() if name == by]
            assert sum(counts) == results[part]["rows"]
    # Each slice has intervals of its own rows.
    for one in bundle.metrics["slices"]:
        test, intervals = one["results"]["test"], one["intervals"]["test"]
        for name in ("auc", "log_loss", "f1", "average_precision"):
            assert intervals[name][0] <= test[name] <= intervals[name][1]
        right = round(test["accuracy"] * test["rows"])
        assert tuple(intervals["accuracy"]) == wilson(right, test["rows"])
    page = Path(result.report).read_text()
    low, high = bundle.metrics["slices"][0]["intervals"]["test"]["auc"]
    assert f"<small>{number(low)} to {number(high)}</small>" in page
    (told,) = (text for text in warnings if "kind = odd" in text)
    assert told.startswith("the model is much worse on test rows with kind = odd: log_loss ")
    assert told in bundle.metrics["warnings"]


def test_a_model_that_a_baseline_beats_is_told(tmp_path: Path) -> None:
    _, bundle, warnings = measured(
        tmp_path,
        rare(),
        features='columns = ["x", "z"]',
        train=RARE.replace("n_estimators = 20", "n_estimators = 1, learning_rate = 0.01"),
        evaluate="baseline = true",
    )
    for name in ("linear", "one_feature"):
        assert any(f"the baseline {name} " in text and "on test rows" in text for text in warnings)
    assert bundle.metrics["warnings"] == warnings


def test_an_overfitted_model_is_told(tmp_path: Path) -> None:
    _, bundle, warnings = measured(
        tmp_path,
        rare(1_500),
        features='columns = ["x", "z"]',
        train=RARE.replace("n_estimators = 20, num_leaves = 7", "n_estimators = 150").replace(
            "params = {", "params = { min_data_in_leaf = 1, learning_rate = 0.3, num_leaves = 63,"
        ),
        evaluate="baseline = false",
    )
    assert any("overfitted" in text for text in warnings)
    assert list(bundle.metrics["baselines"]) == ["constant"]


def test_several_classes_are_calibrated_by_their_temperature(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    x, z = draw.normal(size=(2, 4_000))
    kind = np.array(["ash", "elm", "oak"])[np.digitize(x + draw.normal(size=4_000), [-0.5, 1.5])]
    _, bundle, _ = measured(
        tmp_path,
        pl.DataFrame({"id": np.arange(4_000), "x": x, "z": z, "kind": kind}),
        features='columns = ["x", "z"]',
        train='target = "kind"\ntask = "multiclass"\ncalibrate = "temperature"\n'
        'balance = { elm = 0.5 }\nsplit = { by = "random", valid = 0.3, test = 0.3 }\n'
        "params = { n_estimators = 60, num_leaves = 31, min_data_in_leaf = 2 }",
    )
    assert isinstance(bundle.calibration, Chain)
    prior, temperature = bundle.calibration.links
    assert prior == Prior((1.0, 0.5, 1.0))
    assert isinstance(temperature, Temperature) and temperature.sharpness < 0.8
    after, before = bundle.metrics["results"]["test"], bundle.metrics["uncalibrated"]["test"]
    assert after["log_loss"] < before["log_loss"]
    assert after["accuracy"] == before["accuracy"]


NAMES = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital", "occupation"),
    *("relationship", "race", "sex", "capital_gain", "capital_loss", "hours", "country", "income"),
)


def adult(folder: Path) -> pl.DataFrame:
    """Return the rows of both files of the Adult set; `part` says of which."""
    kinds: Mapping[str, Any] = dict.fromkeys(NAMES, pl.String)
    frames = []
    for part, skip in (("data", 0), ("test", 1)):
        text = (folder / f"adult/adult.{part}").read_text().splitlines()[skip:]
        rows = [line.rstrip(".").split(", ") for line in text if line.strip()]
        frame = pl.DataFrame(rows, schema=dict(kinds), orient="row")
        frames.append(frame.with_columns(pl.lit(part).alias("part")))
    numbers = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours")
    return pl.concat(frames).with_columns(pl.col(numbers).cast(pl.Int64)).with_row_index("id")


@pytest.mark.slow
def test_real_records_beside_their_baselines(tmp_path: Path, data_dir: Path) -> None:
    texts = [name for name, kind in adult(data_dir).schema.items() if kind == pl.String]
    encoded = [name for name in texts if name not in ("income", "part")]
    _, bundle, warnings = measured(
        tmp_path,
        adult(data_dir),
        features=f'drop = ["part"]\nsteps = [{{ encode = {encoded}, with = "category" }}]',
        train='target = "income = \'>50K\'"\ntask = "binary"\n'
        'split = { by = "column", column = "part", test = ["test"], valid = 0.2 }\n'
        'threshold = { by = "f_beta" }\nparams = { n_estimators = 100 }',
        evaluate='by = ["sex"]',
    )
    found = bundle.metrics
    auc = {name: parts["test"]["auc"] for name, parts in found["baselines"].items()}
    assert auc["constant"] == 0.5
    assert 0.77 < auc["one_feature"] < 0.80 and 0.90 < auc["linear"] < 0.91
    assert found["results"]["test"]["auc"] > 0.925
    assert not [text for text in warnings if "is better than the model" in text]
    assert bundle.threshold is not None and 0.3 < bundle.threshold < 0.5
    assert {one["value"] for one in found["slices"]} == {"Male", "Female"}
