"""The report page: complete, well formed, self-contained, and safe against what is in the job."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest

from engine.metrics import BinaryScores
from jobs.report.write import (
    Curve,
    DataSummary,
    Ledger,
    Report,
    SliceScore,
    StepMemory,
    clock,
    count,
    number,
    render,
    share,
    size,
    tiles,
)

EVIL = "<script>alert('x')</script>\"'&"
MIB = 1 << 20
WHEN = datetime(2026, 11, 21, 5, 12, tzinfo=UTC)
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Collects text, ids and elements; fails when elements are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.scripts = 0
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.scripts += tag == "script"
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        self.links += [found[key] or "" for key in ("src", "href") if key in found]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def scores() -> BinaryScores:
    random = np.random.default_rng(2)
    p = random.random(2000, np.float32)
    return BinaryScores.of(random.random(2000) < p, p)


def full(name: str = "flights") -> Report:
    """Return a report with every part; ``name`` stands wherever a job's own text may."""
    of = scores()
    results = of.results()
    base = BinaryScores.of(np.array([0, 1, 1, 1]), np.full(4, 0.6)).results()
    return Report(
        job=name,
        run=f"run-{name}",
        when=WHEN,
        duration=754.2,
        task="binary",
        metric="log_loss",
        versions={"polars": name},
        data=DataSummary({"train": 9_845_112, name: 3_210}, files=48, bytes=3 * MIB, features=31),
        memory=[
            StepMemory(name, 300 * MIB, {name: 200 * MIB, "rest": 100 * MIB}, 250 * MIB, 512 * MIB),
            StepMemory("score", 128 * MIB),
        ],
        metrics={"valid": results, name: results, "baseline": base},
        roc={
            "valid": Curve(*map(np.ndarray.tolist, of.histogram.roc(50))),
            name: Curve([0, 1], [0, 1]),
        },
        calibration={"valid": of.calibration(), name: of.calibration()},
        importance={name: 30.0, "distance": 10.0},
        history=[{"round": i, f"{name}_log_loss": 1 / i, "valid_auc": 0.5} for i in range(1, 20)],
        best_round=11,
        ledger=Ledger(1000, 900, {name: 60, "carrier is null": 30}, 10),
        slices=[SliceScore(name, name, results)],
        outputs={"model": name, name: "/predictions"},
    )


def test_the_page_holds_every_figure() -> None:
    page = Page(render(full()))
    sections = {"metrics", "slices", "model", "ledger", "data", "memory", "outputs"}
    assert sections <= page.ids
    results = scores().results()
    for figure in (
        f"{results['auc']:.5f}",
        f"{results['log_loss']:.5f}",
        "9,845,112",
        "12 min 34 s",
        "21 November 2026, 05:12 UTC",
        "300 MiB",
        "250 MiB",
        "83.33 %",
        "carrier is null 30 3.00 %",
        "✓ Balanced",
        "19 boosting rounds; the model keeps the first 11",
        "48 files, 3.00 MiB on disk, 31 features",
    ):
        assert figure in page.text, figure


def test_the_page_is_self_contained_and_small() -> None:
    html = render(full())
    assert not Page(html).links
    assert "default-src 'none'" in html
    assert len(html.encode()) < 3_000_000
    for name in ("roc", "calibration", "importance", "memory"):
        assert html.count("data-root-id") == 6, name  # the four, and two histories


def test_text_of_the_job_is_never_markup() -> None:
    harmless, evil = render(full()), render(full(EVIL))
    assert Page(evil).scripts == Page(harmless).scripts
    assert "<script>alert" not in evil
    assert Page(evil).text.count(EVIL) >= 10


def test_names_in_figures_are_not_read_as_mathematics() -> None:
    """Bokeh would fetch MathJax from the network for an axis label between dollar signs."""
    report = replace(full(), importance={"$$x^2$$": 2.0, r"\(y\) and \[z\]": 1.0})
    drawn = re.findall(r"major_label_overrides.{0,300}", render(report))
    text = "".join(drawn)
    assert "x^2" in text
    assert not re.search(r"\$\$x|\\\(y|\\\[z", text)


def test_sections_without_data_are_absent() -> None:
    html = render(Report("tiny", "r1", WHEN))
    page = Page(html)
    assert "<section" not in html and not page.scripts and len(html) < 10_000
    only = Page(render(Report("tiny", "r1", WHEN, data=DataSummary({"all": 5}, 1))))
    assert "data" in only.ids and not only.ids & {"metrics", "memory", "ledger", "model"}
    assert "1 file." in only.text


def test_rows_that_vanish_are_shouted() -> None:
    ledger = Ledger(1000, 900, {"bad": 50}, 10)
    assert ledger.missing == 40
    text = Page(render(replace(full(), ledger=ledger))).text
    assert "✗ Not balanced: 40 rows" in text and "Unaccounted for 40" in text


def test_a_peak_over_the_plan_is_marked() -> None:
    over = StepMemory("train", 100 * MIB, measured=150 * MIB)
    assert '<td class="bad">150.00 %' in render(replace(full(), memory=[over]))


def test_regression_and_missing_values_render() -> None:
    report = Report(
        "r",
        "1",
        WHEN,
        metrics={"valid": {"rows": 3, "rmse": 1.5, "r2": float("nan")}, "baseline": {"rmse": 2.0}},
        roc={"valid": Curve([], [])},
        history=[{"rmse": 2.0, "seconds": 1.0}],
    )
    text = Page(render(report)).text
    assert (
        "RMSE ↓ 1.50000 2.00000" in text
        and "R² ↑ \u2013 \u2013" in text
        and "RMSE by round" in text
    )


def test_long_lists_are_cut_and_counted() -> None:
    report = replace(
        full(),
        slices=[SliceScore("c", f"v{i}", {"rows": i}) for i in range(500)],
        ledger=Ledger(300, 0, {f"reason {i}": 1 for i in range(300)}),
        history=[{"valid_auc": 0.5} for _ in range(50_000)],
        importance={f"f{i}": 1.0 for i in range(5000)},
    )
    html = render(report)
    assert len(html.encode()) < 3_000_000
    text = Page(html).text
    assert "first 100 of 500" in text and "200 more reasons" in text
    assert "first 30 of 5,000" in text and "v100" not in text


def test_tiles_prefer_the_test_part_and_the_chosen_metric() -> None:
    results = {"auc": 0.9, "log_loss": 0.3}
    report = Report(
        "j", "1", WHEN, metric="log_loss", metrics={"valid": {"auc": 1}, "test": results}
    )
    (tile,) = tiles(report)
    assert (tile.label, tile.figure) == ("Log loss, test", "0.30000")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (count(12_307_097), "12.3 M"),
        (count(9_999), "9,999"),
        (count(123_456), "123 k"),
        (count(7_000_000_000), "7.00 G"),
        (size(1000), "0.977 KiB"),
        (size(800), "800 B"),
        (size(1023 * MIB), "0.999 GiB"),
        (size(307 * MIB), "307 MiB"),
        (share(1, 1_000_000), "< 0.01 %"),
        (share(999_999, 1_000_000), "> 99.99 %"),
        (share(0, 0), "\u2013"),
        (number(-0.25), "\u22120.25000"),
        (number(0.0), "0"),
        (number(1.5e-7), "1.5000e-07"),
        (number(123456.789), "123,457"),
        (number(12.5), "12.500"),
        (clock(3.21), "3.2 s"),
        (clock(59.99), "1 min 0 s"),
        (clock(7500), "2 h 5 min"),
    ],
)
def test_figures_read_well(said: str, expected: str) -> None:
    assert said == expected


def test_heavy_libraries_are_loaded_only_to_write() -> None:
    code = "import sys, jobs.report.write; print({'bokeh', 'dask', 'jinja2'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
