"""Which addresses may stand in a job file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from cluster.spec import AddressCluster, ClusterSpec


def _spec(context: dict[str, object] | None = None, **values: object) -> AddressCluster:
    found = TypeAdapter(ClusterSpec).validate_python({"kind": "address", **values}, context=context)
    assert isinstance(found, AddressCluster)
    return found


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "tcp://127.9.9.9:8786", "tcp://localhost:8786", "tcp://[::1]:8786"],
)
def test_plain_tcp_on_this_machine(address: str) -> None:
    assert _spec(address=address).address == address


@pytest.mark.parametrize(
    "address",
    [
        "tcp://10.1.0.5:8786",
        "tcp://scheduler:8786",
        "tcp://0.0.0.0:8786",
        "tcp://127.0.0.1.example.com:8786",
        "tcp://localhost.example.com:8786",
        "tcp://[::ffff:10.0.0.1]:8786",
    ],
)
def test_plain_tcp_beyond_this_machine(address: str) -> None:
    with pytest.raises(ValidationError, match="insecure = true"):
        _spec(address=address)
    assert _spec(address=address, insecure=True).insecure


def test_insecure_is_true_and_nothing_like_it() -> None:
    with pytest.raises(ValidationError, match="insecure"):
        _spec(address="tcp://10.1.0.5:8786", insecure="true")


def test_tls_needs_certificates(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="needs tls = 'FOLDER'"):
        _spec(address="tls://10.1.0.5:8786")
    assert _spec(address="tls://10.1.0.5:8786", tls=str(tmp_path)).tls == tmp_path


def test_certificates_go_with_tls_only(tmp_path: Path) -> None:
    for address in ("tcp://127.0.0.1:8786", "office"):
        with pytest.raises(ValidationError, match="tls goes with an address of tls:// only"):
            _spec(address=address, tls=str(tmp_path))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:8786",
        "tls://host",
        "tls://:8786",
        "tls://host:99999",
        "tls://host:port",
        "tls://user@host:8786",
        "tls://host:8786/path",
        "http://host:8786",
        "inproc://1/2",
        "../else",
        "a/b",
        ".hidden",
        "name\n",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="should be tls://HOST:PORT"):
        _spec(address=address, insecure=True)


def test_a_path_starts_at_the_job_file(tmp_path: Path) -> None:
    context = {"folder": tmp_path / "jobs", "environ": {"WHERE": "keys"}}
    found = _spec(context, address="tls://host:8786", tls="../${WHERE}/a")
    assert found.tls == tmp_path / "keys/a"
    assert _spec(context, address="tls://host:8786", tls="/etc/a").tls == Path("/etc/a")
    with pytest.raises(ValidationError, match="NOT_THERE is not set"):
        _spec(context, address="tls://host:8786", tls="${NOT_THERE}")
    again = _spec(**found.model_dump(mode="json", exclude={"kind"}))
    assert again == found
