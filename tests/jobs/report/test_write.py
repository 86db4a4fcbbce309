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
from jobs.report.modelling import (
    Contribution,
    Dependence,
    Feature,
    Modelling,
    Trial,
    Tuning,
    Weight,
)
from jobs.report.outcome import DataSummary, Ledger, Provenance, Report, StepMemory, Watched
from jobs.report.quality import (
    CrossValidation,
    Curve,
    Quality,
    Residuals,
    SliceScore,
    Thresholds,
)
from jobs.report.tiles import tiles
from jobs.report.wording import clock, count, number, share, size
from jobs.report.write import SECTIONS, render

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


def quality(name: str) -> Quality:
    of = scores()
    results = of.results()
    base = BinaryScores.of(np.array([0, 1, 1, 1]), np.full(4, 0.6)).results()
    line = Curve([0.0, 0.5, 1.0], [0.0, 0.8, 1.0])
    return Quality(
        results={"valid": results, "test": results},
        intervals={"test": {"auc": (0.71234, 0.91234)}},
        baselines={name: {"test": base}},
        roc={"valid": Curve(*map(np.ndarray.tolist, of.histogram.roc(50))), name: line},
        pr={"test": line},
        gain={"test": line},
        calibration={"valid": of.calibration(), name: of.calibration()},
        uncalibrated={"test": {**results, "log_loss": 0.87654}},
        thresholds={"valid": Thresholds([0.0, 0.5, 1.0], {"precision": [0.2, 0.5, 1.0]})},
        threshold=0.375,
        threshold_by=name,
        judged="test",
        confusion=[[600, 200], [50, 150]],
        labels=["no", name],
        residuals={
            "test": Residuals([0.0, 1.0], [-1.0, 0.0], 1.0, 1.0, [(0, 0, 5), (0, 1, 7), (1, 1, 3)])
        },
        slices=[SliceScore(name, name, results, rows=777, worse=True)],
        cross_validation=CrossValidation([{"auc": 0.7}, {"auc": 0.8}], name),
        warnings=[name],
        notes=[name],
    )


def modelling(name: str) -> Modelling:
    trials = [Trial(at, 0.5 + at / 10, params={"rate": 10.0**-at, name: name}) for at in range(4)]
    return Modelling(
        features=[Feature(name, [name, "b"], [name], missing=0.25), Feature("distance")],
        history=[{"round": i, f"{name}_log_loss": 1 / i, "valid_auc": 0.5} for i in range(1, 20)],
        best_round=11,
        importance={
            "gain": {name: Weight(30.0), "distance": Weight(10.0)},
            "permutation": {name: Weight(0.25, 0.05), "distance": Weight(-0.01, 0.01)},
        },
        contributions=[Contribution(name, 0.4, [(1.0, 0.2), (None, -0.3), (2.0, 0.2)])],
        explained=name,
        dependence=[
            Dependence(name, [name, "b"], [[0.1, 0.2]], [[0.1, 0.3]]),
            Dependence("distance", [1.0, 2.0], [[0.1, 0.2]]),
        ],
        tuning=Tuning("auc", True, trials, 3, name),
    )


def full(name: str = "flights") -> Report:
    """Return a report with every part; ``name`` stands wherever a job's own text may."""
    mib = {name: 200 * MIB, "rest": 100 * MIB}
    return Report(
        job=name,
        run=f"run-{name}",
        when=WHEN,
        duration=754.2,
        task="binary",
        metric="log_loss",
        data=DataSummary(
            {"train": 9_845_112, name: 3_210},
            files=48,
            bytes=3 * MIB,
            features=31,
            labels={"train": {name: 30, "b": 10}},
            ledger={"rows": 41, "good": 40, "quarantined": 1},
            reasons={name: 1},
            odd_files={name: {"rows": 41, "good": 40, "quarantined": 1}},
        ),
        quality=quality(name),
        model=modelling(name),
        memory=[
            StepMemory(name, 300 * MIB, mib, 250 * MIB, 512 * MIB),
            StepMemory("score", 128 * MIB),
        ],
        ledger=Ledger(1000, 900, {name: 60, "carrier is null": 30}, 10),
        outputs={"model": name, name: "/predictions"},
        watched=[Watched(name, "int64", False, 100, 0, levels=[(name, 0.5)])],
        provenance=Provenance(name, {name: name}, {name: name}, {name: name}, {"polars": name}),
    )


def test_the_page_holds_every_figure() -> None:
    page = Page(render(full()))
    assert set(SECTIONS) <= page.ids
    assert {f"#{name}" for name in SECTIONS} == set(page.links)
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
        "19 rounds; the model keeps the first 11",
        "48 files, 3.00 MiB on disk, 31 features",
        "0.71234 to 0.91234",
        "above a probability of 0.37500, chosen by flights",
        "600 75.00 % 200 25.00 %",
        "777",
        "0.87654",
        "much worse",
        "0.75000 0.07071 0.70000 0.80000",
        "0.25000 ± 0.05000",
        "75.00 %",
        "4 trials, flights",
        "flights, b",
        "25.00 %",
    ):
        assert figure in page.text, figure


def test_the_page_is_self_contained_and_small() -> None:
    html = render(full())
    assert all(link.startswith("#") for link in Page(html).links)
    assert "default-src 'none'" in html
    assert len(html.encode()) < 3_000_000
    figures = re.findall(r'class="plot" role="img" aria-label="([^"]+)"', html)
    assert len(figures) == 18 and all(figures)


def test_text_of_the_job_is_never_markup() -> None:
    harmless, evil = render(full()), render(full(EVIL))
    assert Page(evil).scripts == Page(harmless).scripts
    assert "<script>alert" not in evil
    assert Page(evil).text.count(EVIL) >= 10


def test_names_in_figures_are_not_read_as_mathematics() -> None:
    """Bokeh would fetch MathJax from the network for an axis label between dollar signs."""
    told = [Contribution(name, 1.0, [(1.0, 1.0)]) for name in ("$$x^2$$", r"\(y\) and \[z\]")]
    report = replace(full(), model=Modelling(contributions=told))
    drawn = re.findall(r"major_label_overrides.{0,300}", render(report))
    text = "".join(drawn)
    assert "x^2" in text
    assert not re.search(r"\$\$x|\\\(y|\\\[z", text)


def test_sections_without_data_are_absent() -> None:
    html = render(Report("tiny", "r1", WHEN))
    page = Page(html)
    assert "<section" not in html and not page.scripts and len(html) < 10_000
    only = Page(render(Report("tiny", "r1", WHEN, data=DataSummary({"all": 5}, 1))))
    assert "data" in only.ids and not only.ids & (set(SECTIONS) - {"data"})
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
    results = {"valid": {"rows": 3, "rmse": 1.5, "r2": float("nan")}}
    report = Report(
        "r",
        "1",
        WHEN,
        quality=Quality(results, baselines={"baseline": {"valid": {"rmse": 2.0}}}),
        model=Modelling(history=[{"rmse": 2.0, "seconds": 1.0}]),
    )
    text = Page(render(report)).text
    assert (
        "RMSE ↓ 1.50000 2.00000" in text
        and "R² ↑ \u2013 \u2013" in text
        and "RMSE by round" in text
    )


def test_long_lists_are_cut_and_counted() -> None:
    whole = full()
    slices = [SliceScore("c", f"v{i}", {"rows": i}) for i in range(500)]
    sample = [(float(i), float(i % 7)) for i in range(5000)]
    model = replace(
        whole.model,
        history=[{"valid_auc": 0.5} for _ in range(50_000)],
        importance={"gain": {f"f{i}": Weight(1.0) for i in range(5000)}},
        features=[Feature(f"f{i}") for i in range(2000)],
        contributions=[Contribution(f"f{i}", 1.0, sample) for i in range(40)],
        dependence=[
            Dependence(f"f{i}", [1.0] * 50, [[0.5] * 50], [[0.5] * 50] * 300) for i in range(40)
        ],
    )
    report = replace(
        whole,
        quality=replace(whole.quality, slices=slices),
        ledger=Ledger(300, 0, {f"reason {i}": 1 for i in range(300)}),
        model=model,
    )
    html = render(report)
    assert len(html.encode()) < 3_000_000
    text = Page(html).text
    assert "first 100 of 500" in text and "200 more reasons" in text
    assert "first 30 of 5,000" in text and "v100" not in text
    assert "first 100 are listed" in text


def test_tiles_prefer_the_test_part_and_the_chosen_metric() -> None:
    results = {"valid": {"auc": 1}, "test": {"auc": 0.9, "log_loss": 0.3}}
    (tile,) = tiles(Report("j", "1", WHEN, metric="log_loss", quality=Quality(results)))
    assert (tile.label, tile.figure) == ("Log loss, test", "0.30000")


def test_a_model_that_no_baseline_needs_to_fear_is_told_of() -> None:
    results = {"test": {"rmse": 2.0}}
    beaten = Quality(results, baselines={"linear": {"test": {"rmse": 1.9}}})
    better = Quality(results, baselines={"linear": {"test": {"rmse": 2.1}}})
    said = "no better than the baseline “linear” on the test rows: RMSE 2.00000 against 1.90000"
    assert said in Page(render(Report("j", "1", WHEN, quality=beaten))).text
    assert "no better" not in Page(render(Report("j", "1", WHEN, quality=better))).text


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
