"""The page of a profile: complete, self-contained, small, and safe against what is in the data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.canonical import canonical
from engine.place.kept import Kept
from engine.profile.features import DECIDES_AUC
from jobs.profile.figures import BARS_SHOWN
from jobs.profile.page import CARDS_SHOWN, charted, render_profile, tiles, write_profile
from tests.jobs.profiles import profile_of, sample

EVIL = "</script><script>alert('x')</script>\"'&<b>\u2028"
VOID = {"meta", "br", "hr", "img", "link", "input"}


@dataclass
class Page:
    """What a browser sees: words, ids, links, data of the figures, scripts that run."""

    html: str
    words: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    scripts: int = 0
    tags: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        page, opened = self, []

        class Reader(HTMLParser):
            def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
                found = dict(attrs)
                if tag not in VOID:
                    opened.append((tag, found.get("type")))
                page.tags.add(tag)
                page.scripts += tag == "script" and found.get("type") != "application/json"
                page.ids += [found["id"] or ""] if "id" in found else []
                page.links += [found[key] or "" for key in ("src", "href") if key in found]

            def handle_endtag(self, tag: str) -> None:
                assert opened.pop()[0] == tag

            def handle_data(self, data: str) -> None:
                tag, kind = opened[-1] if opened else ("", None)
                if kind == "application/json":
                    page.figures.append(json.loads(data))
                elif tag not in ("script", "style"):
                    page.words.append(data)

        reader = Reader()
        reader.feed(self.html)
        reader.close()
        assert not opened

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u202f", " ").split())


def values_of(figure: Any, name: str) -> list[Any]:
    """Return every value that stands under a name somewhere in a figure's JSON."""
    if isinstance(figure, list):
        return [value for part in figure for value in values_of(part, name)]
    if not isinstance(figure, dict):
        return []
    own = [figure[name]] if name in figure else []
    entries = [entry[1] for entry in figure.get("entries", []) if entry[0] == name]
    return own + entries + [v for part in figure.values() for v in values_of(part, name)]


@pytest.fixture(scope="module")
def flights() -> dict[str, Any]:
    profile = profile_of(sample(), "late")
    profile["suspects"] = [
        {"column": "delay", "kind": "leakage", "what": "It decides the target.", "measure": 1.0},
        {"column": "year", "kind": "constant", "what": "Every row is 2008.", "measure": None},
    ]
    profile["warnings"] = ["departed has no time zone."]
    return profile


@pytest.fixture(scope="module")
def page(flights: dict[str, Any]) -> Page:
    return Page(render_profile(flights))


def test_the_page_holds_every_part(page: Page) -> None:
    assert {"findings", "target", "columns", "correlation", "ledger"} <= set(page.ids)
    for said in (
        "Rows 4,000 80 quarantined, 10 filtered",
        "8 numbers, 1 flag, 1 time, 1 category, 1 text",
        "1 leakage, 1 constant",
        "leakage delay · It decides the target.",
        "warning departed has no time zone.",
        "Binary, 4,000 rows with a value.",
        f"red line at {DECIDES_AUC}",
        "exact, over 4,000 rows",
        "Cramér's V on a sample of 4,000 rows",
        "Left out of Pearson's matrix: nothing.",
        "always 2008",
        "no value at all",
        "no value occurs twice",
        "✓ Balanced",
        "distance is under min 1 80 1.96 %",
        "Rows in 4,090 100.00 %",
    ):
        assert said in page.text, said
    assert page.text.index("It decides the target") < page.text.index("Every row is 2008")


def test_figures_show_the_numbers_of_the_profile(flights: dict[str, Any], page: Page) -> None:
    drawn = {column["name"]: column for column in flights["columns"]}
    tops = [
        tuple(v) for figure in page.figures for v in values_of(figure, "top") if isinstance(v, list)
    ]
    for name in ("delay", "distance", "departed", "gate"):
        assert tuple(drawn[name]["histogram"]["counts"]) in tops, name
    rows = [tuple(v) for figure in page.figures for v in values_of(figure, "rows")]
    carriers = [one["count"] for one in drawn["carrier"]["top"][:BARS_SHOWN]]
    assert tuple(carriers[::-1]) in rows
    strengths = [v for figure in page.figures for v in values_of(figure, "strength")]
    wanted = [one["value"] for one in flights["target"]["features"]][::-1]
    assert pytest.approx(wanted) in strengths


def test_times_stand_at_milliseconds_and_quantiles_inside_the_histogram(page: Page) -> None:
    (timed,) = (f for f in page.figures if "DatetimeTicker" in json.dumps(f))
    bars, box = (
        v for v in values_of(timed, "left") if isinstance(v, list) and isinstance(v[0], float)
    )
    assert bars[0] == pytest.approx(1_199_164_000_000, rel=1e-3)  # 2008-01-01
    assert bars[0] < box[0] < bars[-1]


def test_the_page_is_self_contained_and_small(page: Page) -> None:
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "default-src 'none'" in page.html
    assert len(page.html.encode()) < 3_000_000
    assert len(page.ids) == len(set(page.ids))


def test_text_of_the_data_is_never_markup(flights: dict[str, Any], page: Page) -> None:
    evil = Page(render_profile(poisoned(flights)))
    assert evil.scripts == page.scripts and evil.tags == page.tags
    assert len(evil.figures) == len(page.figures)
    assert "<script>alert" not in evil.html
    assert evil.text.count("</script><script>alert('x')</script>") >= 10


def poisoned(profile: Any) -> Any:
    """Return the profile with a script in each text that comes from the data."""
    if isinstance(profile, list):
        return [poisoned(part) for part in profile]
    if not isinstance(profile, dict):
        return profile
    texts = ("name", "location", "value", "what", "why", "column", "duplicate_of")
    lists = ("warnings", "notes", "left_out", "columns")
    return {
        (EVIL + key if "is under" in key else key): EVIL + value
        if key in texts and isinstance(value, str)
        else [EVIL + v if isinstance(v, str) else poisoned(v) for v in value]
        if key in lists
        else poisoned(value)
        for key, value in profile.items()
    }


def test_names_in_figures_are_not_read_as_mathematics() -> None:
    """Bokeh would fetch MathJax from the network for a label between dollar signs."""
    frame = pl.DataFrame({"c": ["$$x^2$$", "$$x^2$$", r"\(y\)", r"\(y\)"]})
    drawn = [v for f in Page(render_profile(profile_of(frame))).figures for v in overrides(f)]
    assert any("x^2" in text for text in drawn)
    assert not any(re.search(r"\$\$|\\\(", text) for text in drawn)


def overrides(figure: dict[str, Any]) -> list[str]:
    found = values_of(figure, "major_label_overrides")
    return [text for one in found for _, text in one.get("entries", [])]


@pytest.mark.parametrize("cards", [40, pytest.param(CARDS_SHOWN, marks=pytest.mark.long)])
def test_of_a_wide_table_the_interesting_columns_are_drawn(
    flights: dict[str, Any], cards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.profile.page.CARDS_SHOWN", cards)
    columns = [{**flights["columns"][4], "name": f"c{i}"} for i in range(10_000)]
    suspect = {"column": "c9999", "kind": "leakage", "what": "It is the target.", "measure": 1.0}
    wide = {**flights, "columns": columns, "suspects": [suspect], "target": None}
    shown = charted(wide)
    assert len(shown) == cards and {"c0", "c9999"} <= shown and "c5000" not in shown
    page = Page(render_profile(wide))
    assert len(page.html.encode()) < 10_000_000
    assert f"{10_000 - cards:,} more columns" in page.text and "c5000" in page.text
    assert page.html.count("<article") == cards
    assert all(link[1:] in page.ids for link in page.links)


def test_a_wide_matrix_keeps_its_strongest_pairs(flights: dict[str, Any]) -> None:
    names = [f"c{i}" for i in range(100)]
    matrix = [[1.0 if i == j else 0.01 for j in range(100)] for i in range(100)]
    matrix[97][42] = matrix[42][97] = -0.9
    wide = {**flights["correlation"], "columns": names, "pearson": matrix}
    text = Page(render_profile({**flights, "correlation": wide})).text
    assert "the 40 columns with the strongest pairs, of 100" in text
    assert "c97 \u00d7 c42 \u22120.900" in text


def test_rows_that_vanish_are_shouted(flights: dict[str, Any]) -> None:
    ledger = {**flights["ledger"], "good": 3960}
    text = Page(render_profile({**flights, "ledger": ledger})).text
    assert "✗ Not balanced: 40 rows" in text and "Unaccounted for 40" in text


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame(),
        pl.DataFrame(schema={"a": pl.Int64, "t": pl.Date, "s": pl.String, "b": pl.Boolean}),
        pl.DataFrame({"a": [None, None]}, schema={"a": pl.Float64}),
        pl.DataFrame({"a": [1], "s": [""], "t": ["x" * 10_000]}),
    ],
)
def test_little_data_has_a_page(frame: pl.DataFrame) -> None:
    text = Page(render_profile(profile_of(frame))).text
    assert f"Columns {frame.width}" in text and "✓ Balanced" in text


def test_a_number_to_predict_has_no_auc(flights: dict[str, Any]) -> None:
    feature = {"name": "fare", "measure": "correlation", "value": -0.991, "error": None}
    feature |= {"auc": None, "suspect": True, "why": "it is the target with another sign"}
    target = {**flights["target"], "task": "regression", "balance": [], "features": [feature]}
    page = Page(render_profile({**flights, "target": target}))
    assert "Share of the target that each feature alone explains" in page.text
    assert (
        "Regression, 4,000 rows with a value." in page.text and "share of the rows" not in page.text
    )
    drawn = [v for figure in page.figures for v in values_of(figure, "strength")]
    assert [pytest.approx(0.991**2)] in drawn


def test_what_was_not_measured_is_not_drawn_and_says_why(flights: dict[str, Any]) -> None:
    first, *others = flights["target"]["features"]
    blank = {**first, "name": "tail", "value": None, "suspect": False, "why": "too many values"}
    target = {**flights["target"], "features": [*others, blank]}
    page = Page(render_profile({**flights, "target": target}))
    names = [v for figure in page.figures for v in values_of(figure, "name") if "fare" in v]
    assert names and not any("tail" in v for v in names)
    assert "tail : too many values" in page.text


def test_rows_outside_a_figure_are_counted(flights: dict[str, Any]) -> None:
    delay = flights["columns"][0]
    cut = {**delay, "histogram": {**delay["histogram"], "below": 12, "above": 34_567}}
    text = Page(render_profile({**flights, "columns": [cut]})).text
    assert "Outside the figure: 12 below, 34.6 k above." in text


def test_tiles_count_values_not_columns(flights: dict[str, Any]) -> None:
    found = {tile.label: tile for tile in tiles(flights)}
    missing = sum(column["missing"] for column in flights["columns"]) / (12 * 4000)
    assert found["Values missing"].figure == f"{100 * missing:.1f}\u202f%"
    assert found["Values missing"].note == "in 3 of 12 columns"


def test_both_files_are_written_whole(flights: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("old")
    assert str(write_profile(Kept.of(tmp_path), flights)) == str(tmp_path / "profile.json")
    data, page = tmp_path / "profile.json", tmp_path / "profile.html"
    assert data.read_bytes() == canonical(flights) + b"\n"
    assert json.loads(data.read_bytes()) == flights
    assert Page(page.read_text(encoding="utf-8")).text
    assert sorted(tmp_path.iterdir()) == [page, data]


def test_a_failed_write_leaves_the_old_file(flights: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("old")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_profile(Kept.of(tmp_path), {**flights, "rows": float("nan")})
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("profile.json", "old")]


def test_heavy_libraries_are_loaded_only_to_write() -> None:
    code = "import sys, jobs.profile.page, jobs.profile.text, jobs.spec.contract_toml"
    code += "; print({'bokeh', 'dask', 'jinja2', 'rich', 'pandas'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
