"""The report in a real browser: every figure drawn, nothing asked of the network, on any screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.report.write import SECTIONS, render
from tests.jobs.chromium import chromium, needs_chromium
from tests.jobs.report.test_write import full

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [needs_chromium, pytest.mark.slow]

# Bokeh draws in shadow roots; a canvas without a pixel of colour is empty.
INKED = """() => {
  const inside = (root) => [...root.querySelectorAll("*")].flatMap(
    (e) => e.shadowRoot === null ? []
      : [...e.shadowRoot.querySelectorAll("canvas"), ...inside(e.shadowRoot)]);
  const filled = (canvas) => canvas.width > 0 && canvas.getContext("2d")
    .getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte !== 0);
  return [...document.querySelectorAll(".plot")].map(
    (box) => [box.ariaLabel ?? box.getAttribute("aria-label"), inside(box).some(filled)]);
}"""

# Whether the first figure has a pixel of a colour.
HAS = """([r, g, b]) => {
  const inside = (root) => [...root.querySelectorAll("*")].flatMap(
    (e) => e.shadowRoot === null ? []
      : [...e.shadowRoot.querySelectorAll("canvas"), ...inside(e.shadowRoot)]);
  return inside(document.querySelector(".plot")).filter((c) => c.width).some((canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4)
      if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255)
        return true;
    return false;
  });
}"""

CONTRAST = """() => {
  const parts = (c) => (c.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (c) => { const [r, g, b] = parts(c).map((v) => (v /= 255) <= 0.04045 ? v / 12.92
    : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const under = (e) => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (c.startsWith("rgb(")) return c; } };
  const faint = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    if (!text || !e.getClientRects().length || e.closest("script, .plot, .hit, .miss, .tag, li"))
      continue;
    const [one, two] = [light(getComputedStyle(e).color), light(under(e))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) faint.push([text, ratio]);
  }
  return faint;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(full("flights")))
    return file


@contextmanager
def opened(browser: Browser, path: Path, width: int, dark: bool = False) -> Iterator[Page]:
    """Open a page that must neither complain nor ask anything of anywhere."""
    context = browser.new_context(
        viewport={"width": width, "height": 850}, color_scheme="dark" if dark else "light"
    )
    page, wrong = context.new_page(), []
    page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if asked.url != address else None)
    address = path.as_uri()
    page.goto(address)
    for _ in range(200):
        if all(drawn for _, drawn in page.evaluate(INKED)):
            break
        page.wait_for_timeout(50)
    yield page
    context.close()
    assert wrong == []


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1000, True), (380, False)])
def test_every_figure_is_drawn_and_nothing_leaves_the_screen(
    browser: Browser, path: Path, width: int, dark: bool
) -> None:
    with opened(browser, path, width, dark) as page:
        figures = page.evaluate(INKED)
        assert len(figures) == 18
        assert [label for label, drawn in figures if not drawn] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(20, 23, 26)") == dark


def test_contents_lead_to_sections_that_have_a_name(browser: Browser, path: Path) -> None:
    with opened(browser, path, 1400) as page:
        contents = page.get_by_role("navigation", name="Contents")
        assert contents.get_by_role("link").count() == len(SECTIONS)
        contents.get_by_role("link", name="Memory").click()
        assert page.url.endswith("#memory")
        assert page.get_by_role("region", name="Memory", exact=True).is_visible()
        assert page.get_by_role("img", name="ROC curve").count() == 1
        assert page.locator("h1").count() == 1


def test_figures_follow_the_colours_of_the_screen(browser: Browser, path: Path) -> None:
    light, dark = [101, 112, 122], [152, 162, 171]  # --soft of house.css
    with opened(browser, path, 1000) as page:
        assert page.evaluate(HAS, light) and not page.evaluate(HAS, dark)
        page.emulate_media(color_scheme="dark")
        for _ in range(100):
            if page.evaluate(HAS, dark):
                break
            page.wait_for_timeout(50)
        assert page.evaluate(HAS, dark) and not page.evaluate(HAS, light)


def test_a_print_has_all_figures(browser: Browser, path: Path) -> None:
    with opened(browser, path, 1000) as page:
        content = page.pdf()
    assert content.startswith(b"%PDF") and len(content) > 100_000
