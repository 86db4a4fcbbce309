"""Workers without millrace: the session brings it, to those that join later and to children too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.preflight import code
from cluster.preflight.examination import examined, made_fit
from cluster.preflight.needs import Needs
from cluster.preflight.verdict import Status
from cluster.resources import Resources
from cluster.spec.base import Cluster

SPEC, HAS = Cluster(), Resources(1, 1, 2**30)


def on_worker() -> tuple[Callable[[], tuple[str, str, str]], Callable[..., str]]:
    """Return two functions that Dask sends by value, because they are local to this one.

    The first returns where a worker and a child of it find millrace, and the path for children.
    The second returns the worker's own folder.
    """

    def imported() -> tuple[str, str, str]:
        import engine.boosting.rank.process as found

        told = "import engine.environment as e; print(e.__file__)"
        asked = [sys.executable, "-c", told]
        child = subprocess.run(asked, capture_output=True, text=True, cwd="/")
        return str(found.__file__), child.stdout.strip(), os.environ["PYTHONPATH"]

    def folder(dask_worker: Any) -> str:
        return str(dask_worker.local_directory)

    return imported, folder


imported, scratch = on_worker()


@pytest.mark.slow
def test_millrace_is_brought_and_stays(bench: Any) -> None:
    bench.scheduler()
    first = bench.worker("first", nanny=True)
    with bench.client(1) as client:
        before = {one.name: one for one in examined(client, SPEC, HAS, Needs())}["millrace"]
        assert before.status is Status.OK
        assert before.what == "not installed on 2 of 2: the session brings its own"
        with pytest.raises(RuntimeError, match="deserialization"):  # the scheduler reads it first
            client.submit(code.installed, None, pure=False).result()

        made_fit(client, SPEC, HAS, Needs())
        after = {one.name: one for one in examined(client, SPEC, HAS, Needs())}["millrace"]
        assert after.what == f"the same code everywhere ({code.digest(code.own_folder())[:12]})"

        folder = next(iter(client.run(scratch).values()))
        own, child, path = client.submit(imported, pure=False).result()
        assert own.startswith(folder) and child.startswith(folder)
        assert path.startswith(folder)

        # Its worker process dies; the nanny starts another.
        old, pid = next(iter(client.run(os.getpid).items()))
        os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 60
        while list(bench.named(client).values()) in ([], [old]) and time.monotonic() < until:
            time.sleep(0.1)
        again = client.submit(imported, pure=False).result(60)
        assert again[0] != own and again[0].startswith(again[2])

        bench.worker("second")
        client.wait_for_workers(2, timeout=60)
        places = client.run(scratch)
        second = bench.named(client)["second"]
        later = client.submit(imported, workers=[second], pure=False).result(60)
        assert later[0].startswith(places[second]) and later[1].startswith(places[second])
        # Who comes next finds it there, and brings nothing.
        made_fit(client, SPEC, HAS, Needs())
    assert first.poll() is None
    bench.end()
    assert not [path for path in bench.folder.rglob("millrace-code-*")], "something was left behind"


def test_other_code_is_refused_and_named(bench: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name, file in code.sources(code.own_folder()).items():
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes(file.read_bytes())
    bench.scheduler()
    bench.worker("same", variables={"PYTHONPATH": str(code.own_folder())})
    bench.worker("other", variables={"PYTHONPATH": str(other)})
    with (other / "engine/exact.py").open("a") as changed:
        changed.write("# one more line\n")
    with bench.client(2) as client:
        worker = bench.named(client)["other"]
        with pytest.raises(ClusterError) as refused:
            made_fit(client, SPEC, HAS, Needs())
    assert "the cluster is not fit for this job" in refused.value.what
    assert f"millrace: {worker}: other code (" in refused.value.what
    assert f"in {other}) instead of" in refused.value.what
    assert "pip uninstall millrace" in refused.value.hint


@pytest.mark.slow
def test_a_preload_that_is_not_there_stops_no_worker(bench: Any) -> None:
    """Workers elsewhere start with our settings, and may get millrace only afterwards."""
    import dask

    from cluster.settings import SETTINGS

    with dask.config.set(SETTINGS):
        settings = {"DASK_INTERNAL_INHERIT_CONFIG": dask.config.serialize(dask.config.config)}
    bench.scheduler()
    bench.worker("first", nanny=True, variables=settings)
    with bench.client(1) as client:
        made_fit(client, SPEC, HAS, Needs())
        assert client.submit(imported, pure=False).result(60)[0].endswith("process.py")
