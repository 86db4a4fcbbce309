"""The provider against an imitation of Kubernetes (see there what is imitated, and what is not)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.errors import ClusterError
from cluster.session import connect
from cluster.spec import KubernetesCluster
from tests.cluster.kubernetes.imitation import Imitation, imitated


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Imitation]:
    with imitated(tmp_path) as started:
        monkeypatch.setenv("KUBECONFIG", str(started.kubeconfig))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        yield started


def spec(**fields: Any) -> KubernetesCluster:
    known = {"kind": "kubernetes", "image": "i:1", "workers": 1, "memory": "600 MiB"}
    return KubernetesCluster.model_validate(known | fields)


def _settings() -> dict[str, object]:
    import dask

    return {
        "spill": dask.config.get("distributed.worker.memory.spill"),
        "encryption": dask.config.get("distributed.comm.require-encryption"),
        "threads": os.environ.get("POLARS_MAX_THREADS"),
        "trim": os.environ.get("MALLOC_TRIM_THRESHOLD_"),
    }


@pytest.mark.slow
def test_the_pods_commands_make_a_cluster_with_tls(server: Imitation) -> None:
    with connect(spec(workers=2)) as session:
        workers = session.client.scheduler_info(n_workers=-1)["workers"]
        assert len(workers) == 2
        assert all(address.startswith("tls://") for address in workers)
        assert {w["memory_limit"] for w in workers.values()} == {600 * 2**20}
        assert {w["name"] for w in workers.values()} == set(server.pods) - {
            name for name in server.pods if name.endswith("-scheduler")
        }
        found = session.client.run(_settings)
        told = {"spill": False, "encryption": True, "threads": "1", "trim": None}
        assert list(found.values()) == [told] * 2
        assert session.client.run_on_scheduler(_settings)["encryption"] is True
        assert server.created == ["DaskCluster", "NetworkPolicy", "Secret"]
        for name, (_, process) in server.pods.items():
            if name.endswith("-scheduler"):
                pages = {
                    c.laddr.ip
                    for c in _listening(process.pid)
                    if c.laddr.port != server.ports[8786]
                }
                assert pages == {"127.0.0.1"}
        _speaks_tls_only(server.ports[8786])
    assert not server.pods and not server.objects


def _listening(pid: int) -> list[Any]:
    found = psutil.Process(pid).net_connections("inet")
    return [each for each in found if each.status == psutil.CONN_LISTEN]


def _speaks_tls_only(port: int) -> None:
    """A scheduler without TLS speaks first; one with TLS waits for the client."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=2)
    with plain, pytest.raises(TimeoutError):
        plain.recv(1)


@pytest.mark.long
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_it_ends_when_the_session_breaks(server: Imitation, error: type[BaseException]) -> None:
    with pytest.raises(error), connect(spec()):
        raise error
    assert not server.pods and not server.objects


def test_a_pod_that_will_never_run_is_said_at_once(server: Imitation) -> None:
    server.waiting = {"reason": "ImagePullBackOff", "message": "pull access denied for i:1"}
    with pytest.raises(ClusterError, match="ImagePullBackOff: pull access denied") as caught:
        connect(spec()).__enter__()
    assert "check `image`" in caught.value.hint
    assert not server.pods and not server.objects


def test_an_operator_that_does_nothing(server: Imitation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.providers.kubernetes.START_SECONDS", 2.0)
    server.operator = False
    with pytest.raises(ClusterError, match="the operator made none") as caught:
        connect(spec()).__enter__()
    assert "operator running" in caught.value.hint
    assert not server.objects


@pytest.mark.parametrize("kind", ["daskclusters", "secrets"])
def test_rights_that_are_missing(server: Imitation, kind: str) -> None:
    server.forbidden = {kind}
    with pytest.raises(ClusterError, match="is forbidden") as caught:
        connect(spec()).__enter__()
    assert "rights" in caught.value.hint
    assert not server.objects and not server.pods


def test_no_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterError) as caught:
        connect(spec()).__enter__()
    assert "kubeconfig" in caught.value.hint


def test_an_api_that_does_not_answer(server: Imitation, monkeypatch: pytest.MonkeyPatch) -> None:
    text = server.kubeconfig.read_text().replace(str(server.port), "9")
    server.kubeconfig.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(server.folder / "other"))
    (server.folder / "other").write_text(text)
    with pytest.raises(ClusterError, match="does not answer"):
        connect(spec()).__enter__()
