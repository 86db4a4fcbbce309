"""`millrace run` on a real SLURM: the demo job, lost workers, no such queue, kill -9."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cluster.slurm import demo
from tests.cluster.slurm.queueing import Slurm, until

pytestmark = [pytest.mark.long, pytest.mark.alone]

RUN_SECONDS = 240


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "data"
    demo.generate(folder)
    return folder


def wait_for(process: subprocess.Popen[str], text: str) -> list[str]:
    """Return what a run says up to a line with a text."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if text in line:
            return said
    raise AssertionError("".join(said))


def scored(job: Path, data: Path) -> None:
    """Check that each row was scored once, or set aside because it was made bad on purpose."""
    bad = json.loads((data / "truth.json").read_text())["today"]
    expected = demo.ROWS - bad["negative_distance"] - bad["wind_speed_9999"]
    assert demo.ids(job) == (expected, expected)


def test_the_demo_job(slurm: Slurm, data: Path, tmp_path: Path) -> None:
    job = demo.written(tmp_path / "job", data, queue='"main"', walltime='"20 minutes"')
    process = demo.started(slurm, job)
    assert until(lambda: len(slurm.jobs("RUNNING")) == 2, 60)
    shown = slurm.command("scontrol", "show", "job", slurm.jobs()[0])
    said, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0, said
    assert "MinMemoryNode=960M" in shown  # 704 MiB for the worker, 256 MiB beside it
    assert "TimeLimit=00:20:00" in shown
    scored(job, data)
    assert slurm.empty()
    assert demo.left(job) == []


def test_a_job_that_is_cancelled_while_it_scores_costs_no_row(
    slurm: Slurm, data: Path, tmp_path: Path
) -> None:
    # Contributions of large trees: the two parts take several seconds.
    changes = {
        "num_leaves = 31": "num_leaves = 63",
        "n_estimators = 100": "n_estimators = 60",
        "early_stopping = 10\n": "",
        'on_bad_rows = "quarantine"': 'on_bad_rows = "quarantine"\nexplain = "all"',
    }
    job = demo.written(tmp_path / "job", data, changes)
    process = demo.started(slurm, job)
    said = wait_for(process, "score     0 of")
    lost, other = slurm.jobs()
    slurm.command("scancel", lost)
    assert until(lambda: lost not in slurm.jobs(), 30)
    assert process.poll() is None  # it was scoring
    # Another job takes the place of the one that was lost, unless the rest is done before.
    assert until(
        lambda: len(set(slurm.jobs()) - {other, lost}) == 1 or process.poll() is not None, 60
    )
    rest, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0, "".join(said) + rest
    scored(job, data)
    assert slurm.empty()
    assert demo.left(job) == []


def test_a_queue_that_is_not_there(slurm: Slurm, data: Path, tmp_path: Path) -> None:
    job = demo.written(tmp_path / "job", data, queue='"nope"')
    process = demo.started(slurm, job)
    said, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 2, said
    assert "invalid partition specified: nope" in said
    assert '`queue = "nope"`' in said
    assert "Traceback" not in said
    assert slurm.jobs() == []


def test_a_worker_that_cannot_start_is_told_at_once(
    slurm: Slurm, data: Path, tmp_path: Path
) -> None:
    job = demo.written(tmp_path / "job", data, python='"/nowhere/python"', wait='"20 minutes"')
    process = demo.started(slurm, job)
    said, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 2, said
    assert "ended with status 127" in said
    assert "/nowhere/python" in said
    assert "Traceback" not in said
    assert slurm.empty()
    [folder] = (job.parent / "shared").iterdir()
    assert os.listdir(folder) == ["logs"]  # and no key


def test_after_kill_9_the_jobs_end_by_themselves(slurm: Slurm, data: Path, tmp_path: Path) -> None:
    job = demo.written(tmp_path / "job", data, {"n_estimators = 100": "n_estimators = 100000"})
    process = demo.started(slurm, job)
    wait_for(process, "train     0 of")
    assert len(slurm.jobs("RUNNING")) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert slurm.empty()
    # What was left is removed by the next session.
    [dead] = demo.left(job)
    assert "tls" in os.listdir(job.parent / "shared" / dead)
    broken = demo.started(slurm, _with_queue(job, "nope"))
    broken.communicate(timeout=RUN_SECONDS)
    assert os.listdir(job.parent / "shared" / dead) == ["logs"]


def _with_queue(job: Path, queue: str) -> Path:
    job.write_text(job.read_text().replace("workers = 2", f'workers = 2\nqueue = "{queue}"', 1))
    return job
