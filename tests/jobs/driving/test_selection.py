"""What of a job is wanted: sections by name, from one on, all."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SpecError
from jobs.driving.selection import ALL, SECTIONS, Selection
from jobs.spec.job import JobSpec

DATA = {"t": {"path": "t.parquet"}}
TRAIN = {
    "data": "t",
    "target": "y",
    "task": "binary",
    "model": "m",
    "split": {"by": "random", "test": 0.2},
}
SCORE = {"data": "t", "model": "m@latest", "output": "out"}


@pytest.fixture
def job() -> JobSpec:
    given = {"profile": {"data": "t"}, "train": TRAIN, "evaluate": {}, "score": SCORE}
    return JobSpec.model_validate({"name": "j", "data": DATA, **given})


def sections(job: JobSpec) -> list[str]:
    return [name for name in SECTIONS if getattr(job, name) is not None]


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (ALL, ["profile", "train", "evaluate", "score"]),
        (Selection(only=("score",)), ["score"]),
        (Selection(only=("train",)), ["train", "evaluate"]),
        (Selection(only=("score", "profile")), ["profile", "score"]),
        (Selection(since="train"), ["train", "evaluate", "score"]),
        (Selection(since="score"), ["score"]),
        (Selection(only=("train",), since="profile"), ["train", "evaluate"]),
    ],
)
def test_what_is_left(job: JobSpec, selection: Selection, left: list[str]) -> None:
    assert sections(selection.applied(job)) == left
    assert Selection.from_dict(selection.to_dict()) == selection


def test_an_evaluation_of_a_model_is_a_section_of_its_own() -> None:
    given = {"evaluate": {"model": "m@1", "data": "t"}, "score": SCORE}
    job = JobSpec.model_validate({"name": "j", "data": DATA, **given})
    assert sections(Selection(only=("evaluate",)).applied(job)) == ["evaluate"]
    assert sections(Selection(since="score").applied(job)) == ["score"]
    assert job.does("evaluate") and not job.does("train")


def test_an_evaluation_of_the_trained_model_is_not(job: JobSpec) -> None:
    with pytest.raises(SpecError, match=r"no section \[evaluate\]"):
        Selection(only=("evaluate",)).applied(job)


def test_a_job_read_back_is_the_job(job: JobSpec) -> None:
    assert JobSpec.model_validate(job.to_dict()) == job


@pytest.mark.parametrize("selection", [Selection(only=("sort",)), Selection(since="prepare")])
def test_a_section_that_the_job_does_not_have(job: JobSpec, selection: Selection) -> None:
    with pytest.raises(SpecError, match=r"no section \[(sort|prepare)\]; .*known|mean"):
        selection.applied(job)


def test_every_example_job_reads_back() -> None:
    from jobs.spec.jobfile import load_job

    root = Path(__file__).parents[3]
    files = sorted(root.glob("examples/*/*.toml"))
    assert files
    for file in files:
        try:
            job = load_job(file)
        except SpecError:
            continue  # it needs a variable of the environment
        assert JobSpec.model_validate(job.to_dict()) == job, file
