"""The pages in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from jobs.runs.folder import Run
from jobs.runs.state import State
from jobs.runs.store import Store
from tests.jobs.chromium import chromium, needs_chromium
from tests.jobs.ui.made_runs import (
    FAILED,
    RUNNING,
    SUCCEEDED,
    Told,
    boosted,
    dead,
    done,
    made,
    progress,
    started,
    tell,
)
from tests.jobs.ui.serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LONG = "<img src=x onerror=alert(1)>-" + "a-name-that-does-not-end-" * 6

pytestmark = [needs_chromium, pytest.mark.slow]

TRAINING: list[Told] = [
    started("prepare"),
    done("prepare", 20, 1000),
    (21, "warning", "prepare", {"text": "a column is constant"}),
    started("train", 25),
    progress("train", 40, 1000),
    *[boosted(40.0 + n, n, 0.9 - 0.3 / n) for n in range(5, 45, 5)],
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store.at(tmp_path_factory.mktemp("browser") / "runs")
    for number in range(3):
        made(store, f"nightly {number}", SUCCEEDED, started("score"), done("score", 9, 1000))
    made(store, "broken", FAILED, started("prepare"), message="a column is missing: carrier")
    made(store, "gone", RUNNING, started("score"), progress("score", 4, 400), driver=dead())
    made(store, LONG, RUNNING, *TRAINING, ago=100)
    return store


@pytest.fixture(scope="module")
def moving(store: Store) -> Run:
    """Return a run that the tests go on telling of."""
    return made(store, "flights", RUNNING, started("score"), progress("score", 1, 250), ago=10)


@pytest.fixture(scope="module")
def address(store: Store, moving: Run) -> Iterator[str]:
    with serving(Path(store.location)) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@contextmanager
def opened(
    browser: Browser, address: str, width: int = 1180, dark: bool = False, script: bool = True
) -> Iterator[Page]:
    """Open a page that must neither complain nor ask anything of anywhere else."""
    context = browser.new_context(
        viewport={"width": width, "height": 850},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
    )
    page, wrong = context.new_page(), []
    page.set_default_timeout(30_000)
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    context.close()
    assert not wrong
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}


def test_a_run_is_found_in_the_list_and_opened(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        assert page.title() == "Runs · millrace"
        assert page.get_by_role("row").count() == 8  # the head and seven runs
        page.get_by_role("searchbox").fill("broken")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("link", name="broken").click()
        assert page.get_by_role("heading", level=1).inner_text() == "broken"
        assert page.get_by_text("a column is missing: carrier").first.is_visible()
        page.get_by_role("navigation", name="Where you are").get_by_role("link").click()
        page.get_by_role("link", name="failed").click()
        assert page.get_by_role("row").count() == 2


def test_a_run_moves_on_the_page_while_it_is_told_of(
    browser: Browser, address: str, moving: Run
) -> None:

    from playwright.sync_api import expect

    with opened(browser, f"{address}runs/{moving.id}") as page:
        step = page.locator("li[data-key=score]")
        bar = step.get_by_role("progressbar")
        assert float(bar.get_attribute("value") or 0) == 0.25
        page.get_by_text("Job file").click()
        page.get_by_text("Events").first.focus()
        tell(moving, progress("score", 0, 500, 3))
        expect(bar).to_have_js_property("value", 0.5, timeout=30_000)
        assert "500 of 1,000 rows" in step.inner_text()
        assert "3 quarantined" in step.inner_text()
        assert page.title().endswith("50 %")
        # What the reader has opened stays open, what is focused stays focused.
        assert page.locator("details[data-key=job]").get_attribute("open") is not None
        assert page.evaluate("document.activeElement.closest('details').dataset.key") == "events"
        tell(moving, done("score", 0, 1000, scored=1000))
        for state in (State.COMMITTING, State.RUNNING, State.SUCCEEDED):
            moving.log.advance(moving.log.last(), state)
        expect(page.locator(".title .badge")).to_have_text("succeeded", timeout=30_000)
        assert step.locator(".stage").inner_text() == "done"


def test_a_new_run_comes_up_in_the_list(browser: Browser, address: str, store: Store) -> None:
    with opened(browser, f"{address}?q=newcomer") as page:
        assert page.get_by_role("row").count() == 0
        made(store, "newcomer", SUCCEEDED)
        page.get_by_role("link", name="newcomer").wait_for()
        assert page.locator("#live").inner_text() == "live"


def test_who_looks_is_told_when_the_server_is_gone(browser: Browser, tmp_path: Path) -> None:
    made(Store.at(tmp_path), "flights", SUCCEEDED)
    page = browser.new_page()
    with serving(tmp_path) as address:
        page.goto(address)
    page.get_by_text("no answer: what you see is old").wait_for(timeout=30_000)
    assert page.get_by_role("row").count() == 2
    page.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1180])
def test_no_width_has_to_be_scrolled(browser: Browser, address: str, width: int) -> None:
    with opened(browser, address, width) as page:
        for link in ("", LONG, "broken"):
            if link:
                page.goto(address)
                page.get_by_role("link", name=link).click()
                page.locator("h2").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") == width, link


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast(browser: Browser, address: str, dark: bool) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    with opened(browser, address, dark=dark) as page:
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (min(_channels(paper)) < 60) is dark
        found = page.evaluate(COLOURS)
        page.get_by_role("link", name=LONG).click()
        page.locator("h2").first.wait_for()
        found += page.evaluate(COLOURS)
    assert len(found) > 50
    poor = {(text, ink, under) for text, ink, under in found if _contrast(ink, under) < 4.5}
    assert not poor


def test_the_page_stands_without_a_script(browser: Browser, address: str) -> None:
    with opened(browser, address, script=False) as page:
        page.get_by_role("link", name=LONG).click()
        assert page.locator("figure svg polyline").count() == 1
        assert page.get_by_role("progressbar").count() == 2
        assert page.locator(".warnings").get_by_text("a column is constant").is_visible()
        page.get_by_text("Job file").click()
        assert '"kind": "local"' in page.locator("pre").inner_text()


def test_landmarks_heads_of_tables_and_names_are_there(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        for role in ("banner", "main", "contentinfo", "search", "table"):
            assert page.get_by_role(role).count() == 1, role
        assert page.get_by_role("columnheader").count() == 7
        assert page.get_by_role("rowheader").count() >= 7
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.get_by_role("link", name=LONG).click()
        page.locator("h2").first.wait_for()
        unnamed = "[...document.querySelectorAll('progress, svg')].filter(e => !e.ariaLabel).length"
        assert page.evaluate(unnamed) == 0
        label = "10.0.0.2:4000: 250 MiB of 300 MiB projected"
        assert page.get_by_role("img", name=label).count() == 1


COLOURS = """() => {
  const under = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$|\\/ 0\\)$/.test(colour)) return colour;
    }
  };
  const shown = (e) => e.getClientRects().length && !e.closest(".unseen, .skip, noscript");
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    if (text && shown(parent)) found.push([text, getComputedStyle(parent).color, under(parent)]);
  }
  return found;
}"""


def _channels(colour: str) -> list[int]:
    assert colour.startswith("rgb("), colour
    return [int(part) for part in colour[4:-1].split(",")]


def _contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it."""

    def light(colour: str) -> float:
        parts = [channel / 255 for channel in _channels(colour)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)
