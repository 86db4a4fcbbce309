"""Ensembles of several classes, and ensembles that take in models which were trained before."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_wine

from engine.bundle import Bundle, load
from engine.classes import Class
from engine.errors import SpecError
from engine.features.combine.windows import FittedLag
from engine.features.fitted import FittedPipeline
from engine.models.ensemble import Ensemble
from engine.models.pooled import Pooled
from engine.registry import open_model, save
from engine.scoring import Asked, Bundled
from engine.training.seen import KEY
from jobs.fingerprint import training_digest
from jobs.planning.plan import Planned, plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.spec.jobfile import load_job
from tests.engine.scoring.small_models import small_bundle

KINDS = ("barolo", "grignolino", "barbera")

JOB = """
name = "wine"
[cluster]
workers = 1
memory = "1200 MiB"
[data.wine]
path = "data/*.parquet"
{features}
[train]
data = "wine"
target = "kind"
task = "multiclass"
split = {{ by = "stratified", valid = 0.3, test = 0.2 }}
model = "{model}"
{train}
"""

SCORED = """
[evaluate]
[score]
data = "wine"
model = "{model}@latest"
output = "out"
columns = ["kind"]
"""

OLD = """
calibrate = "temperature"
params = { n_estimators = 8, num_leaves = 4, min_data_in_leaf = 5 }
"""
OLD_FEATURES = """
[features]
columns = ["alcohol", "hue", "ash"]
steps = [{ scale = ["alcohol", "hue"], with = "standard" }]
"""

FINISHED = """
[train.members.old]
model = "old@1"
"""
TREES = """
[train.members.trees]
params = { n_estimators = 12, num_leaves = 5, min_data_in_leaf = 3 }
"""
BAYES = """
[train.members.bayes]
estimator = "sklearn.GaussianNB"
"""
OWN_FEATURES = """
[features]
drop = ["alcohol", "ash"]
derive.hue = "hue * 100"
"""


@pytest.fixture(scope="module")
def wine() -> pl.DataFrame:
    """Return 178 wines of three kinds."""
    found = load_wine()
    names = [one.replace("/", "_") for one in found.feature_names]
    table = pl.DataFrame(found.data, schema=names)
    kind = pl.Series("kind", [KINDS[code] for code in found.target])
    return table.with_columns(kind).sample(fraction=1, shuffle=True, seed=1)


def write(
    folder: Path, train: str, *, features: str = "", model: str = "m", more: str = ""
) -> Path:
    job = folder / f"{model}.toml"
    text = JOB.format(train=train, features=features, model=model)
    job.write_text(text + more.format(model=model), encoding="utf-8")
    return job


def run(job: Path) -> Result:
    result = run_job(load_job(job), job.parent / "runs", Together([]))
    for step in plan_job(load_job(job)).plan.steps:
        assert (result.memory[step.name]["measured"] or 0) <= step.peak, step.name
    return result


def loaded(result: Result) -> tuple[Bundle, Ensemble]:
    assert result.model is not None
    bundle = load(result.model)
    assert isinstance(bundle.model, Ensemble)
    return bundle, bundle.model


def assert_scored(folder: Path, bundle: Bundle, table: pl.DataFrame) -> pl.DataFrame:
    """Hold what ``[score]`` wrote against the bundle, asked here; return the probabilities."""
    written = pl.read_parquet(folder / "out/*.parquet")
    model = Bundled(bundle, Asked())
    said = dict(zip(model.columns, model.predict(table), strict=True))
    names = [f"probability_{kind}" for kind in bundle.classes or ()]
    assert written["kind"].to_list() == table["kind"].to_list()
    for name in names:
        assert written[name].to_list() == pytest.approx(said[name].to_list(), abs=1e-12)
    assert (written["prediction"] == table["kind"]).mean() > 0.9  # type: ignore[operator]
    return written.select(names)


@pytest.fixture(scope="module")
def home(wine: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wines and a model of some of their columns, ``old@1``."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "data").mkdir()
    wine[:100].write_parquet(folder / "data/0.parquet")
    wine[100:].write_parquet(folder / "data/1.parquet")
    run(write(folder, OLD, features=OLD_FEATURES, model="old"))
    return folder


@pytest.mark.slow
def test_a_finished_model_is_blended_with_one_that_learns(
    home: Path, wine: pl.DataFrame, tmp_path: Path
) -> None:
    train = 'estimator = "ensemble.Blending"' + FINISHED + TREES
    result = run(write(home, train, features=OWN_FEATURES, model="blend", more=SCORED))
    bundle, model = loaded(result)
    _, old = open_model(str(home / "old@1"))
    # It is whole by itself: the old model may go.
    shutil.move(home / "old", tmp_path / "old")
    try:
        assert_scored(home, load(Path(str(result.model))), wine)
    finally:
        shutil.move(tmp_path / "old", home / "old")
    x = bundle.pipeline.transform(wine).to_numpy().astype(np.float32)
    said = model.members.models["old"].predict(x)
    wanted = np.column_stack(Bundled(old, Asked()).predict(wine)[1:])
    assert said == pytest.approx(wanted, abs=1e-7), "its calibration is a part of it"
    assert "old.hue" in bundle.pipeline.features and "hue" in bundle.pipeline.own
    told = bundle.provenance["members"]["old"]
    assert (told["digest"], told[KEY]) == (old.digest, old.provenance[KEY])
    assert told["model"].endswith("old/v1")
    assert isinstance(model.final, Pooled) and len(model.final.weights) == 2
    assert bundle.metrics["final"]["rows"] == bundle.provenance["rows"]["valid"]
    digests = json.loads((Path(str(result.model)) / "digests.json").read_text())
    assert "member.old.of.calibrated.json" in digests


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("Voting", FINISHED + BAYES),
        ("Stacking", TREES + BAYES + "[train.folds]\ncount = 3\n"),
        ("Blending", TREES + BAYES),
    ],
    ids=["Voting", "Stacking", "Blending"],
)
def test_several_classes_are_put_together_and_scored(
    home: Path, wine: pl.DataFrame, kind: str, members: str
) -> None:
    folder = home / kind
    shutil.copytree(home / "old", folder / "old")
    train = f'estimator = "ensemble.{kind}"\n' + members
    job = write(folder, train, more=SCORED)
    job.write_text(job.read_text().replace("data/*", "../data/*"))
    result = run(job)
    bundle, model = loaded(result)
    said = assert_scored(folder, bundle, wine)
    assert said.sum_horizontal().to_list() == pytest.approx([1.0] * wine.height)
    assert model.final.width == 6 and bundle.classes == tuple(sorted(KINDS))
    if kind == "Voting":
        assert isinstance(model.final, Pooled) and model.final.link == "mean"
    else:
        part = "train" if kind == "Stacking" else "valid"
        assert bundle.metrics["final"]["rows"] == bundle.provenance["rows"][part]
    assert result.metrics["test"]["accuracy"] > 0.85


def plan(folder: Path, train: str, **more: Any) -> Planned:
    return plan_job(load_job(write(folder, train, **more)))


def table(folder: Path) -> None:
    """Write rows whose columns are those of small models."""
    draw = np.random.default_rng(1)
    (folder / "data").mkdir()
    columns = {name: draw.normal(size=90) for name in "xyz"}
    kind = np.array(KINDS)[draw.integers(0, 3, 90)]
    pl.DataFrame({**columns, "kind": kind}).write_parquet(folder / "data/0.parquet")


def store(
    folder: Path, classes: tuple[Class, ...] | None = tuple(sorted(KINDS)), **more: Any
) -> None:
    """Keep a small model as the next version of ``old``; keywords as of `small_bundle`."""
    own = {"task": "multiclass", "features": ("x", "y"), **more}
    save(small_bundle(**own, classes=classes).files(), folder / "old")


def seen_by(folder: Path, split: str = "") -> dict[str, Any]:
    """Return what a model would tell that had learned from the rows of a folder."""
    job = write(folder, "", model="seen")
    text = job.read_text().replace('split = { by = "stratified", valid = 0.3, test = 0.2 }', split)
    job.write_text(text if split else job.read_text())
    training = plan_job(load_job(job)).training
    assert training is not None
    return training.seen.told()


def keep(folder: Path, provenance: dict[str, Any]) -> None:
    own = small_bundle("multiclass", ("x", "y"), classes=tuple(sorted(KINDS)))
    save(replace(own, provenance=provenance).files(), folder / "old")


LAG = FittedPipeline({}, (FittedLag(["x"], "z", [], [1]),), ("x_lag1",), ("x", "z"))


@pytest.mark.parametrize(
    ("model", "train", "wrong"),
    [
        ({"task": "regression", "classes": None}, "", "was trained for regression"),
        ({"classes": KINDS}, "", "members know the same classes"),
        ({}, f"classes = {list(KINDS)}", "train.classes"),
        ({"features": ("x", "gone")}, "", "gone"),
        ({"features": ("kind",), "types": "string"}, "", "which the label is made of"),
        ({"pipeline": LAG, "features": ("x_lag1",)}, "", "look at earlier rows"),
        ({"types": "date"}, "", r"column 'x' is [^$]*train.members.old and train.members.two"),
    ],
)
def test_models_that_do_not_fit_are_refused(
    tmp_path: Path, model: dict[str, Any], train: str, wrong: str
) -> None:
    table(tmp_path)
    store(tmp_path)
    store(tmp_path, **model)
    train += '\nestimator = "ensemble.Voting"'
    fits = FINISHED + FINISHED.replace("old", "two", 1)
    if model:
        assert plan(tmp_path, train + fits).training is not None
        fits = fits.replace("@1", "@2", 1)
    with pytest.raises(SpecError, match=wrong):
        plan(tmp_path, train + fits)


def notes(planned: Planned) -> str:
    return " ".join(note for step in planned.plan.steps for note in step.notes)


def test_what_a_model_has_learned_from_decides_whether_it_may_be_a_member(tmp_path: Path) -> None:
    table(tmp_path)
    same, all_of = seen_by(tmp_path), seen_by(tmp_path, " ")
    apart = {**same, "files": ["0" * 16]}
    for told in (same, all_of, apart, None):
        keep(tmp_path, {} if told is None else {KEY: told})
    held_out, learned, unseen, silent = (FINISHED.replace("@1", f"@{n}") for n in range(1, 5))
    kinds = {kind: f'estimator = "ensemble.{kind}"' + TREES for kind in ("Voting", "Blending")}
    stacking = 'estimator = "ensemble.Stacking"' + TREES
    for kind in kinds.values():
        assert not notes(plan(tmp_path, kind + held_out))
        assert not notes(plan(tmp_path, kind + unseen))
        assert "nothing tells whether" in notes(plan(tmp_path, kind + silent))
    assert "is too good" in notes(plan(tmp_path, kinds["Voting"] + learned))
    with pytest.raises(SpecError, match="has learned from rows that validate here"):
        plan(tmp_path, kinds["Blending"] + learned)
    assert not notes(plan(tmp_path, stacking + unseen))
    for one in (held_out, learned, silent):
        with pytest.raises(
            SpecError, match=r"finished, so it says nothing out of fold[^$]*Blending"
        ):
            plan(tmp_path, stacking + one)


def test_the_plan_and_the_digest_know_the_model(tmp_path: Path) -> None:
    table(tmp_path)
    store(tmp_path)
    train = 'estimator = "ensemble.Voting"' + FINISHED.replace("@1", "@latest") + TREES
    first = plan(tmp_path, train, more="[evaluate]\n")
    evaluate = next(step for step in first.plan.steps if step.name == "evaluate")
    assert "models that are asked" in [term.name for term in evaluate.terms]
    store(tmp_path, seed=5)
    second = plan(tmp_path, train, more="[evaluate]\n")
    assert first.training and second.training
    digests = [training_digest(one.job, one.training) for one in (first, second) if one.training]
    assert digests[0] != digests[1], "@latest is another model now"


def test_features_that_no_member_learns_from_are_refused(tmp_path: Path) -> None:
    table(tmp_path)
    store(tmp_path)
    both = 'estimator = "ensemble.Voting"' + FINISHED + FINISHED.replace("old", "two", 1)
    assert plan(tmp_path, both).training is not None
    steps = '[features]\nsteps = [{ scale = ["x"], with = "standard" }]'
    with pytest.raises(SpecError, match="no member learns from these features"):
        plan(tmp_path, both, features=steps)
