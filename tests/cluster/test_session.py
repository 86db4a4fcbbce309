"""A session runs processes on the loopback interface, and leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from cluster import LocalCluster, Session, connect

SPEC = LocalCluster(workers=2, memory="400 MiB")
ROOT = Path(__file__).parents[2]


def children(pid: int | None = None) -> set[int]:
    """Processes below ``pid``, without the resource tracker that Python itself keeps to its end."""
    found = psutil.Process(pid).children(recursive=True)
    return {p.pid for p in found if "resource_tracker" not in " ".join(p.cmdline())}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect(SPEC) as opened:
        yield opened


def test_workers_are_processes(session: Session) -> None:
    pids = set(session.client.run(os.getpid).values())
    assert len(pids) == 2
    assert pids <= children()


def test_resources(session: Session) -> None:
    assert session.resources == SPEC.resources()
    workers = session.client.scheduler_info(n_workers=-1)["workers"].values()
    assert [(w["nthreads"], w["memory_limit"]) for w in workers] == [(1, 400 * 2**20)] * 2
    assert session.dashboard is None


def test_everything_listens_on_loopback(session: Session) -> None:
    pids = [os.getpid(), *children()]
    sockets = [c for pid in pids for c in psutil.Process(pid).net_connections("inet")]
    listening = {c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_workers_know_their_threads(session: Session) -> None:
    names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")
    found = session.client.run(lambda: [os.environ.get(name) for name in names])
    assert list(found.values()) == [["1", "1"]] * 2


def test_workers_keep_the_default_allocator_setting(session: Session) -> None:
    found = session.client.run(lambda: os.environ.get("MALLOC_TRIM_THRESHOLD_"))
    assert set(found.values()) == {os.environ.get("MALLOC_TRIM_THRESHOLD_")}


def test_workers_settings(session: Session) -> None:
    def setting(name: str) -> object:
        import dask

        return dask.config.get(name)

    for name, expected in {
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": 0.95,
        "distributed.scheduler.worker-ttl": "60 s",
    }.items():
        assert set(session.client.run(setting, name).values()) == {expected}
        assert session.client.run_on_scheduler(setting, name) == expected


def test_a_worker_that_dies_is_replaced(session: Session) -> None:
    [victim, other] = session.client.run(os.getpid).values()
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        pids = set(session.client.run(os.getpid, on_error="ignore").values())
        if len(pids) == 2 and victim not in pids:
            break
        time.sleep(0.1)
    assert len(pids) == 2 and other in pids and victim not in pids


def _fail() -> None:
    raise ValueError("told to the driver only")


def test_a_task_that_raises_is_not_logged(
    session: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="told to the driver"):
        session.client.submit(_fail).result()
    assert "told" not in capfd.readouterr().err


def test_nothing_is_left() -> None:
    before, variables = children(), dict(os.environ)
    with connect(LocalCluster(workers=1, memory="400 MiB")):
        assert children() > before
    assert children() == before
    assert dict(os.environ) == variables


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_when_the_body_raises(error: type[BaseException]) -> None:
    before = children()
    with pytest.raises(error), connect(LocalCluster(workers=1, memory="400 MiB")):
        raise error
    assert children() == before


DRIVER = """
import sys, time
from cluster import LocalCluster, connect
if __name__ == "__main__":
    with connect(LocalCluster(workers=2, memory="400 MiB")) as session:
        session.client.submit(time.sleep, 60)
        print("open", flush=True)
        while True:  # a signal that comes just before a sleep does not end it
            time.sleep(0.1)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_is_stopped_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    driver = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "open\n"
    workers = [psutil.Process(pid) for pid in children(driver.pid)]
    assert len(workers) == 2
    time.sleep(1)  # until the task is with a worker: Dask may wait for one that it hands over
    if number == signal.SIGINT:
        os.killpg(driver.pid, number)  # what Ctrl-C in a terminal does: the whole group
    else:
        driver.kill()
    _, messages = driver.communicate(timeout=120)
    assert messages.count("Traceback") <= 1, "workers are quiet; only the driver was interrupted"
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []


def test_importing_the_package_is_light() -> None:
    code = "import sys, cluster; print([m for m in ('dask', 'distributed') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_session_does_not_load_frames_or_plots() -> None:
    code = (
        "import sys, cluster; cluster.connect;"
        "print([m for m in ('bokeh', 'pandas', 'polars', 'dask.dataframe') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_the_dashboard_is_served_to_its_own_pages_only() -> None:
    with connect(LocalCluster(workers=1, memory="400 MiB", dashboard=True)) as session:
        assert session.dashboard is not None
        port = urlsplit(session.dashboard).port
        for origin, answer in ((f"127.0.0.1:{port}", 101), ("evil.example:80", 403)):
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
            headers |= {"Sec-WebSocket-Key": "x" * 22 + "==", "Sec-WebSocket-Version": "13"}
            headers |= {"Sec-WebSocket-Protocol": f"bokeh, {_token(asked)}"}
            asked.request("GET", "/status/ws", headers=headers | {"Origin": f"http://{origin}"})
            assert asked.getresponse().status == answer
            asked.close()


def _token(asked: http.client.HTTPConnection) -> str:
    asked.request("GET", "/status")
    page = asked.getresponse().read().decode()
    found = re.search(r'"token":"([^"]+)"', page)
    assert found is not None
    return found[1]
