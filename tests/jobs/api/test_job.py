"""A job in Python before anything runs: read, checked, planned, shown."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cluster.spec import AddressCluster, LocalCluster
from engine.errors import PlanRefused, SpecError
from jobs import Job
from jobs.spec.jobfile import JobFileError
from tests.jobs.input_jobs import files, table, write_job

HEAVY = ("pydantic", "polars", "dask", "distributed", "pyarrow", "lightgbm", "jinja2", "IPython")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job")
    files(folder, table(600))
    return write_job(folder, "profile", "train")


def sections(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


def test_the_package_is_cheap_to_import() -> None:
    loaded = f"import jobs, sys; print([n for n in {HEAVY} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


def test_a_job_is_the_same_from_a_file_and_from_its_sections(file: Path) -> None:
    assert Job.of(sections(file), folder=file.parent) == Job.load(file)


def test_relative_paths_start_at_the_current_folder(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert Job.of(sections(file)).spec.data["table"].path == str(file.parent / "data")


def test_all_mistakes_are_named_at_once(file: Path) -> None:
    wrong = sections(file)
    wrong["train"] |= {"task": "binry", "targt": "label"}
    with pytest.raises(JobFileError) as caught:
        Job.of(wrong)
    text = str(caught.value)
    assert text.startswith("the job has 2 problems:")
    assert "train.task: 'binry' is none of the allowed values; did you mean 'binary'?" in text
    assert "train.targt: unknown key; did you mean 'target'?" in text


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("office", AddressCluster(kind="address", address="office")),
        ("tcp://127.0.0.1:8786", AddressCluster(kind="address", address="tcp://127.0.0.1:8786")),
        ({"kind": "local", "workers": 3}, LocalCluster(kind="local", workers=3)),
        (LocalCluster(workers=3), LocalCluster(workers=3)),
        (None, LocalCluster(workers=1, memory=2**30)),
    ],
)
def test_a_job_goes_to_another_cluster(file: Path, given: Any, meant: Any) -> None:
    there = Job.load(file).on(given)
    assert there.spec.cluster == meant
    assert there.spec.model_copy(update={"cluster": None}) == Job.load(file).spec.model_copy(
        update={"cluster": None}
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("tcp://10.0.0.1:8786", "neither encrypted nor authenticated"),
        ("tls://10.0.0.1:8786", "needs tls = 'FOLDER'"),
        ({"kind": "lokal"}, "did you mean 'local'?"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(file: Path, given: Any, told: str) -> None:
    with pytest.raises(SpecError, match="cluster") as caught:
        Job.load(file).submit(given)
    assert told in str(caught.value)
    assert not (file.parent / ".millrace").exists()


def test_a_plan_is_that_of_the_command_line(file: Path) -> None:
    plan = Job.load(file).plan(only="train")
    assert plan.fits
    assert [step["name"] for step in plan.to_dict()["steps"]] == ["prepare", "train"]  # type: ignore[attr-defined]
    assert "1 workers of 1.0 GiB: the job fits" in repr(plan)
    html = plan._repr_html_()
    assert "the job fits" in html and "statistics, counts and sample" in html


def test_a_plan_that_does_not_fit_says_so(file: Path) -> None:
    plan = Job.load(file).plan({"kind": "local", "workers": 1, "memory": "200 MiB"}, only="train")
    assert not plan.fits
    assert '<b class="unfit">the job does not fit</b>' in plan._repr_html_()
    with pytest.raises(PlanRefused):
        plan.check()


def test_a_job_is_shown_by_its_sections(file: Path) -> None:
    job = Job.load(file)
    assert repr(job) == "<Job inputs: profile, train; data table>"
    html = job._repr_html_()
    for told in (str(file.parent / "data"), "binary", "models/m", "label"):
        assert told in html


def test_markup_in_a_job_is_text(file: Path) -> None:
    given = sections(file)
    given["data"] = {"<b>t</b>": {"path": "<img src=x onerror=alert(1)>"}}
    given["train"]["data"] = given["profile"]["data"] = "<b>t</b>"
    given["train"]["target"] = "<script>alert(1)</script>"
    html = Job.of(given)._repr_html_()
    assert "&lt;img src=x" in html and "&lt;b&gt;t" in html and "&lt;script&gt;" in html
    assert "<img" not in html and "<b>t" not in html and "<script" not in html
