"""`millrace doctor`: what it looks at here, what it prints, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.preflight.verdict import Finding, Verdict
from jobs import cli
from jobs.planning.needs import needs_of
from jobs.show import doctor
from jobs.spec.jobfile import load_job

JOB = """
name = "a"
[data.x]
path = "in/*.parquet"
[data.y]
path = "s3://bucket/y"
[data.z]
path = "lake/z"
format = "delta"
[train]
data = "x"
target = "t"
task = "binary"
model = "models/m"
[score]
data = "x"
model = "models/m@latest"
output = "out"
"""


def test_this_machine() -> None:
    done = CliRunner().invoke(cli.main, ["doctor", "--json"])
    found = json.loads(done.stdout)
    names = [check["name"] for check in found["checks"]]
    assert names == ["python", "libraries", "millrace", "cores", "memory", "scratch", "extras"]
    assert (done.exit_code, found["fit"]) == (0, True)
    told = CliRunner().invoke(cli.main, ["doctor"]).stdout.splitlines()
    assert len([line for line in told if line.startswith(("ok ", "note "))]) == len(names)
    assert told[-1].startswith("this machine is fit")


def test_a_small_disk_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    done = CliRunner().invoke(cli.main, ["doctor"])
    assert done.exit_code == 1
    assert "refused  scratch       this machine: cannot write to" in done.stdout
    assert "set TMPDIR to a folder on a larger disk" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("this machine is not fit: 1 refused")


def test_a_local_cluster(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[cluster]\nworkers = 1\nmemory = "400 MiB"\n')
    done = CliRunner().invoke(cli.main, ["doctor", "--cluster", str(file)])
    assert done.exit_code == 0, done.output
    assert f"the local cluster of {file} is fit" in done.stdout


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[cluster]\nkind = "address"\naddress = "tcp://127.0.0.1:1"\n')
    done = CliRunner().invoke(cli.main, ["doctor", "--cluster", str(file)])
    assert done.exit_code == 1
    assert "refused  cluster       nothing listens at tcp://127.0.0.1:1" in done.stdout
    assert "-> is the scheduler running" in done.stdout


def test_a_bad_file(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[cluster]\nkind = "addres"\n')
    done = CliRunner().invoke(cli.main, ["doctor", "--cluster", str(file)])
    assert done.exit_code == 2
    assert "cluster" in done.stderr


def test_the_text_tells_details_of_what_is_wrong_only() -> None:
    several = [Finding("tcp://a:1", "gone"), Finding("tcp://bb:1", "late", refused=False)]
    checks = [
        Verdict.of("one", [], fine="all well", hint="nothing"),
        Verdict.of("two", several, fine="", hint="mend it"),
        Verdict.of("three", several[1:], fine="", hint="know it"),
    ]
    found = {"what": "it", "fit": False, "checks": [check.to_dict() for check in checks]}
    assert doctor.doctor_text(found).splitlines() == [
        "ok       one           all well",
        "refused  two           2 of them",
        "          tcp://a:1   gone",
        "          tcp://bb:1  late",
        "          -> mend it",
        "note     three         tcp://bb:1: late",
        "          -> know it",
        "",
        "it is not fit: 1 refused, 1 to know of",
    ]


def test_needs_of_a_job(tmp_path: Path) -> None:
    (tmp_path / "j.toml").write_text(JOB)
    job = load_job(tmp_path / "j.toml")
    needs = needs_of(job)
    assert needs.readable == (f"{tmp_path}/in/*.parquet", "s3://bucket/y", f"{tmp_path}/lake/z")
    assert needs.writable == (f"{tmp_path}/out",)
    assert needs.training and needs.libraries == ("deltalake",)
    driven = needs_of(job, store="/runs")
    assert driven.writable == (f"{tmp_path}/out", "/runs", f"{tmp_path}/models/m")


def test_the_wheel_is_written(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.main, ["doctor", "--wheel", str(tmp_path / "w")])
    assert done.exit_code == 0
    assert [Path(done.stdout.strip())] == list((tmp_path / "w").glob("millrace-*.whl"))
