"""Real servers on loopback: moto's S3 protocol server, and a web server with TLS and ranges."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.storage import secrets

sys.path.insert(0, str(Path(__file__).parent))

from storage_servers import CANARY, Bucket, Web, certificates, s3, serve


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment may help or harm, and nobody asks the cloud's metadata service.

    What one test has filled in must not mask the messages of the next.
    """
    monkeypatch.setattr(secrets, "_used", set())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("MILLRACE_SECRET_STORE_KEY", "somebody")
    monkeypatch.setenv("MILLRACE_SECRET_STORE_SECRET", CANARY)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """URL of a server that speaks S3."""
    with s3() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    return Bucket(endpoint)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server without TLS."""
    yield from serve(Web(), None)


@pytest.fixture
def tls(certificate: tuple[Path, Path, Path]) -> Iterator[Web]:
    """A web server with a certificate that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate[1:])
    yield from serve(Web(ca_file=str(certificate[0])), context)
