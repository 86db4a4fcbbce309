"""Whole jobs over SSH, and what may happen to their hosts and to their driver."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import ssh_hosts
import ssh_jobs

pytestmark = [pytest.mark.long, pytest.mark.alone]

ALL = list(range(ssh_jobs.ROWS))
MINUTE = 75
"""A minute, and what a process takes to end."""


def until(condition: Callable[[], bool], job: subprocess.Popen[str], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if job.poll() is not None:
            pytest.fail(f"the job has ended: {job.communicate()[0]}")
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def ended(job: subprocess.Popen[str], seconds: float = 240) -> str:
    said, _ = job.communicate(timeout=seconds)
    assert job.returncode == 0, said
    return said


def ranks(machine: ssh_hosts.Machine) -> list[psutil.Process]:
    return [p for p in machine.processes() if "engine.boosting.rank.process" in p.cmdline()]


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:  # it ended with one before
            continue


def test_train_on_two_hosts_and_score(two_hosts: ssh_hosts.Hosts, tmp_path: Path) -> None:
    file = ssh_jobs.write(tmp_path, two_hosts, ssh_jobs.TRAIN)
    job = ssh_jobs.start(file)
    # A rank on each host at the same time: LightGBM's network goes from one to the other.
    until(lambda: all(ranks(machine) for machine in two_hosts.machines), job)
    said = ended(job)
    assert ssh_jobs.ids(file) == ALL
    assert "AUC" in said.upper()
    assert two_hosts.empty(seconds=0) == []


def test_a_host_that_loses_all_its_processes_while_scoring(
    two_hosts: ssh_hosts.Hosts, tmp_path: Path
) -> None:
    file = ssh_jobs.write(tmp_path, two_hosts, ssh_jobs.SCORE)
    job = ssh_jobs.start(file)
    until(lambda: ssh_jobs.parts_done(file) > 0, job)
    victim = two_hosts.machines[0]
    before = {process.pid for process in victim.processes()}
    kill(victim.processes())
    # They are started anew while the job goes on.
    until(lambda: bool({process.pid for process in victim.processes()} - before), job)
    said = ended(job)
    assert f"host {victim.text}: its workers were lost" in said
    assert ssh_jobs.ids(file) == ALL
    assert two_hosts.empty(seconds=0) == []


def test_a_driver_that_is_killed_leaves_nothing_on_the_hosts(
    two_hosts: ssh_hosts.Hosts, tmp_path: Path
) -> None:
    folders = set(two_hosts.scratch.iterdir())  # of a host whose shell was killed too
    file = ssh_jobs.write(tmp_path, two_hosts, ssh_jobs.SCORE)
    job = ssh_jobs.start(file)
    until(lambda: ssh_jobs.parts_done(file) > 0, job)
    assert set(two_hosts.scratch.iterdir()) > folders
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    assert two_hosts.empty(seconds=30) == [], "they wait for no silence: the connection is closed"
    assert set(two_hosts.scratch.iterdir()) == folders
    done = ssh_jobs.parts_done(file)
    assert "predictions" not in os.listdir(file.parent)
    ended(ssh_jobs.start(file))
    assert done > 0 and ssh_jobs.ids(file) == ALL


def test_a_driver_that_is_killed_while_a_link_is_cut(
    two_hosts: ssh_hosts.Hosts, tmp_path: Path
) -> None:
    """No connection is closed then: the hosts find out by themselves, within a minute."""
    file = ssh_jobs.write(tmp_path, two_hosts, ssh_jobs.SCORE)
    job = ssh_jobs.start(file)
    until(lambda: ssh_jobs.parts_done(file) > 0, job)
    cut = two_hosts.machines[0]
    cut.link("down")
    try:
        os.killpg(job.pid, signal.SIGKILL)
        job.communicate()
        assert cut.processes()
        assert two_hosts.empty(seconds=MINUTE) == []
    finally:
        cut.link("up")


def test_a_link_that_is_cut_for_long(two_hosts: ssh_hosts.Hosts, tmp_path: Path) -> None:
    """The other host does the work; the lost one is given up, and comes back."""
    file = ssh_jobs.write(tmp_path, two_hosts, ssh_jobs.SCORE)
    job = ssh_jobs.start(file)
    until(lambda: ssh_jobs.parts_done(file) > 0, job)
    two_hosts.machines[1].link("down")
    try:
        ended(job)
        assert ssh_jobs.ids(file) == ALL
        assert two_hosts.empty(seconds=MINUTE) == []
    finally:
        two_hosts.machines[1].link("up")


def test_a_host_that_does_not_answer_is_named(two_hosts: ssh_hosts.Hosts, tmp_path: Path) -> None:
    file = ssh_jobs.write(tmp_path, two_hosts, ssh_jobs.SCORE)
    text = file.read_text().replace(two_hosts.machines[1].address, ssh_hosts.NOBODY)
    file.write_text(text)
    job = ssh_jobs.start(file)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 2
    assert f"host {ssh_hosts.NOBODY}:{ssh_hosts.PORT}: cannot connect: " in said
    assert "Traceback" not in said and two_hosts.machines[0].text not in said
