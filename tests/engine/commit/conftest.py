"""A real S3 server on loopback, and a proxy in front of it that makes faults."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from engine.storage import secrets, stores
from tests.engine.commit.proxy import PATIENCE, Proxy, between
from tests.engine.storage.storage_servers import Bucket, s3


@pytest.fixture
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of the tests ask again soon."""
    monkeypatch.setattr(secrets, "_used", set())
    backoff = {"init_backoff": timedelta(milliseconds=5), "max_backoff": timedelta(milliseconds=20)}
    retry = {"max_retries": 3, "retry_timeout": timedelta(seconds=60), "backoff": backoff}
    monkeypatch.setattr(stores, "_retry", lambda: retry)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("MILLRACE_SECRET_STORE_KEY", "somebody")
    monkeypatch.setenv("MILLRACE_SECRET_STORE_SECRET", "canary/Secret+Value=0123456789")


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """URL of a server that speaks S3."""
    with s3() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, _patience: None) -> Bucket:
    """A bucket, reached without faults."""
    return Bucket(endpoint)


@pytest.fixture
def proxy(endpoint: str, _patience: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The server behind a proxy, whose silence clients do not bear for long."""
    monkeypatch.setattr(stores, "STALL_SECONDS", PATIENCE)
    with between(endpoint) as found:
        yield found


@pytest.fixture
def far(proxy: Proxy) -> Bucket:
    """A bucket, reached through the proxy."""
    return Bucket(proxy.url)
