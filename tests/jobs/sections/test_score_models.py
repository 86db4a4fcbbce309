"""Several models in one ``[score]``: what does not go together is told before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.commit import run_key
from engine.contract import Rule
from engine.errors import MillraceError, ModelError, SpecError
from engine.features.combine.windows import FittedLag
from engine.features.fitted import FittedPipeline
from engine.registry import open_model, save
from engine.scoring import Asked, Bundled
from jobs.fingerprint import scoring_spec
from jobs.planning.plan import Planned, plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.spec.jobfile import JobFileError, load_job
from jobs.spec.problems import dotted
from jobs.work.wanted import Wanted, together
from tests.engine.scoring.small_models import small_bundle

JOB = """
name = "several"
[cluster]
workers = 2
memory = "1 GiB"
[data.table]
path = "data"
key = ["id"]
{data}
{train}
[score]
data = "table"
output = "out"
"""

TWO = 'models = { champion = "models/a@1", challenger = "models/b@latest" }\n'

TRAIN = """
[features]
columns = ["x", "y"]
[train]
data = "table"
target = "label"
task = "{task}"
params = {{ n_estimators = 4, num_leaves = 7, min_data_in_leaf = 5 }}
model = "models/own"
"""


def table(rows: int = 600) -> pl.DataFrame:
    draw = np.random.default_rng(1)
    columns = {name: draw.normal(size=rows) for name in "xyz"}
    label = (columns["x"] + draw.normal(size=rows) * 0.3 > 0).astype(int)
    return pl.DataFrame({"id": range(rows), **columns, "label": label, "k": rows * ["k"]})


def store(folder: Path, name: str, task: str = "binary", **more: Any) -> None:
    features = more.pop("features", ("x", "y"))
    save(small_bundle(task, features, **more).files(), folder / "models" / name)


def write(folder: Path, score: str, *, train: str = "", data: str = "", files: int = 1) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    whole = table()
    for at in range(files):
        piece = whole[at * 600 // files : (at + 1) * 600 // files]
        piece.write_parquet(folder / f"data/{at}.parquet", row_group_size=50)
    job = folder / "job.toml"
    job.write_text(JOB.format(train=train, data=data) + score, encoding="utf-8")
    return job


def plan(job: Path) -> Planned:
    return plan_job(load_job(job))


def run(job: Path) -> Result:
    return run_job(load_job(job), job.parent / "runs", Together([]))


def refused(folder: Path, score: str, kind: type[MillraceError] = SpecError, **more: str) -> str:
    with pytest.raises(kind) as caught:
        plan(write(folder, score, **more))
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize(
    ("score", "key", "what"),
    [
        ("", "score.model", "is required: a model and version, or a table `models`"),
        ('model = "models/a@1"\n' + TWO, "score.models", "give one of the two"),
        ("models = {}", "score.models", "at least 1"),
        ('models = { a = "models/a" }', "score.models.a", "names no version"),
        ('models = { "a b" = "models/a@1" }', 'score.models."a b"', "only letters, digits"),
        (TWO + 'combine = "man"', "score.combine", 'should be "mean", or a model and version'),
        ('model = "models/a@1"\ncombine = "mean"', "score.combine", "goes with a table"),
        ('model = "models/a@1"\nweights = { a = 1 }', "score.weights", "goes with a table"),
        ('models = { a = "m@1" }\ncombine = "mean"', "score.combine", "two models or more"),
        (TWO + "weights = { champion = 2 }", "score.weights", 'combine = "mean"'),
        (
            TWO + 'combine = "mean"\nweights = { champoin = 2 }',
            "score.weights.champoin",
            "did you mean 'champion'?",
        ),
        (
            TWO + 'combine = "mean"\nweights = { champion = 0 }',
            "score.weights.champion",
            "greater than 0",
        ),
        (TWO + 'combine = "mean"\ncolumns = ["prediction"]', "score.columns[0]", "adds"),
        (
            TWO + 'rename = { id = "a", x = "a" }',
            "score.rename.id",
            "several columns are to be called 'a'",
        ),
    ],
)
def test_problems_of_the_section(tmp_path: Path, score: str, key: str, what: str) -> None:
    with pytest.raises(JobFileError) as caught:
        load_job(write(tmp_path, score))
    found = {dotted(one.key): one.what for one in caught.value.problems}
    assert what in found[key]


def test_a_section_reads_back(tmp_path: Path) -> None:
    text = TWO + 'combine = "mean"\nweights = { champion = 2 }\nrename = { prediction = "p" }'
    job = load_job(write(tmp_path, text))
    assert type(job).model_validate(job.to_dict()) == job
    assert job.score is not None
    assert list(job.score.references) == ["models.champion", "models.challenger"]


@pytest.mark.parametrize(
    ("second", "combine", "told"),
    [
        ({"task": "regression"}, "mean", ["score.models.champion", "binary and regression"]),
        ({"task": "ranking"}, "mean", ["score.models.challenger", "ranking only order"]),
        ({"classes": ("no", "yes")}, "mean", ["binary and binary of 'no', 'yes'"]),
        ({}, "models/own@1", ["own@1 reads no column", "prediction_champion"]),
        (
            {},
            "models/odd@1",
            [
                "no column 'probability_chalenger'",
                "score.combine",
                "mean 'probability_challenger'?",
            ],
        ),
        ({}, "models/whole@1", ["'probability_champion' as int8", "float32 here"]),
        ({}, "models/none@1", []),
    ],
)
def test_what_cannot_be_combined(
    tmp_path: Path, second: dict[str, Any], combine: str, told: list[str]
) -> None:
    store(tmp_path, "a")
    store(tmp_path, "b", **second)
    store(tmp_path, "own")
    store(tmp_path, "odd", features=("probability_champion", "probability_chalenger"))
    store(tmp_path, "whole", features=("probability_champion",), types="int8")
    kind = SpecError if told else ModelError
    text = refused(tmp_path, TWO + f'combine = "{combine}"', kind)
    assert all(one in text for one in told), text


def test_contracts_are_put_together(tmp_path: Path) -> None:
    store(tmp_path, "a", rules={"x": Rule(min=-3, max=5, nulls=0), "y": Rule(values=(1, 2, 3))})
    store(tmp_path, "b", rules={"x": Rule(min=-9, max=4), "y": Rule(values=(3, 2)), "z": Rule()})
    work = plan(write(tmp_path, TWO)).scoring
    assert work is not None and work.inputs == ("x", "y")
    x, y = (work.dataset.source.contract.rules[name] for name in "xy")
    assert (x.min, x.max, x.nulls, x.type) == (-3, 4, 0, "float64")
    assert y.values == (2, 3)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ({"types": "float32"}, ["'x' is float64 for one model and float32 for the other"]),
        ({"rules": {"x": Rule(values=(3,))}}, ["values of column 'x' is (1,) and (3,)"]),
        ({"rules": {"x": Rule(local="UTC")}}, []),
    ],
)
def test_contracts_that_contradict_each_other(
    tmp_path: Path, second: dict[str, Any], told: list[str]
) -> None:
    store(tmp_path, "a", rules={"x": Rule(values=(1,))})
    store(tmp_path, "b", **second)
    if told:
        text = refused(tmp_path, TWO)
        assert "score.models.champion and score.models.challenger" in text
        assert all(one in text for one in told), text
    # The section of the data goes before both, here as ever.
    assert plan(
        write(tmp_path, TWO, data='contract.x.type = "float64"\ncontract.y.type = "float64"')
    )


def test_a_column_that_one_model_can_do_without_is_required_by_the_other() -> None:
    def wanted(**rule: Any) -> Wanted:
        return Wanted(("x",), 1, 0, {"x": Rule(**rule)})

    for one, other in (({}, {"required": False}), ({"required": False}, {})):
        assert together({"a": wanted(**one), "b": wanted(**other)}).rules["x"].required
    both = together({"a": wanted(aliases=("p",), unique=True), "b": wanted(aliases=("q", "p"))})
    assert both.rules["x"] == Rule(aliases=("p", "q"), unique=True)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('rename = { probability = "p" }', "did you mean 'probability_champion'?"),
        ('rename = { prediction_champion = "id" }', "2 columns of the output would be called 'id'"),
        ('columns = ["x"]\nrename = { id = "x" }', "2 columns of the output would be called 'x'"),
        ('rename = { z = "zz" }', "the output has no column 'z'"),
    ],
)
def test_names_that_do_not_go(tmp_path: Path, more: str, told: str) -> None:
    store(tmp_path, "a")
    store(tmp_path, "b", seed=1)
    assert told in refused(tmp_path, TWO + more)


def lagging(by: tuple[str, ...], column: str = "x", **derive: str) -> FittedPipeline:
    steps = (FittedLag([column], "id", by, [1]),)
    made = (f"{column}_lag1", "y")
    inputs = ("x", "y", "id", *by)
    return FittedPipeline(derive, steps, made, inputs)


def lags(folder: Path, name: str, pipeline: FittedPipeline, **more: Any) -> None:
    made = small_bundle("binary", pipeline.features, pipeline=pipeline, **more)
    types = {"id": "int64", "k": "string"}
    kinds = {one: types.get(one, "float64") for one in pipeline.inputs}
    save(type(made)(**{**vars(made), "types": kinds}).files(), folder / "models" / name)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (lagging(("k",)), ["by different keys or times", "(id) and (k, id)"]),
        (lagging((), x="x * 2"), ["'x_lag1' of earlier rows in different ways"]),
    ],
)
def test_looks_at_earlier_rows_that_contradict_each_other(
    tmp_path: Path, second: FittedPipeline, told: list[str]
) -> None:
    lags(tmp_path, "a", lagging(()))
    lags(tmp_path, "b", second)
    text = refused(tmp_path, TWO)
    assert all(one in text for one in (*told, "score.models.champion and score.models.challenger"))


def test_a_stack_cannot_look_at_earlier_predictions(tmp_path: Path) -> None:
    store(tmp_path, "a")
    store(tmp_path, "b")
    lag = lagging((), "probability_champion")
    lags(tmp_path, "s", FittedPipeline({}, lag.steps, lag.features, ("probability_champion", "y")))
    text = refused(tmp_path, TWO + 'combine = "models/s@1"')
    assert "looks at 'probability_champion' of earlier rows" in text


def test_a_model_that_is_trained_here_must_be_known_to_be_combined(tmp_path: Path) -> None:
    store(tmp_path, "a", "multiclass", classes=("0", "1", "2"))
    models = 'models = { a = "models/a@1", own = "models/own@latest" }\n'
    train = TRAIN.format(task="multiclass")
    assert "name the classes" in refused(tmp_path, models + 'combine = "mean"', train=train)
    assert plan(write(tmp_path, models, train=train)).scoring is not None
    other = TRAIN.format(task="binary")
    assert "binary" in refused(tmp_path, models + 'combine = "mean"', train=other)


def test_the_plan_counts_every_model(tmp_path: Path) -> None:
    for name in "ab":
        store(tmp_path, name, features=("x", "y", "z"))
    (one,) = plan(write(tmp_path, 'model = "models/a@1"')).plan.steps
    (two,) = plan(write(tmp_path, TWO + 'combine = "mean"')).plan.steps

    def term(step: Any, name: str) -> int:
        return next(found.bytes for found in step.terms if found.name == name)

    assert term(two, "models") == 2 * term(one, "models") > 0
    assert term(two, "features of a partition") == term(one, "features of a partition")
    assert (one.output_bytes, two.output_bytes) == (600 * (8 + 5), 600 * (8 + 3 * 5))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Two models, one of them trained by the job, under a stack; one looks at earlier rows."""
    folder = tmp_path_factory.mktemp("several")
    lags(folder, "a", lagging(()))
    store(folder, "s", features=("probability_old", "probability_own", "z"), seed=5)
    text = """
models = { old = "models/a@1", own = "models/own@latest" }
combine = "models/s@latest"
columns = ["k"]
rename = { k = "key", probability = "p", prediction = "k" }
"""
    job = write(folder, text, train=TRAIN.format(task="binary"), files=3)
    return job, run(job)


def test_each_model_predicts_as_it_does_alone(done: tuple[Path, Result]) -> None:
    folder, found = done[0].parent, pl.read_parquet(done[0].parent / "out")
    names = ["prediction_old", "probability_old", "prediction_own", "probability_own"]
    assert found.columns == ["id", "key", *names, "k", "p"]
    rows = table().sort("id")
    found = found.sort("id")

    def alone(name: str, rows: pl.DataFrame) -> pl.DataFrame:
        bundle = open_model(str(folder / "models" / name) + "@latest")[1]
        return pl.DataFrame(Bundled(bundle, Asked()).predict(rows))

    lagged = rows.with_columns(x_lag1=pl.col("x").shift(1).cast(pl.Float32))
    for name, model in (("old", alone("a", lagged)), ("own", alone("own", rows))):
        for column in ("prediction", "probability"):
            assert found[f"{column}_{name}"].equals(model[column])
    stack = alone("s", rows.with_columns(found.select(names).cast(pl.Float64)))
    assert found["k"].equals(stack["prediction"]) and found["p"].equals(stack["probability"])


def test_the_result_says_which_models_scored(done: tuple[Path, Result]) -> None:
    result = done[1]
    models = {"models.old": "a/v1", "models.own": "own/v1", "combine": "s/v1"}
    folder = done[0].parent / "models"
    assert result.scored_by == {key: str(folder / name) for key, name in models.items()}
    assert "scored by models.old" in Path(result.report).read_text()
    measured, projected = (result.memory["score"][name] for name in ("measured", "projected"))
    assert measured and projected and measured <= projected


def test_a_second_run_has_nothing_to_do(done: tuple[Path, Result]) -> None:
    assert run(done[0]).skipped == ["train", "score"]


def test_predictions_depend_on_models_names_weights_and_new_names(tmp_path: Path) -> None:
    store(tmp_path, "a")
    store(tmp_path, "b", seed=1)
    swapped = TWO.replace("champion", "one").replace("challenger", "champion")
    keys = set()
    every = ("", 'combine = "mean"', 'combine = "mean"\nweights = { champion = 2 }')
    for score in (*(TWO + one for one in every), swapped, TWO + 'rename = { id = "i" }'):
        work = plan(write(tmp_path, score)).scoring
        assert work is not None
        keys.add(run_key(scoring_spec(work, work.model().digest), [600]))
    assert len(keys) == 5
