"""Clusters of a real gateway server: what is started ends, what was there stays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import dask_gateway
import pytest

from cluster.errors import ClusterError
from cluster.session import connect
from cluster.spec import GatewayCluster
from tests.cluster.gateway.gateways import MEMORY, PASSWORD, Server, free_port, running

LONG = pytest.mark.long
Spec = Callable[..., GatewayCluster]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture
def spec(server: Server, monkeypatch: pytest.MonkeyPatch) -> Spec:
    monkeypatch.setenv("MILLRACE_SECRET_GATEWAY_PASSWORD", PASSWORD)

    def made(**fields: Any) -> GatewayCluster:
        return GatewayCluster.model_validate({**server.fields, "workers": 1, **fields})

    return made


def _settings() -> dict[str, object]:
    import dask

    return {
        "spill": dask.config.get("distributed.worker.memory.spill"),
        "ttl": dask.config.get("distributed.scheduler.worker-ttl"),
        "encryption": dask.config.get("distributed.comm.require-encryption"),
        "threads": os.environ.get("POLARS_MAX_THREADS"),
        "trim": os.environ.get("MALLOC_TRIM_THRESHOLD_"),
    }


def test_a_cluster_is_started_as_asked_for_and_ended(server: Server, spec: Spec) -> None:
    with connect(spec(workers=2, options={"environment": {"OWN": "1"}})) as session:
        workers = session.client.scheduler_info(n_workers=-1)["workers"]
        assert len(workers) == 2 and session.resources.workers == 2
        assert all(address.startswith("tls://127.0.0.1:") for address in workers)
        found = session.client.run(_settings)
        assert (
            list(found.values())
            == [{"spill": False, "ttl": "60 s", "encryption": True, "threads": "1", "trim": None}]
            * 2
        )
        assert set(session.client.run(lambda: os.environ.get("OWN")).values()) == {"1"}
        assert session.client.run_on_scheduler(_settings)["ttl"] == "60 s"
        assert session.dashboard is None
    assert server.gone()


@pytest.mark.long
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_it_ends_when_the_session_breaks(
    server: Server, spec: Spec, error: type[BaseException]
) -> None:
    with pytest.raises(error), connect(spec()):
        raise error
    assert server.gone()


@pytest.mark.long
def test_it_grows_with_the_work_and_shrinks(server: Server, spec: Spec) -> None:
    with connect(spec(workers=1, most=2)) as session:
        assert session.resources.most == 2
        tasks = session.client.map(time.sleep, [0.5] * 60, pure=False)
        session.client.wait_for_workers(2, timeout=60)
        session.client.gather(tasks)
        end = time.monotonic() + 60
        while len(session.client.nthreads()) > 1:
            assert time.monotonic() < end
            time.sleep(0.2)
    assert server.gone()


@pytest.mark.long
def test_an_existing_cluster_is_left_running(server: Server, spec: Spec) -> None:
    known = {key: server.fields[key] for key in ("address", "proxy_address")}
    auth = dask_gateway.BasicAuth(None, PASSWORD)
    with dask_gateway.GatewayCluster(auth=auth, **known) as own:
        own.scale(1)
        with connect(spec(cluster=own.name)) as session:
            before = set(session.client.run(os.getpid).values())
        with connect(spec(cluster=own.name)) as session:
            assert set(session.client.run(os.getpid).values()) == before
    assert server.gone()


@pytest.mark.parametrize(
    ("fields", "what", "hint"),
    [
        pytest.param(
            {"options": {"threads": 2}}, "2 threads, and .* says 1", "threads = 2", marks=LONG
        ),
        pytest.param(
            {"memory": 2 * MEMORY},
            "0.68 GiB, and .* says 1.37 GiB",
            'memory = "700 MiB"',
            marks=LONG,
        ),
        ({"options": {"colour": "red"}}, "(?i)unknown .*colour", "cluster.options"),
        ({"options": {"threads": "many"}}, "(?i)threads", "cluster.options"),
        pytest.param({"workers": 4}, "4 workers would exceed", "lower `workers`", marks=LONG),
        ({"cluster": "nobody"}, "(?i)nobody", "`cluster` names a cluster of yours"),
        ({"password": "${secret:NOBODY}"}, "NOBODY. has no value", "MILLRACE_SECRET_NOBODY"),
        ({"auth": "jupyterhub", "password": None}, "JUPYTERHUB_API_TOKEN", ""),
    ],
)
def test_what_cannot_be_had_is_said(
    server: Server, spec: Spec, fields: dict[str, Any], what: str, hint: str
) -> None:
    with pytest.raises(ClusterError, match=what) as caught, connect(spec(**fields)):
        pytest.fail("it was had")
    assert hint in caught.value.hint
    assert server.gone()


def test_a_wrong_password(server: Server, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_SECRET_GATEWAY_PASSWORD", "katze-0815")
    with pytest.raises(ClusterError, match="does not let you in") as caught, connect(spec()):
        pytest.fail("let in")
    assert "katze" not in str(caught.value) + caught.value.hint
    assert not server.children()


def test_a_gateway_that_is_down(spec: Spec) -> None:
    down = spec(address=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ClusterError, match="does not answer") as caught, connect(down):
        pytest.fail("there is none")
    assert "check `address`" in caught.value.hint
