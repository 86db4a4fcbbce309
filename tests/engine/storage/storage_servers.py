"""Servers on loopback that the tests of places ask: an S3 client's view, a web server, TLS."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.storage import Access

CANARY = "canary/Secret+Value=0123456789"


def client(endpoint: str, service: str = "s3", key: str = "admin", secret: str = "admin") -> Any:
    """Return boto3's client of that server: what another writer would use."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


@contextmanager
def s3() -> Iterator[str]:
    """Run a server that speaks S3; yields its URL."""
    moto = pytest.importorskip("moto.server", reason="needs moto's S3 server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Bucket:
    """A bucket of its own for a test, and how millrace reaches it."""

    endpoint: str
    name: str = field(default_factory=lambda: f"b-{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self._client = client(self.endpoint)
        self._client.create_bucket(Bucket=self.name)

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    @property
    def access(self) -> Access:
        return Access(
            (
                ("endpoint", self.endpoint),
                ("region", "us-east-1"),
                ("access_key_id", "${secret:STORE_KEY}"),
                ("secret_access_key", "${secret:STORE_SECRET}"),
            )
        )

    def put(self, key: str, data: bytes = b"data") -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def contents(self, prefix: str = "") -> dict[str, bytes]:
        """Return key and bytes of all objects below a prefix, by key."""
        listed = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])
        keys = sorted(entry["Key"] for entry in listed)
        get = self._client.get_object
        return {key: get(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=key)


@dataclass
class Web:
    """A web server with one file, and how it behaves.

    Attributes:
        etag: The tag it sends, ``None`` for none.
        modified: Whether it tells a time of change.
        ranges: Whether it gives parts of the file.
        conditions: Whether it honours ``If-Match``.
        status: What it answers instead of 200 or 206; 0 for the right thing.
        asked: Requests so far: method, path and headers.
    """

    data: bytes = b"0123456789"
    etag: str | None = '"one"'
    modified: bool = True
    ranges: bool = True
    conditions: bool = True
    status: int = 0
    url: str = ""
    ca_file: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: the second waited 40 ms

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(web.data)

        def _answer(self, body: bytes) -> None:
            web.asked.append((self.command, self.path, dict(self.headers)))
            status, length, extra = 200, len(web.data), {}
            wanted = self.headers.get("If-Match")
            if web.status:
                status, length, body = web.status, 0, b""
            elif web.conditions and wanted not in (None, web.etag):
                status, length, body = 412, 0, b""
            elif web.ranges and "Range" in self.headers:
                first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
                body = body[first : last + 1]
                status, length = 206, len(body)
                extra = {"Content-Range": f"bytes {first}-{first + length - 1}/{len(web.data)}"}
            if web.etag is not None:
                extra["ETag"] = web.etag
            if web.modified:
                extra["Last-Modified"] = "Wed, 21 Oct 2015 07:28:00 GMT"
            self.send_response(status)
            for name, value in {"Content-Length": str(length), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Write an authority's certificate, the one that it gave to 127.0.0.1, and the latter's key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    authority, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    now = datetime.datetime.now(datetime.UTC)

    def named(text: str) -> Any:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def signed(subject: str, public: Any, is_authority: bool) -> Any:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        constraint = x509.BasicConstraints(ca=is_authority, path_length=None)
        return (
            x509.CertificateBuilder(named("authority"), named(subject), public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(constraint, critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(authority, hashes.SHA256())
            .public_bytes(form.Encoding.PEM)
        )

    paths = folder / "authority.pem", folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(signed("authority", authority.public_key(), True))
    paths[1].write_bytes(signed("server", key.public_key(), False))
    kinds = form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
    paths[2].write_bytes(key.private_bytes(*kinds))
    return paths


def serve(web: Web, context: ssl.SSLContext | None) -> Iterator[Web]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(web))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    web.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}/data/day.csv"
    yield web
    server.shutdown()
    server.server_close()
    thread.join()
