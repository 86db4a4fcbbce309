"""Real clusters with real faults: each is named by worker, with what to do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster.preflight.examination import examined
from cluster.preflight.needs import Needs
from cluster.preflight.verdict import Status, Verdict
from cluster.resources import Resources
from cluster.spec.base import Cluster

HAS = Resources(2, 1, 2**30)
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
NETWORK, HERE = "10.213.78.0/24", "10.213.78.1"
HOSTS = {"fit-a": "10.213.78.11", "fit-b": "10.213.78.12", "fit-c": "10.213.78.13"}
BRIDGE = "millrace-fit0"

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and mounts need root")


def checks(client: Any, needs: Needs, spec: Cluster | None = None) -> dict[str, Verdict]:
    return {one.name: one for one in examined(client, spec or Cluster(), HAS, needs)}


@pytest.mark.slow
def test_libraries_and_limits(bench: Any, python_with: Callable[..., Path]) -> None:
    old = python_with(without=("lightgbm",), versions={"polars": "2.0.0", "rich": "14.0.0"})
    bench.scheduler()
    bench.worker("good")
    bench.worker("old", python=old)
    bench.worker("small", memory="600MiB")
    with bench.client(3) as client:
        workers, found = bench.named(client), checks(client, Needs())
    libraries, memory = found["libraries"], found["memory"]
    assert libraries.status is Status.REFUSED
    assert list(libraries.workers) == [workers["old"]]
    for text in ("lightgbm is not installed", "polars 2.0.0 instead of", "rich 14.0.0 instead of"):
        assert text in libraries.workers[workers["old"]]
    assert f"{old} -m pip install 'lightgbm==" in libraries.hint
    assert "'polars==" in libraries.hint and "rich" not in libraries.hint
    assert memory.status is Status.REFUSED
    assert list(memory.workers) == [workers["small"]]
    assert memory.what.endswith("is ended at 0.59 GiB, the plan counts on 1.00 GiB")
    assert found["python"].status is Status.OK


@pytest.mark.slow
@pytest.mark.skipif(not FAKETIME.exists(), reason="no libfaketime (Debian: apt install faketime)")
def test_a_clock_that_is_an_hour_ahead_is_a_note(bench: Any) -> None:
    moved = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    bench.scheduler()
    bench.worker("good")
    bench.worker("ahead", variables=moved)
    with bench.client(2) as client:
        workers, clocks = bench.named(client), checks(client, Needs())["clocks"]
    assert clocks.status is Status.NOTE
    assert list(clocks.workers) == [workers["ahead"]]
    assert clocks.workers[workers["ahead"]].startswith(("3,600.", "3,599."))
    assert clocks.workers[workers["ahead"]].endswith("s ahead")


@root_only
@pytest.mark.slow
def test_paths_that_are_not_shared_and_a_full_disk(bench: Any, tmp_path: Path) -> None:
    """One worker has other folders under the same names: a mount namespace of its own."""
    data, out, full = (tmp_path / name for name in ("data", "out", "full"))
    for folder in (data, out, full):
        folder.mkdir()
    (data / "rows.csv").write_text("a,b\n1,2\n")
    bench.scheduler()
    bench.worker("good")
    mounts = f"mount -t tmpfs none {data} && mount -t tmpfs none {out}"
    mounts += f" && mount -t tmpfs -o size=8m none {full}"
    bench.worker(
        "apart", "--local-directory", str(full),
        before=("unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"),
    )  # fmt: skip
    read_only = f"mount --bind {out} {out} && mount -o remount,ro,bind {out}"
    before = ("unshare", "-m", "sh", "-c", f'{read_only} && exec "$@"', "sh")
    bench.worker("reader", before=before)

    def fill(dask_worker: Any) -> None:
        with open(f"{dask_worker.local_directory}/filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    needs = Needs(readable=(str(data), "s3://nowhere/x"), writable=(str(out / "later/rows"),))
    with bench.client(3) as client:
        workers = bench.named(client)
        found = checks(client, needs)
        with pytest.raises(OSError, match="No space left"):
            client.run(fill, workers=[workers["apart"]])
        filled = checks(client, needs)["scratch"]
    shared, scratch = found["shared paths"], found["scratch"]
    assert shared.status is Status.REFUSED
    assert set(shared.workers) == {workers["apart"], workers["reader"]}
    apart = shared.workers[workers["apart"]]
    assert f"{data / 'rows.csv'}: No such file or directory" in apart
    assert f"{out}: does not see a file that was made there" in apart
    assert shared.workers[workers["reader"]] == f"{out}: cannot write there: Read-only file system"
    assert "mount the same folders" in shared.hint
    assert scratch.status is Status.REFUSED
    assert list(scratch.workers) == list(filled.workers) == [workers["apart"]]
    assert "8 MiB free in" in scratch.what and "64 MiB are needed" in scratch.what
    assert "No space left on device" in filled.what or " 0 MiB free" in filled.what
    assert os.listdir(out) == [] and os.listdir(data) == ["rows.csv"], "probes were left"


@root_only
@pytest.mark.slow
def test_what_a_worker_writes_must_be_seen_here(bench: Any, tmp_path: Path) -> None:
    """An overlay shows what is below it, and keeps what is written to itself."""
    out, own = tmp_path / "out", tmp_path / "own"
    for folder in (out, own):
        folder.mkdir()
    mounts = (
        f"mount -t tmpfs none {own} && mkdir {own}/up {own}/work && mount -t overlay overlay "
        f"-o lowerdir={out},upperdir={own}/up,workdir={own}/work {out}"
    )
    tried = subprocess.run(["unshare", "-m", "sh", "-c", mounts], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no overlay here: {tried.stderr}")
    bench.scheduler()
    bench.worker("over", before=("unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"))
    with bench.client(1) as client:
        shared = checks(client, Needs(writable=(str(out),)))["shared paths"]
    assert shared.status is Status.REFUSED
    assert shared.what.endswith(f"{out}: what it wrote is not seen here")
    assert os.listdir(out) == []


@pytest.mark.alone
@pytest.mark.slow
def test_a_frozen_worker_is_named_in_bounded_time(bench: Any) -> None:
    bench.scheduler()
    bench.worker("good")
    frozen = bench.worker("frozen")
    with bench.client(2) as client:
        workers = bench.named(client)
        frozen.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        found = checks(client, Needs(training=True))
        took = time.monotonic() - started
        frozen.send_signal(signal.SIGCONT)
    assert found["workers"].status is Status.REFUSED
    assert list(found["workers"].workers) == [workers["frozen"]]
    assert found["workers"].what.endswith("no answer within 10 s")
    assert all(one.status is not Status.REFUSED for one in found.values() if one.name != "workers")
    assert took < 45


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def hosts() -> Iterator[None]:
    """Make network namespaces on one bridge, as hosts of one network."""
    with ExitStack() as stack:
        ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(ip, "link", "del", BRIDGE)
        ip("addr", "add", f"{HERE}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for name, address in HOSTS.items():
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            stack.callback(ip, "link", "del", name)
            ip("link", "set", name, "master", BRIDGE, "up")
            for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
                ip("-n", name, *words.split())
        yield


@root_only
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ip") is None, reason="no ip (Debian: apt install iproute2)")
def test_the_pair_that_cannot_connect_is_named(bench: Any) -> None:
    bench.host = HERE
    training = Needs(training=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(hosts())
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces: {error.stderr}")
        stack.callback(bench.end)  # while their hosts are there
        bench.scheduler()
        for name, address in HOSTS.items():
            bench.worker(name, host=address, before=("ip", "netns", "exec", name))
        with bench.client(3) as client:
            workers = bench.named(client)
            spec = Cluster(network=NETWORK, ports="12400-12401")
            fine = checks(client, training, spec)["ports"]
            again = checks(client, training, spec)["ports"]
            assert fine.status is again.status is Status.OK, "ports were not given back"
            assert fine.what == "each of 3 workers reaches every other"

            ip("-n", "fit-a", "route", "add", "prohibit", f"{HOSTS['fit-b']}/32")
            cut = checks(client, training, spec)["ports"]
            elsewhere = checks(client, training, Cluster(network="10.99.0.0/16"))["ports"]
    assert cut.status is Status.REFUSED
    assert set(cut.workers) <= {workers["fit-a"], workers["fit-b"]}
    pair = f"cannot connect to {workers['fit-b']} ({HOSTS['fit-b']}:124"
    assert cut.workers[workers["fit-a"]].startswith(pair)
    assert "open the ports" in cut.hint
    assert elsewhere.status is Status.REFUSED and len(elsewhere.workers) == 3
    assert "has no address in 10.99.0.0/16: it has" in elsewhere.what
