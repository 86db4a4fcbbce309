"""A scheduler and workers in Python environments that have everything but millrace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sysconfig
import venv
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from distributed import Client

OURS = ("millrace", "engine", "jobs", "cluster")


def environment(
    folder: Path, *, without: tuple[str, ...] = (), versions: dict[str, str] | None = None
) -> Path:
    """Make an environment of this one's libraries, and return its Python.

    Each is a link. What an editable install adds is left out, because `.pth` files are.

    Args:
        folder: Of the environment.
        without: Libraries that it is to lack.
        versions: What libraries are to say of their version.
    """
    venv.create(folder, symlinks=True)
    here = Path(sysconfig.get_path("purelib"))
    there = next(folder.glob("lib/python*/site-packages"))
    for entry in here.iterdir():
        name = entry.name.lower().partition("-")[0].removeprefix("__editable__.")
        if name.partition(".")[0] not in (*OURS, *without) and entry.suffix != ".pth":
            (there / entry.name).symlink_to(entry)
    for name, version in (versions or {}).items():
        for old in there.glob(f"{name}-*.dist-info"):
            old.unlink()
        info = there / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    python = folder / "bin/python"
    asked = "import importlib.util as u; print([u.find_spec(n) for n in ('engine', 'jobs')])"
    found = subprocess.run(
        [python, "-c", asked], env=bare(), cwd=folder, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[None, None]", "this environment has millrace"
    return python


def bare() -> dict[str, str]:
    """Return the variables of this process without those that lead to millrace."""
    # Byte code is kept by the path of its source, and an environment's is new each time: without a
    # folder of its own it stands beside the file that a link leads to, and is found again.
    left_out = ("PYTHONPATH", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Bench:
    """Dask processes that are started one by one, and all ended in the end.

    Args:
        folder: Where they run, and write.
        python: Whose Python they run.
        host: Where the scheduler listens.
    """

    folder: Path
    python: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def scheduler(self) -> subprocess.Popen[bytes]:
        options = ("--host", self.host, "--port", str(self.port), "--no-dashboard")
        return self.start("dask_scheduler", *options, "--dashboard-address", "127.0.0.1:0")

    def worker(
        self,
        name: str,
        *options: str,
        host: str = "127.0.0.1",
        nanny: bool = False,
        memory: str = "1GiB",
        python: Path | None = None,
        before: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        fixed = ("--name", name, "--host", host, "--nthreads", "1", "--no-dashboard")
        more = ("--memory-limit", memory, "--nanny" if nanny else "--no-nanny")
        return self.start(
            "dask_worker", self.address, *fixed, *more, *options,
            python=python, before=before, variables=variables,
        )  # fmt: skip

    def start(
        self,
        program: str,
        *options: str,
        python: Path | None = None,
        before: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen(
                [*before, python or self.python, "-m", f"distributed.cli.{program}", *options],
                env=bare() | {"TMPDIR": str(self.folder)} | (variables or {}),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def client(self, workers: int) -> Client:
        client = Client(self.address, timeout=30)
        client.wait_for_workers(workers, timeout=60)
        return client

    def named(self, client: Client) -> dict[str, str]:
        """Return the addresses of the workers by their names."""
        workers = client.scheduler_info(n_workers=-1)["workers"]
        return {worker["name"]: address for address, worker in workers.items()}

    def end(self) -> None:
        for process in reversed(self.processes):
            with suppress(psutil.NoSuchProcess):
                below = psutil.Process(process.pid).children(recursive=True)
                for one in (*below, process):
                    with suppress(psutil.NoSuchProcess, ProcessLookupError):
                        one.send_signal(signal.SIGCONT)
                        one.terminate()
                psutil.wait_procs(below, timeout=10)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment(tmp_path_factory.mktemp("bare") / "venv")


@pytest.fixture(scope="session")
def python_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    return lambda **changes: environment(tmp_path_factory.mktemp("odd") / "venv", **changes)


@pytest.fixture
def bench(tmp_path: Path, bare_python: Path) -> Iterator[Bench]:
    opened = Bench(tmp_path, bare_python)
    try:
        yield opened
    finally:
        opened.end()
