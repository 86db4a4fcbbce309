"""Scripts of jobs, rendered for all five systems: what they ask for, and hold no secret."""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import dask
import pytest
from pydantic import TypeAdapter

from cluster import ClusterError, ClusterSpec
from cluster.providers import job_scripts
from cluster.providers.job_folder import job_folder
from cluster.resources import Resources
from cluster.security.material import security
from cluster.session import _provider
from cluster.settings import SETTINGS
from cluster.spec.jobqueue import OUTSIDE, JobQueue

KINDS = ["slurm", "pbs", "lsf", "sge", "htcondor"]
SCHEDULER = "tls://10.1.0.5:41000"


def made(kind: str, **given: Any) -> JobQueue:
    base = {"kind": kind, "workers": 2, "memory": "2 GiB"}
    found: JobQueue = TypeAdapter(ClusterSpec).validate_python(base | given)
    return found


def script(spec: JobQueue, folder: Path, *, remote: bool = False) -> str:
    """Return the script of a job as the provider lets dask-jobqueue write it."""
    job = job_scripts.job_class(spec.kind)
    with (
        job_folder(spec.model_copy(update={"shared": folder})) as shared,
        dask.config.set(job_scripts.defaults(spec.kind)),
    ):
        options = job_scripts.options(spec, spec.resources(remote=remote), shared.logs)
        made = job(
            SCHEDULER,
            name="millrace-0",
            security=security(shared.tls),
            protocol="tls://",
            **options,
        )
        text: str = made.job_script()
        for key in shared.tls.glob("*-key.pem"):
            body = "".join(key.read_text().splitlines()[1:-1])
            assert body[:40] not in text
    return text


@pytest.mark.parametrize("kind", KINDS)
def test_all_scripts_start_a_worker_of_ours_with_tls(kind: str, tmp_path: Path) -> None:
    text = script(made(kind, threads=1), tmp_path, remote=True)
    assert f"{sys.executable} -m distributed.cli.dask_worker {SCHEDULER}" in text
    # Of two options the last counts: what Dask may use, and the task that waits for a store.
    limits = re.findall(r"--memory-limit (\S+)", text)
    assert limits[-1] == f"{2 * 2**30}B"
    assert re.findall(r"--nthreads (\d+)", text)[-1] == "2"
    assert "--nanny" in text and "--death-timeout 60" in text
    assert "--no-dashboard --dashboard-address 127.0.0.1:0" in text
    assert "--protocol tls://" in text
    assert re.search(r"--tls-key \S+/tls/worker-key.pem", text)
    assert "client-key" not in text and "scheduler-key" not in text and "ca-key" not in text
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "MILLRACE_CORES"):
        assert f"export {name}=1" in text
    assert "umask 077" in text


@pytest.mark.parametrize("kind", KINDS)
def test_settings_go_with_the_script_and_nothing_else_of_this_machine(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-environment")
    with dask.config.set({"gateway.auth.password": "canary-of-the-configuration"}):
        text = script(made(kind), tmp_path)
    [packed] = re.findall(r"DASK_INTERNAL_INHERIT_CONFIG=(\S+?)[;\s]", text)
    inherited = json.loads(base64.urlsafe_b64decode(packed))
    assert inherited["distributed.comm.require-encryption"] is True
    assert inherited["distributed.worker.memory.spill"] is False
    assert inherited["distributed.worker.preload"] == SETTINGS["distributed.worker.preload"]
    assert inherited["distributed.scheduler.no-workers-timeout"] == "600 s"
    assert "canary" not in text + json.dumps(inherited)
    assert "PRIVATE KEY" not in text


def test_what_each_system_is_asked_for(tmp_path: Path) -> None:
    given = {"threads": 3, "account": "team", "queue": "long", "walltime": "90 minutes"}
    mib = (2 * 2**30 + OUTSIDE) // 2**20
    expected = {
        "slurm": [
            "#SBATCH -p long",
            "#SBATCH -A team",
            "#SBATCH --cpus-per-task=3",
            f"#SBATCH --mem={mib}M",
            "#SBATCH -t 01:30:00",
        ],
        "pbs": [
            "#PBS -q long",
            "#PBS -A team",
            f"#PBS -l select=1:ncpus=3:mem={mib}mb",
            "#PBS -l walltime=01:30:00",
        ],
        "lsf": [
            "#BSUB -q long",
            '#BSUB -P "team"',
            "#BSUB -n 3",
            '#BSUB -R "span[hosts=1]"',
            f"#BSUB -M {-(-mib * 2**20 // 1000)}",  # kB where no lsf.conf says otherwise
            "#BSUB -W 01:30",
        ],
        "sge": [
            "#$ -q long",
            "#$ -P team",
            "#$ -pe smp 3",
            f"#$ -l m_mem_free={-(-mib // 3)}M",
            "#$ -l h_rt=01:30:00",
            "#$ -S /bin/bash",
        ],
    }
    more = {"sge": {"parallel": "smp", "memory_resource": "m_mem_free"}}
    for kind, lines in expected.items():
        text = script(made(kind, **given, **more.get(kind, {})), tmp_path).splitlines()
        assert set(lines) <= set(text), kind
    asked = made("htcondor", threads=3, account="team", disk="20 GiB")
    text = script(asked, tmp_path).splitlines()
    expected_lines = {
        "accounting_group = team",
        "MY.DaskWorkerCores = 3",
        f"MY.DaskWorkerMemory = {mib * 2**20}",
        f"MY.DaskWorkerDisk = {20 * 2**30}",
    }
    assert expected_lines <= set(text)


@pytest.mark.parametrize("kind", ["slurm", "pbs", "lsf", "sge"])
def test_without_a_walltime_the_queue_decides(kind: str, tmp_path: Path) -> None:
    """dask-jobqueue's own default is 30 minutes."""
    text = script(made(kind), tmp_path)
    assert "00:30" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_the_job_file(kind: str, tmp_path: Path) -> None:
    line = "getenv = False" if kind == "htcondor" else "--constraint=fast"
    spec = made(kind, directives=[line], prologue=["module load python"], scratch="/scratch/a b")
    text = script(spec, tmp_path)
    prefix = {"slurm": "#SBATCH ", "pbs": "#PBS ", "lsf": "#BSUB ", "sge": "#$ "}.get(kind, "")
    assert f"{prefix}{line}" in text.splitlines()
    assert text.index("module load python") < text.index("distributed.cli.dask_worker")
    quote = "''" if kind == "htcondor" else "'"  # HTCondor's own quoting doubles them
    assert f"--local-directory {quote}/scratch/a b{quote}" in text
    assert kind != "htcondor" or "$(" not in text.partition("Arguments")[2]  # a macro there


def test_a_users_own_settings_of_dask_jobqueue_do_not_count(tmp_path: Path) -> None:
    with dask.config.set({"jobqueue.slurm.job-extra-directives": ["--nice=10"]}):
        assert "--nice" not in script(made("slurm"), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_shell_runs_the_script_and_leaves_how_it_ended(kind: str, tmp_path: Path) -> None:
    spec = made(kind, prologue=["exit 7"])
    resources = Resources(1, 1, 2**30)
    lines = job_scripts.options(spec, resources, tmp_path)["job_script_prologue"]
    command = "; ".join(lines)
    done = subprocess.run(["/bin/sh", "-c", command], check=False)
    assert done.returncode == 7
    [ended] = tmp_path.glob(f"*{job_scripts.ENDED}")
    assert ended.read_text().strip() == "7"
    assert shlex.split(command)  # HTCondor gives it to a shell as one argument


def test_all_five_have_one_provider() -> None:
    assert {_provider(kind).__name__ for kind in KINDS} == {"cluster.providers.jobqueue"}


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(ClusterError) as refused:
        job_scripts.job_class("slurm")
    assert refused.value.hint == "pip install 'millrace[slurm]'"
