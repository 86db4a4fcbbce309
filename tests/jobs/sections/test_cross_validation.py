"""``[train] cross_validate`` from the job file to the bundle, against scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import PredefinedSplit, cross_validate

from engine.boosting.gang import training
from engine.boosting.gang.orders import fingerprint
from engine.bundle import load
from engine.errors import Cancelled, ContractRefused, SpecError
from engine.folds import Folds
from jobs.planning.plan import plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.sections import cross_validation
from jobs.spec.jobfile import load_job
from tests.jobs.input_jobs import one_cluster

PARAMS: dict[str, Any] = {
    "n_estimators": 30,
    "num_leaves": 15,
    "learning_rate": 0.2,
    "min_child_samples": 20,
}

JOB = """
name = "crossed"

[cluster]
workers = 1
memory = "1 GiB"

[data.houses]
path = "data/*.parquet"

[features]
{features}

[train]
data = "houses"
target = "median_house_value"
task = "regression"
params = {{ n_estimators = 30, num_leaves = 15, learning_rate = 0.2, min_data_in_leaf = 20 }}
model = "m"
{train}
"""

NUMBERS = 'drop = ["ocean_proximity"]'
CHOSEN = 'steps = [{ select = ["x*"], with = "f", top = 20 }]'


def write(folder: Path, table: pl.DataFrame, train: str, features: str = NUMBERS) -> Path:
    (folder / "data").mkdir(exist_ok=True)
    third = table.height // 3 + 1
    for part in range(3):
        table[part * third : (part + 1) * third].write_parquet(folder / f"data/{part}.parquet")
    path = folder / "job.toml"
    path.write_text(JOB.format(train=train, features=features))
    return path


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One worker for all jobs; no estimator but LightGBM is loaded there."""
    with one_cluster():
        yield


@pytest.fixture(scope="module")
def houses(data_dir: Path) -> pl.DataFrame:
    """Return 6,000 districts of California, in an order without meaning."""
    table = pl.read_csv(data_dir / "california_housing/housing.csv")
    return table.sample(6_000, shuffle=True, seed=1)


def run(job: Path) -> Result:
    return run_job(load_job(job), job.parent / "runs", Together([]))


def crossed(result: Result) -> dict[str, Any]:
    assert result.model is not None
    told: dict[str, Any] = load(result.model).metrics["cross_validation"]
    return told


@pytest.mark.slow
def test_folds_are_measured_as_scikit_learn_does(
    houses: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def named(*pieces: bytes) -> str:
        names.append(fingerprint(*pieces))
        return names[-1]

    monkeypatch.setattr(training, "fingerprint", named)
    job = write(tmp_path, houses, 'cross_validate = { by = "random", count = 4, seed = 9 }')
    result = run(job)
    told = crossed(result)
    x = houses.drop("ocean_proximity", "median_house_value").to_numpy().astype(np.float32)
    y = houses["median_house_value"].to_numpy()
    dealt = Folds("random", 4, seed=9).part(houses, pl.Series(range(houses.height)))
    model = lightgbm.LGBMRegressor(**PARAMS, verbose=-1, n_jobs=1)
    wanted = cross_validate(
        model,
        x,
        y,
        cv=PredefinedSplit(dealt),
        scoring={"rmse": "neg_root_mean_squared_error", "r2": "r2"},
    )
    # Bins of all training rows here, of those of the fold there.
    found = np.array([one["rmse"] for one in told["folds"]])
    assert found == pytest.approx(-wanted["test_rmse"], rel=0.02)
    assert told["mean"]["rmse"] == pytest.approx(found.mean())
    assert told["std"]["rmse"] == pytest.approx(found.std(ddof=1))
    assert told["mean"]["r2"] == pytest.approx(wanted["test_r2"].mean(), abs=0.01)
    assert [one["rows"] for one in told["folds"]] == np.bincount(dealt).tolist()
    [together] = told["out_of_fold"]
    assert together["rows"] == houses.height
    sizes = np.bincount(dealt)
    assert together["rmse"] ** 2 == pytest.approx((found**2 * sizes).sum() / sizes.sum())
    step = next(one for one in plan_job(load_job(job)).plan.steps if one.name == "cross-validate")
    assert 0 < (result.memory["cross-validate"]["measured"] or 0) <= step.peak
    # The four folds and the training on all rows have one set of bins.
    assert len(names) == 5 and len(set(names)) == 1
    # What was kept of finished folds is gone.
    assert not list((tmp_path / "runs").rglob("*.fit"))


@pytest.mark.parametrize(
    ("features", "train", "said"),
    [
        (NUMBERS, "", "once for all folds"),
        (NUMBERS, 'class_weight = { "0" = 2 }', "once for all folds"),
        (NUMBERS, 'class_weight = "balanced"', "no bins for all folds: balanced weights"),
        (f"{NUMBERS}\n{CHOSEN}", "", "no bins for all folds: features that learn from the label"),
    ],
)
def test_the_plan_says_whether_folds_share_their_bins(
    houses: pl.DataFrame, tmp_path: Path, features: str, train: str, said: str
) -> None:
    few = houses.head(500).rename({"total_rooms": "x0"})
    job = write(tmp_path, few, f"cross_validate = {{ count = 3 }}\n{train}", features)
    text = job.read_text().replace('"median_house_value"', '"median_house_value > 200000"')
    job.write_text(text.replace('"regression"', '"binary"'))
    step = next(one for one in plan_job(load_job(job)).plan.steps if one.name == "cross-validate")
    assert said in "; ".join(step.passes)


@pytest.mark.slow
def test_features_do_not_learn_from_held_out_labels(tmp_path: Path) -> None:
    """The wrong way to cross-validate: choose columns by all labels, then deal the rows to folds.

    Source: Hastie, Tibshirani and Friedman (2009), "The Elements of Statistical Learning", 7.10.2.
    """
    random = np.random.default_rng(4)
    noise = {f"x{place}": random.normal(size=400) for place in range(300)}
    table = pl.DataFrame({**noise, "median_house_value": random.normal(size=400)})
    job = write(tmp_path, table, "cross_validate = { count = 3 }", CHOSEN)
    text = job.read_text().replace("num_leaves = 15", "num_leaves = 2")
    job.write_text(text.replace("n_estimators = 30", "n_estimators = 40"))
    # 0.06 when the columns are chosen once, by the labels of all rows.
    assert crossed(run(job))["mean"]["r2"] < 0.02


@pytest.mark.slow
def test_a_run_that_goes_on_does_not_fit_a_finished_fold_again(
    houses: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = 'cross_validate = { by = "stratified", column = "ocean_proximity", count = 3 }'
    job = write(tmp_path, houses, train)
    original: Any = vars(cross_validation)["fitted_alone"]
    fitted: list[str] = []

    def counting(*args: Any, **given: Any) -> Any:
        if len(fitted) == 2:
            raise Cancelled("after two folds")
        fitted.append(args[4].name)
        return original(*args, **given)

    monkeypatch.setattr(cross_validation, "fitted_alone", counting)
    with pytest.raises(Cancelled):
        run(job)
    assert len(list((tmp_path / "runs").rglob("*.fit"))) == 2
    again: list[str] = []

    def going_on(*args: Any, **given: Any) -> Any:
        again.append(args[4].name)
        return original(*args, **given)

    monkeypatch.setattr(cross_validation, "fitted_alone", going_on)
    told = crossed(run(job))
    assert len(again) == 1 and again[0] not in fitted
    assert sum(one["rows"] for one in told["folds"]) == houses.height
    assert not list((tmp_path / "runs").rglob("*.fit"))


def test_folds_without_rows_are_refused(houses: pl.DataFrame, tmp_path: Path) -> None:
    few = houses.head(300).with_columns(side=pl.lit("west"))
    train = 'cross_validate = { by = "group", column = "side", count = 3 }'
    with pytest.raises(ContractRefused, match=r"holds no row out|no row is left"):
        run(write(tmp_path, few, train, 'drop = ["ocean_proximity", "side"]'))


@pytest.mark.parametrize(
    ("train", "wrong"),
    [
        ('cross_validate = { by = "group" }', "is required with by"),
        ("cross_validate = { count = 1 }", "greater than or equal to 2"),
    ],
)
def test_a_job_file_is_told_what_is_wrong(
    houses: pl.DataFrame, tmp_path: Path, train: str, wrong: str
) -> None:
    with pytest.raises(SpecError, match=wrong):
        load_job(write(tmp_path, houses.head(9), train))
