"""What lies between a client and its store: a proxy on loopback that makes the faults of a network.

It speaks HTTP/1.1 to both sides and forwards what it gets, except where a fault says otherwise.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["503", "409", "403", "cut", "lost", "twice", "late", "silent", "bare", "down"]
"""``503``: refused, slow down. ``409``: refused, a conflict. ``403``: forbidden. ``cut``: the
connection ends before the store hears of it. ``lost``: the store does it, the answer is lost.
``twice``: the network repeats the request, the client hears the second answer. ``late``: the store
does it, the answer comes after the client's patience. ``silent``: the same, and the store never
hears of it. ``bare``: the condition is dropped on the way. ``down``: as ``cut``, for good."""

PATIENCE = 1.0
"""Seconds after which the tests' clients give a silent connection up."""


@dataclass
class Proxy:
    """A server in front of another one.

    Attributes:
        target: URL of the store.
        url: Its own.
        faults: By a pattern of requests (``PUT .*/commit.json``): what happens to those that it is
            found in, in their order, then nothing.
        seen: Requests so far, method and path.
    """

    target: str
    url: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, request: str) -> Fault | None:
        with self._lock:
            self.seen.append(request)
            for part, left in self.faults.items():
                if left and re.search(part, request):
                    return left[0] if left[0] == "down" else left.pop(0)
        return None

    def forward(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        parts = urlsplit(self.target)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()


@dataclass(frozen=True)
class Answer:
    """What the store says."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def _refusal(status: int, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return Answer(status, [("Content-Type", "application/xml")], body.encode())


_REFUSALS = {
    "503": _refusal(503, "SlowDown"),
    "409": _refusal(409, "ConditionalRequestConflict"),
    "403": _refusal(403, "AccessDenied"),
}


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: the second waited 40 ms

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault(f"{self.command} {self.path}")
            headers = dict(self.headers)
            if fault in _REFUSALS:
                self._answer(_REFUSALS[fault])
                return
            if fault in ("cut", "down"):
                self._hang_up()
                return
            if fault == "silent":
                time.sleep(2 * PATIENCE)
                self._hang_up()
                return
            if fault == "bare":
                headers = {k: v for k, v in headers.items() if k.lower() != "if-none-match"}
            answer = proxy.forward(self.command, self.path, body, headers)
            if fault == "twice":
                answer = proxy.forward(self.command, self.path, body, headers)
            if fault == "late":
                time.sleep(2 * PATIENCE)
            if fault in ("lost", "late"):
                self._hang_up()
                return
            self._answer(answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def _answer(self, answer: Answer) -> None:
            self.send_response(answer.status)
            skipped = ("transfer-encoding", "connection", "content-length", "server", "date")
            for name, value in answer.headers:
                if name.lower() not in skipped:
                    self.send_header(name, value)
            lengths = [v for k, v in answer.headers if k.lower() == "content-length"]
            length = lengths[0] if self.command == "HEAD" and lengths else str(len(answer.body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    return Handler


@contextmanager
def between(target: str) -> Iterator[Proxy]:
    """Put a proxy in front of a store while the body runs."""
    proxy = Proxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
