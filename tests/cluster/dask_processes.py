"""A scheduler and workers started with Dask's own commands, as somebody else would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCAL = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def tls(folder: Path, role: str) -> list[str]:
    """Return the options for certificates of a role."""
    files = {"ca-file": "ca.pem", "cert": f"{role}.pem", "key": f"{role}-key.pem"}
    return [word for name, file in files.items() for word in (f"--tls-{name}", str(folder / file))]


@contextmanager
def started(
    *command: str, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``dask`` with these arguments; end it and all of its children on the way out."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def scheduler(folder: Path | None, *more: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a scheduler on loopback, with certificates if there are any; yield its address too."""
    port = free_port()
    scheme = "tls" if folder else "tcp"
    options = ["--host", "127.0.0.1", "--port", str(port), *LOCAL]
    options += tls(folder, "scheduler") if folder else []
    with started("scheduler", *options, *more) as process:
        _listening(port, process)
        yield f"{scheme}://127.0.0.1:{port}", process


@contextmanager
def workers(
    address: str,
    folder: Path | None,
    options: Sequence[Sequence[str]],
    variables: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run one worker for each set of options; return when the scheduler may not know them yet."""
    with ExitStack() as stack:
        for own in options:
            certificates = tls(folder, "worker") if folder else []
            stack.enter_context(
                started(
                    "worker",
                    address,
                    "--host",
                    "127.0.0.1",
                    *LOCAL,
                    *certificates,
                    *own,
                    variables=variables,
                )
            )
        yield


def _listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the scheduler ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the scheduler does not listen")
