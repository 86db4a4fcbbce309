"""The job files of examples/public: all can be planned, and reach the published baselines."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from jobs.planning.plan import plan_job
from jobs.spec.jobfile import load_job

FOLDER = Path(__file__).parents[2] / "examples/public"
SETS = sorted(path.stem for path in FOLDER.glob("*.toml"))


def module(name: str) -> ModuleType:
    """Examples are no package: users run them as files."""
    spec = importlib.util.spec_from_file_location(f"public_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded  # dataclasses look there
    spec.loader.exec_module(loaded)
    return loaded


runner = module("run")


@pytest.fixture(scope="module")
def folder(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job files beside the tables that some of them need."""
    made = tmp_path_factory.mktemp("public")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_DATA", str(data_dir))
        runner.prepare(made)
    return made


def test_every_published_baseline_has_a_job_file(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_DATA", str(data_dir))
    elsewhere = {"flights2008_clf"}  # examples/flights, tested by test_flights
    diverged = {"kddcup99_10pct"}  # the figure to reach is that of kddcup99_10pct_lr003
    assert set(runner.published()) == {*SETS, *elsewhere, *diverged}


@pytest.mark.parametrize("name", SETS)
def test_a_job_file_can_be_planned(name: str, folder: Path, data_dir: Path) -> None:
    job = load_job(folder / f"{name}.toml", {"MILLRACE_DATA": str(data_dir)})
    planned = plan_job(job)
    assert planned.plan.steps


@pytest.mark.parametrize(
    ("metric", "value", "good"),
    [
        ("AUC", 0.900004, True),
        ("AUC", 0.89998, False),
        ("RMSE", 0.90002, False),
        ("RMSE", 0.5, True),
        ("multi_logloss", 0.91, False),
        ("NDCG@10", 0.89, False),
        ("KMeans(k=5) inertia", 0.899, True),
        ("KMeans(k=5) inertia", 0.9001, False),
    ],
)
def test_outcomes(metric: str, value: float, good: bool) -> None:
    names = ("auc", "rmse", "log_loss", "ndcg@10", "inertia")
    part = {"rows": 7, **dict.fromkeys(names, value)}
    baseline = {"metric": metric, "value": 0.9, "rows_train": 7, "rows_test": 7}
    outcome = runner.compared("adult", {"train": part, "test": part}, baseline)
    assert outcome.good is good
    with pytest.raises(ValueError, match=r"7 t.* rows, the baseline has 8"):
        runner.compared(
            "adult", {"train": part, "test": part}, {**baseline, "rows_train": 8, "rows_test": 8}
        )


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_a_baseline_is_reached(
    name: str, folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_DATA", str(data_dir))
    outcome = runner.run(name, folder)
    assert outcome.good, str(outcome)
