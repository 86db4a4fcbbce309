"""A real `millrace ui`: a process of its own."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def serving(store: Path) -> Iterator[str]:
    """Serve a store while the body runs.

    Yields:
        The address, which ends with a slash.
    """
    command = [sys.executable, "-m", "jobs.cli", "ui", "--store", str(store)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
            process.terminate()
            assert process.wait(20) == 0  # SIGTERM is an ordinary end
        finally:
            process.kill()


Answer = tuple[int, http.client.HTTPMessage, str]


def ask(address: str, path: str, method: str = "GET", **headers: str) -> Answer:
    """Return status, headers and text of an answer; the path is sent as it is."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        sent: Mapping[str, str] = {name.replace("_", "-"): text for name, text in headers.items()}
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, text in sent.items():
            connection.putheader(name, text)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()
