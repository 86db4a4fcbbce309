"""What the server answers: pages, JSON, metrics, each with the headers that keep others out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from tornado.web import HTTPError, RequestHandler

from engine.errors import MillraceError
from jobs.ui import pages
from jobs.ui.metrics import exposition
from jobs.ui.store import DAMAGED, Runs

HOSTS = ("127.0.0.1", "localhost")
"""Names under which a browser of this machine, or the end of an ssh tunnel, may ask."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; frame-ancestors 'none'; sandbox allow-scripts"
)
"""Reports are whole in themselves, with their script. In the sandbox they have no origin: they can
read none of the other pages."""

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)

STATIC: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "house.css": ("jobs.report", "templates/house.css", "text/css"),
        "ui.css": ("jobs.ui", "static/ui.css", "text/css"),
        "live.js": ("jobs.ui", "static/live.js", "text/javascript"),
        "icon.svg": ("jobs.ui", "static/icon.svg", "image/svg+xml"),
    }
)

T = TypeVar("T")


class Page(RequestHandler):
    """What all answers share."""

    SUPPORTED_METHODS: ClassVar[tuple[str, ...]] = ("GET",)  # type: ignore[misc]

    def initialize(self, runs: Runs, pool: ThreadPoolExecutor) -> None:
        """Take what is served.

        Args:
            runs: The runs.
            pool: Threads for what reads them: the store may keep one waiting.
        """
        self.runs, self.pool = runs, pool

    def set_default_headers(self) -> None:
        """Set what each answer says, errors too."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse what a page of another site has brought here under its own name."""
        if self.request.host_name.lower() not in HOSTS:
            raise HTTPError(403, reason="This server answers to 127.0.0.1 and localhost alone")

    async def read(self, ask: Callable[[], T]) -> T:
        """Return what a function returns that reads runs; other requests need not wait for it."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, ask)
        except DAMAGED as error:
            what = str(error) if isinstance(error, MillraceError) else type(error).__name__
            raise HTTPError(503, reason="The run cannot be read", log_message=what) from error

    def answer(self, text: str | bytes, kind: str) -> None:
        """Send text of a kind, such as ``text/html``."""
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.finish(text)

    def write_error(self, status_code: int, **_: Any) -> None:
        """Send a page that says what is wrong, never a traceback."""
        if status_code == 405:
            self.set_header("Allow", "GET")
        damaged = "Its folder is damaged, or it is being removed."
        hint = damaged if status_code == 503 else "The list of runs shows what there is."
        self.answer(pages.error_page(status_code, self._reason, hint), "text/html")


class Nothing(Page):
    """Where nothing is."""

    def get(self) -> None:
        """Say so."""
        raise HTTPError(404, reason="There is no such page")


class List(Page):
    """The list of runs."""

    async def get(self) -> None:
        """Send it."""
        number = self.get_query_argument("page", "1")
        runs = await self.read(self.runs.all)
        text = pages.runs_page(
            runs,
            words=self.get_query_argument("q", ""),
            state=self.get_query_argument("state", ""),
            number=int(number) if number.isascii() and number.isdecimal() else 1,
            store=self.runs.store.location,
        )
        self.answer(text, "text/html")


class OneRun(Page):
    """The page of a run."""

    async def get(self, run: str) -> None:
        """Send it."""
        found = await self.read(lambda: self.runs.detail(run))
        if found is None:
            raise HTTPError(404, reason="There is no such run")
        self.answer(pages.run_page(found, store=self.runs.store.location), "text/html")


class RunPage(Page):
    """A page that a run has left in its folder."""

    async def get(self, run: str, name: str) -> None:
        """Send it as it is."""
        found = await self.read(lambda: self.runs.page(run, name))
        if found is None:
            raise HTTPError(404, reason="There is no such page of this run")
        self.set_header("Content-Security-Policy", REPORT_POLICY)
        self.answer(found, "text/html")


class Listed(Page):
    """The list as JSON."""

    async def get(self) -> None:
        """Send it."""
        runs = await self.read(self.runs.all)
        self.answer(json.dumps([run.to_dict() for run in runs], default=str), "application/json")


class Told(Page):
    """A run as JSON."""

    async def get(self, run: str) -> None:
        """Send it."""
        found = await self.read(lambda: self.runs.detail(run))
        if found is None:
            raise HTTPError(404, reason="There is no such run")
        self.answer(json.dumps(found.to_dict(), default=str), "application/json")


class Metrics(Page):
    """What Prometheus asks for."""

    async def get(self) -> None:
        """Send it."""
        accept = self.request.headers.get("Accept", "")
        text, kind = await self.read(lambda: exposition(self.runs.all(), accept))
        self.set_header("Content-Type", kind)
        self.finish(text)


class Static(Page):
    """Style sheets, script and icon."""

    def get(self, name: str) -> None:
        """Send one of them."""
        package, path, kind = STATIC[name]
        self.answer(files(package).joinpath(path).read_bytes(), kind)
