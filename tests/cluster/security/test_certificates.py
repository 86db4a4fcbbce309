"""Certificates, held against OpenSSL: who may connect to whom, and who may not."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509

from cluster.errors import ClusterError
from cluster.security.certificates import make
from cluster.security.material import security

ROLES = ("scheduler", "worker", "client")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls") / "certificates"
    make(made)
    return made


@pytest.fixture(scope="module")
def outsider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of another cluster."""
    made = tmp_path_factory.mktemp("tls") / "outsider"
    make(made)
    return made


def test_files_and_their_permissions(folder: Path) -> None:
    names = {f"{role}{end}.pem" for role in ("ca", *ROLES) for end in ("", "-key")}
    assert {path.name for path in folder.iterdir()} == names
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {mode for name, mode in modes.items() if name.endswith("-key.pem")} == {0o600}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # no scratch is left


def test_they_end_in_time(tmp_path: Path) -> None:
    make(tmp_path / "c", days=30)
    for name in ("ca.pem", "worker.pem"):
        found = x509.load_pem_x509_certificate((tmp_path / "c" / name).read_bytes())
        assert (found.not_valid_after_utc - found.not_valid_before_utc).days == 30


def test_days_that_no_job_could_use(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="would end while a job runs"):
        make(tmp_path / "c", days=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(ClusterError, match="not empty"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_empty_folder_is_taken_and_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir(mode=0o755)
    make(tmp_path / "c")
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700


def test_nothing_is_left_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(ClusterError, match="No space left"):
        make(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def _talk(server: ssl.SSLContext, client: ssl.SSLContext | None) -> bool:
    """Connect over a real socket; tell whether a byte went each way.

    Without a client's context the peer speaks plain TCP.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)

    def serve() -> None:
        try:
            plain, _ = listener.accept()
            with plain:
                plain.settimeout(5)
                with server.wrap_socket(plain, server_side=True) as peer:
                    peer.sendall(peer.recv(1))
        except OSError:
            pass  # refused: the other side sees it

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with socket.create_connection(listener.getsockname(), timeout=5) as plain:
            peer = client.wrap_socket(plain) if client else plain
            with peer:
                peer.sendall(b"x")
                return peer.recv(1) == b"x"
    except OSError:
        return False
    finally:
        thread.join()
        listener.close()


def _serving(folder: Path, role: str, pair: str = "") -> ssl.SSLContext:
    """Return what Dask listens with in a role; ``pair`` names other files to show instead."""
    context = security(folder).get_listen_args(role)["ssl_context"]
    return _showing(context, folder, pair)


def _connecting(folder: Path, role: str, pair: str = "") -> ssl.SSLContext:
    context = security(folder).get_connection_args(role)["ssl_context"]
    return _showing(context, folder, pair)


def _showing(context: object, folder: Path, pair: str) -> ssl.SSLContext:
    assert isinstance(context, ssl.SSLContext)
    if pair:
        context.load_cert_chain(folder / f"{pair}.pem", folder / f"{pair}-key.pem")
    return context


@pytest.mark.parametrize("listens", ["scheduler", "worker"])
@pytest.mark.parametrize("connects", ROLES)
def test_each_role_reaches_scheduler_and_workers(folder: Path, listens: str, connects: str) -> None:
    assert _talk(_serving(folder, listens), _connecting(folder, connects))


@pytest.mark.parametrize("connects", ROLES)
def test_a_client_cannot_pose_as_scheduler_or_worker(folder: Path, connects: str) -> None:
    posing = _serving(folder, "scheduler", pair="client")
    assert not _talk(posing, _connecting(folder, connects))


def test_a_worker_can_pose_as_scheduler(folder: Path) -> None:
    """Dask does not tell them apart; SECURITY.md says so."""
    assert _talk(_serving(folder, "scheduler", pair="worker"), _connecting(folder, "client"))


def test_nobody_gets_in_with_the_authority_itself(folder: Path) -> None:
    assert not _talk(_serving(folder, "scheduler"), _connecting(folder, "client", pair="ca"))


@pytest.mark.parametrize("connects", ROLES)
def test_another_cluster_is_refused(folder: Path, outsider: Path, connects: str) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE  # an attacker does not check
    _showing(trusting, outsider, connects)
    assert not _talk(_serving(folder, "scheduler"), trusting)
    assert not _talk(_serving(outsider, "scheduler"), _connecting(folder, connects))


def test_no_certificate_and_no_tls_are_refused(folder: Path) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.verify_mode = ssl.CERT_NONE
    assert not _talk(_serving(folder, "scheduler"), bare)
    assert not _talk(_serving(folder, "scheduler"), None)
