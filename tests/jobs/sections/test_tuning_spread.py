"""``[tune]`` with trials that take the whole cluster, from the job file to the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer

from cluster.session import connect
from cluster.spec import LocalCluster
from engine.bundle import load
from engine.errors import PlanRefused, SpecError
from engine.plan import StepPlan
from jobs.planning.plan import plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.sections import sessions
from jobs.spec.jobfile import load_job

JOB = """
name = "spread"
[cluster]
workers = 2
memory = "1 GiB"
[data.rows]
path = "rows/*.parquet"
[features]
steps = [{{ scale = ["*"], with = "standard" }}]
[train]
data = "rows"
model = "models/m"
seed = 1
{train}
[tune]
{tune}
"""

BINARY = """
target = "benign"
task = "binary"
"""

SGD = BINARY + 'estimator = "sklearn.SGDClassifier"\nparams = { loss = "log_loss", epochs = 1 }'

FOLDS = 'folds = { by = "stratified", count = 2 }\n'


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real records in three files."""
    x, y = load_breast_cancer(return_X_y=True)
    frame = pl.DataFrame(x[:, :6], schema=[f"x{number}" for number in range(6)])
    frame = frame.with_columns(pl.Series("benign", y))
    folder = tmp_path_factory.mktemp("data") / "rows"
    folder.mkdir()
    for number, part in enumerate(frame.iter_slices(-(-len(frame) // 3))):
        part.write_parquet(folder / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two workers for all jobs, and several partitions of little data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.plan._FINEST_BYTES", 1)
        patch.setattr("engine.plan._COLUMN_BYTES", 1)
        patch.setattr("engine.plan._SPREAD", 3)
        with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
            patch.setattr(sessions, "connect", lambda _, **__: nullcontext(session))
            yield


def write(folder: Path, rows: Path, train: str, tune: str) -> Path:
    (folder / "rows").symlink_to(rows)
    path = folder / "job.toml"
    path.write_text(JOB.format(train=train, tune=tune))
    return path


def run(path: Path) -> Result:
    result = run_job(load_job(path), path.parent / "runs", Together([]))
    tuned = result.memory["tune"]
    assert 0 < (tuned["measured"] or 0) <= (tuned["projected"] or 0)
    return result


def told(result: Result) -> dict:
    assert result.model is not None
    found: dict = load(result.model).metrics["tuning"]
    assert json.loads((Path(result.folder) / "tuning.json").read_text()) == found
    return found


def tuning(path: Path) -> StepPlan:
    return next(one for one in plan_job(load_job(path)).plan.steps if one.name == "tune")


def test_a_linear_classifier_is_trained_with_the_best_of_all_trials(
    tmp_path: Path, rows: Path, cluster: None
) -> None:
    space = "space = { alpha = [1e-4, 1e-2, 1e3] }\n"
    path = write(tmp_path, rows, SGD, 'method = "grid"\n' + space + FOLDS)
    result = run(path)
    found = told(result)
    assert found["states"] == {"done": 3, "pruned": 0, "failed": 0}
    by_alpha = {one["params"]["alpha"]: one for one in found["trials"]}
    assert found["value"] == min(one["value"] for one in found["trials"])
    assert found["params"]["alpha"] < 1e3
    assert all(len(one["folds"]) == 2 for one in found["trials"])
    # So much of a penalty leaves weights near 0: the loss of a guess.
    assert by_alpha[1e3]["value"] == pytest.approx(np.log(2), abs=0.1)
    assert by_alpha[1e-2]["value"] < 0.4
    bundle = load(result.model)
    params = {"loss": "log_loss", "epochs": 1, **found["params"]}
    assert bundle.provenance["params"] == params
    assert pl.read_parquet(Path(result.folder) / "tuning.parquet")["params.alpha"].n_unique() == 3
    again = run_job(load_job(path), tmp_path / "runs", Together([]))
    assert again.skipped == ["train"] and again.model == result.model


def test_the_value_of_a_trial_is_that_of_a_cross_validation(
    tmp_path: Path, rows: Path, cluster: None
) -> None:
    folds = 'folds = { by = "stratified", count = 2, seed = 5 }\n'
    train = BINARY + 'estimator = "sklearn.GaussianNB"\n' + "cross_validate" + folds[5:]
    tune = 'method = "grid"\nspace = { var_smoothing = [1e-3] }\n'
    result = run(write(tmp_path, rows, train, tune + folds))
    assert result.model is not None
    crossed = load(result.model).metrics["cross_validation"]
    (trial,) = told(result)["trials"]
    assert trial["value"] == pytest.approx(crossed["mean"]["log_loss"], rel=1e-12)
    assert trial["folds"] == [one["log_loss"] for one in crossed["folds"]]


def test_on_validation_rows_by_tpe_with_dask_ml(tmp_path: Path, rows: Path, cluster: None) -> None:
    pytest.importorskip("dask_ml")
    pytest.importorskip("optuna")
    train = (
        BINARY + 'estimator = "dask_ml.LogisticRegression"\nsplit = { by = "random", valid = 0.3 }'
    )
    tune = 'method = "tpe"\ntrials = 2\nmetric = "auc"\n'
    space = "space = { C = { low = 1e-3, high = 1.0, log = true } }"
    found = told(run(write(tmp_path, rows, train, tune + space)))
    assert (found["folds"], found["metric"], found["higher_is_better"]) == (0, "auc", True)
    assert found["states"]["done"] == 2 and found["value"] > 0.9


def test_clusters_are_chosen_by_their_silhouette(tmp_path: Path, rows: Path, cluster: None) -> None:
    train = 'task = "clustering"\nestimator = "sklearn.KMeans"\n'
    tune = 'method = "grid"\nmetric = "silhouette"\nspace = { n_clusters = [2, 12] }\n'
    folds = 'folds = { by = "random", count = 2 }'
    found = told(run(write(tmp_path, rows, train, tune + folds)))
    assert found["params"] == {"n_clusters": 2}
    assert found["value"] == max(one["value"] for one in found["trials"])


def test_trials_that_cannot_be_are_failed_and_named(
    tmp_path: Path, rows: Path, cluster: None
) -> None:
    train = BINARY + 'estimator = "sklearn.LogisticRegression"\nparams = { solver = "liblinear" }'
    space = 'space = { penalty = ["l2", "elasticnet"] }\n'
    found = told(run(write(tmp_path, rows, train, 'method = "grid"\n' + space + FOLDS)))
    assert found["states"] == {"done": 1, "pruned": 0, "failed": 1}
    assert found["params"] == {"penalty": "l2"}
    (failed,) = (one for one in found["trials"] if one["state"] == "failed")
    assert "elasticnet" in failed["reason"]


@pytest.mark.parametrize(
    ("train", "space", "where", "what"),
    [
        (SGD, "alpa = [0.1]", "tune.space.alpa", "no parameter 'alpa'"),
        (SGD, "alpha = [0.1, -1.0]", "tune.space.alpha", "'alpha' parameter"),
        (SGD, "max_iter = [5, 9]", "tune.space.max_iter", "cannot be given"),
        (SGD, "patience = [-1]", "tune.space.patience", "from 0"),
    ],
)
def test_a_space_that_the_estimator_does_not_know_is_refused(
    tmp_path: Path, rows: Path, train: str, space: str, where: str, what: str
) -> None:
    path = write(tmp_path, rows, train, f'method = "grid"\nspace = {{ {space} }}\n' + FOLDS)
    with pytest.raises(SpecError, match=what) as caught:
        plan_job(load_job(path))
    assert caught.value.where == where


def test_parameters_that_go_together_are_not_refused_for_one_alone(
    tmp_path: Path, rows: Path
) -> None:
    train = BINARY + 'estimator = "dask_ml.LogisticRegression"\n'
    space = 'penalty = ["l2", "none"], solver = ["newton", "lbfgs"]'
    path = write(tmp_path, rows, train, f'method = "grid"\nspace = {{ {space} }}\n' + FOLDS)
    assert "one after another" in " ".join(tuning(path).passes)


def test_the_plan_counts_the_largest_forest(tmp_path: Path, rows: Path) -> None:
    train = BINARY + 'estimator = "sklearn.RandomForestClassifier"\n'
    tune = 'method = "random"\nspace = { n_estimators = { low = 5, high = 50 } }\n' + FOLDS
    path = write(tmp_path, rows, train, tune)
    small = tuning(path).peak
    text = path.read_text()
    path.write_text(text.replace("high = 50", "high = 500"))
    assert tuning(path).peak > small + 2**20
    path.write_text(text.replace("high = 50", "high = 50_000"))
    with pytest.raises(PlanRefused, match=r"would take [\d,]+ MiB of a worker that has 1,024"):
        tuning(path)


BOOSTED = BINARY + "params = {{ n_estimators = 8 }}\nmax_memory = {memory}\n"
LEAVES = 'method = "grid"\nspace = { num_leaves = [600] }\n'


def between(folder: Path, rows: Path) -> tuple[Path, int]:
    """Return a job whose trials do not fit in one worker with so many bytes, but over two."""
    path = write(folder, rows, BOOSTED.format(memory='"1 GiB"'), LEAVES + FOLDS)
    steps = {one.name: one.peak for one in plan_job(load_job(path)).plan.steps}
    return path, (steps["tune"] + steps["train"]) // 2


def test_the_plan_spreads_trials_of_lightgbm_that_do_not_fit_in_one_worker(
    tmp_path: Path, rows: Path
) -> None:
    path, memory = between(tmp_path, rows)
    within = plan_job(load_job(path))
    assert not within.spread and "1 at once" not in tuning(path).passes[-1]
    text = path.read_text().replace('"1 GiB"\n\n', f"{memory}\n\n")
    assert text != path.read_text()
    path.write_text(text)
    spread = plan_job(load_job(path))
    spread.plan.check()
    assert spread.spread
    assert "do not fit in one worker" in " ".join(tuning(path).passes)
    path.write_text(text.replace('"grid"', '"halving"').replace("[600]", "[600, 601]"))
    halving = plan_job(load_job(path))
    assert not halving.spread and "fit in one worker" in tuning(path).notes[0]
    with pytest.raises(SpecError, match="tune"):
        halving.plan.check()


@pytest.mark.slow
def test_a_trial_of_lightgbm_that_is_spread_is_worth_what_a_cross_validation_says(
    tmp_path: Path, rows: Path
) -> None:
    """On workers of its own: others have loaded what a job of LightGBM alone does not plan."""
    path, memory = between(tmp_path, rows)
    text = path.read_text().replace('"1 GiB"\n\n', f"{memory}\ncross_validate{FOLDS[5:]}\n")
    path.write_text(text)
    assert plan_job(load_job(path)).spread
    result = run(path)
    assert result.model is not None
    crossed = load(result.model).metrics["cross_validation"]
    (trial,) = told(result)["trials"]
    assert trial["best_round"] == 8  # so that the folds of both have as many rounds
    assert trial["folds"] == pytest.approx([one["log_loss"] for one in crossed["folds"]], rel=1e-6)
    assert trial["value"] == pytest.approx(crossed["mean"]["log_loss"], rel=1e-6)
