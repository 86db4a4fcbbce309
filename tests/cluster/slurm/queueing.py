"""A SLURM of its own on this machine: munged, slurmctld, and two nodes with a slurmd each.

All that it has is in one temporary folder, and nothing but its own processes are touched. Control
groups are off, so it runs in a container too, as root or as a user.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")

CONFIG = """\
ClusterName=millrace
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=2
OverTimeLimit=0
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={first} CPUs=2 RealMemory=6000
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={second} CPUs=2 RealMemory=6000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""

START_SECONDS = 60
EMPTY_SECONDS = 90


class Slurm:
    """A running SLURM.

    Args:
        folder: Holds all that it has.
    """

    def __init__(self, folder: Path) -> None:
        """Say how its commands find it."""
        self.folder = folder
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}

    def command(self, *words: str) -> str:
        """Run one of its commands and return what it says."""
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def jobs(self, state: str = "all") -> list[str]:
        """Return the numbers of the jobs that wait or run, or are in a state."""
        chosen = () if state == "all" else ("--states", state)
        return sorted(self.command("squeue", "--noheader", "--format", "%i", *chosen).split())

    def empty(self) -> bool:
        """Tell whether no job is left, waiting for those that are just ending."""
        return until(lambda: not self.jobs(), EMPTY_SECONDS)


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Tell whether something comes to hold within so many seconds."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return held


def absent() -> list[str]:
    """Return the commands that this machine lacks."""
    return [name for name in COMMANDS if shutil.which(name) is None]


@contextmanager
def running() -> Iterator[Slurm]:
    """Start it; on the way out, end its jobs and all of its processes."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # munge's socket: a short path
    slurm = Slurm(folder)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(_end_left, slurm)
        _configure(folder)
        munge = ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key"]
        places = {"socket": "sock", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        munge += [f"--{name}={folder}/munge.{suffix}" for name, suffix in places.items()]
        _start(stack, slurm, munge)
        assert until((folder / "munge.sock").exists, START_SECONDS)
        _start(stack, slurm, ["slurmctld", "-D", "-c"])
        for node in ("n1", "n2"):
            _start(stack, slurm, ["slurmd", "-D", "-N", node])
        stack.callback(_cancel_all, slurm)
        assert until(lambda: _idle(slurm), START_SECONDS), _told(folder)
        yield slurm


def _configure(folder: Path) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    for name in ("state", "n1", "n2"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        control, first, second = (one.getsockname()[1] for one in taken)
    config = CONFIG.format(
        folder=folder,
        host=socket.gethostname().split(".")[0],
        user=getpass.getuser(),
        control=control,
        first=first,
        second=second,
    )
    (folder / "slurm.conf").write_text(config)


def _start(stack: ExitStack, slurm: Slurm, words: Sequence[str]) -> None:
    log = stack.enter_context((slurm.folder / f"{words[0]}-{len(words)}.out").open("a"))
    process = subprocess.Popen(
        words, env=slurm.environment, stdout=log, stderr=log, start_new_session=True
    )
    stack.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _idle(slurm: Slurm) -> bool:
    try:
        states = slurm.command("sinfo", "--noheader", "--Node", "--format", "%T").split()
    except subprocess.SubprocessError:
        return False
    return states == ["idle", "idle"]


def _cancel_all(slurm: Slurm) -> None:
    with suppress(subprocess.SubprocessError):
        for job in slurm.jobs():
            slurm.command("scancel", job)
        slurm.empty()


def _end_left(slurm: Slurm) -> None:
    """End what still runs with this SLURM's configuration: steps of jobs, and what they started."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = process.environ().get("SLURM_CONF") == slurm.environment["SLURM_CONF"]
            if ours and process.pid != os.getpid():
                process.kill()


def _told(folder: Path) -> str:
    return "\n".join(file.read_text(errors="replace")[-2000:] for file in folder.glob("*.out"))
