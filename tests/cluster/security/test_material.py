"""Certificates that cannot be used are told in words, before anything connects."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.security import certificates, material
from cluster.security.certificates import make
from cluster.security.copies import copy
from cluster.security.material import check, security


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "certificates"
    make(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "tls"))


def test_encryption_is_required(folder: Path) -> None:
    found = security(folder)
    assert found.require_encryption
    assert found.get_tls_config_for_role("worker") == {
        "ca_file": str(folder / "ca.pem"),
        "ciphers": None,
        "cert": str(folder / "worker.pem"),
        "key": str(folder / "worker-key.pem"),
    }


def test_a_client_needs_its_own_files_only(folder: Path) -> None:
    for name in ("ca-key", "scheduler", "scheduler-key", "worker", "worker-key"):
        (folder / f"{name}.pem").unlink()
    assert security(folder, ["client"]).get_connection_args("client")["ssl_context"]
    with pytest.raises(ClusterError, match=r"lack .*scheduler\.pem"):
        security(folder)


@pytest.mark.parametrize("name", ["ca.pem", "worker.pem", "client-key.pem"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ClusterError, match=f"lack .*{name}"):
        check(folder)


@pytest.mark.parametrize("name", ["ca.pem", "worker.pem", "client-key.pem"])
def test_a_damaged_file(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x00" * 80)
    with pytest.raises(ClusterError, match=f"{name} is not a"):
        check(folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_can_reach(folder: Path, mode: int) -> None:
    (folder / "worker-key.pem").chmod(mode)
    with pytest.raises(ClusterError, match="others than its owner may read or change") as caught:
        check(folder)
    assert "chmod 600" in caught.value.hint
    check(folder, ["client"])  # which does not read that key


def test_files_of_two_clusters(folder: Path, tmp_path: Path) -> None:
    make(tmp_path / "other")
    for name in ("worker.pem", "worker-key.pem"):
        shutil.copy(tmp_path / "other" / name, folder / name)
    with pytest.raises(ClusterError, match=r"worker\.pem was not issued by .*ca\.pem"):
        check(folder)


def test_a_key_of_another_certificate(folder: Path) -> None:
    shutil.copy(folder / "client-key.pem", folder / "worker-key.pem")
    with pytest.raises(ClusterError, match=r"worker-key\.pem is not the key of the certificate"):
        check(folder)


class _Clock(datetime):
    shift = timedelta()

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + cls.shift


@pytest.mark.parametrize(
    ("days", "told"),
    [(364.5, "in less than a day"), (366, r"ca\.pem ended on"), (-1, "this machine's clock says")],
)
def test_certificates_that_are_not_good_now(
    folder: Path, monkeypatch: pytest.MonkeyPatch, days: float, told: str
) -> None:
    monkeypatch.setattr(material, "datetime", _Clock)
    monkeypatch.setattr(_Clock, "shift", timedelta(days=days))
    with pytest.raises(ClusterError, match=told):
        check(folder)


def test_clocks_may_differ_a_little(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "datetime", _Clock)
    monkeypatch.setattr(_Clock, "shift", -certificates.EARLIER * 0.9)
    check(folder)


def test_a_client_is_copied_from_files_and_from_text(made: Path, tmp_path: Path) -> None:
    from distributed import Security

    of_files = copy(security(made), tmp_path / "files")
    assert of_files and sorted(path.name for path in of_files.iterdir()) == [
        "ca.pem",
        "client-key.pem",
        "client.pem",
    ]
    check(of_files, ["client"])
    of_text = copy(Security.temporary(), tmp_path / "text")
    assert of_text and "PRIVATE KEY" in (of_text / "client-key.pem").read_text()
    assert (of_text / "client-key.pem").stat().st_mode & 0o077 == 0
    assert copy(Security(), tmp_path / "none") is None
