"""A process on a worker learns its way from the first line that it is given, keys included."""

from __future__ import annotations

import pytest

from cluster import hosting
from cluster.hosting import Hosted, hosted, take


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "_ways", [])


def test_a_process_elsewhere_has_no_way() -> None:
    assert hosted() is None


@pytest.mark.parametrize(
    "way",
    [Hosted("tcp://127.0.0.1:8786"), Hosted("tls://10.0.0.1:8786", "ca.pem", "-----BEGIN\n", "k")],
)
def test_the_way_is_read_back(way: Hosted) -> None:
    line = way.line()
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    take(line)
    assert hosted() == way


def test_the_worker_material_is_the_clients() -> None:
    assert Hosted("tcp://127.0.0.1:1").security() is None
    found = Hosted("tls://10.0.0.1:1", "ca.pem", "w.pem", "w-key.pem").security()
    assert found is not None and found.require_encryption
    assert (found.tls_ca_file, found.tls_client_cert, found.tls_client_key) == (
        "ca.pem",
        "w.pem",
        "w-key.pem",
    )
