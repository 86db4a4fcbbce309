"""The page of a profile: one HTML file, readable offline, opened in a moment also for wide data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.canonical import canonical
from engine.place.kept import Kept
from engine.profile.features import DECIDES_AUC, DECIDES_SHARE
from jobs.profile.figures import (
    MEASURES,
    Column,
    Profile,
    beyond,
    brief,
    cell,
    distinct,
    kind,
    kinds,
    median,
    percent,
    roles,
    tally,
    unaccounted,
)
from jobs.report.template import templates
from jobs.report.tiles import Tile
from jobs.report.wording import ROWS_SHOWN, count, share, size, whole

if TYPE_CHECKING:
    from jinja2 import Environment

    from jobs.profile.heatmap import Heatmap
    from jobs.report.canvas import Chart

CARDS_SHOWN = 200
"""Columns with a card and a figure; the others are rows of a table."""
FILES = ("profile.json", "profile.html")


@dataclass(frozen=True)
class Card:
    """A column with its figure.

    Attributes:
        anchor: Its id on the page.
        column: The column.
        kinds: What it is suspected of.
        chart: The figure; ``None`` where there is nothing to see.
    """

    anchor: str
    column: Column
    kinds: Sequence[str]
    chart: Chart | None


def write_profile(folder: Kept, profile: Profile) -> Kept:
    """Write ``profile.json`` and ``profile.html``; each is the old one or the new one, never half.

    Args:
        folder: The folder; made when it is not there.
        profile: The profile: JSON values.

    Returns:
        The JSON file.

    Raises:
        OSError: A file cannot be written.
        ValueError: A number in it is NaN or infinite.
    """
    data, page = map(folder.below, FILES)
    data.replace(canonical(profile) + b"\n")
    page.replace(render_profile(profile).encode())
    return data


def render_profile(profile: Profile) -> str:
    """Return the page as text: self-contained, and no request leaves it.

    Args:
        profile: The profile. All text in it is treated as untrusted and is escaped.
    """
    from jobs.profile.charts import balance_chart, feature_chart
    from jobs.report.canvas import library

    shown = charted(profile)
    target = profile["target"]
    features = target["features"] if target else []
    measured = [one for one in features if one["value"] is not None]
    return (
        _environment()
        .get_template("profile.html.j2")
        .render(
            profile=profile,
            library=library(),
            tiles=tiles(profile),
            findings=profile["suspects"],
            anchors={
                column["name"]: f"column-{at}" for at, column in enumerate(profile["columns"])
            },
            cards=list(_cards(profile, shown)),
            rest=_rest(profile, shown),
            roles=_roles(profile),
            balance=balance_chart(target) if target else None,
            measured=measured,
            strengths=feature_chart(measured),
            remarks=[one for one in features if one["why"] and not one["suspect"]],
            heatmaps=_heatmaps(profile),
            lost=unaccounted(profile["ledger"]),
            measures=MEASURES,
            line=DECIDES_AUC if target and target["task"] == "binary" else DECIDES_SHARE,
            rows_shown=ROWS_SHOWN,
        )
    )


def _environment() -> Environment:
    pages = templates()
    pages.filters.update(size=size, count=count, whole=whole, share=share, percent=_spaced)
    pages.filters.update(brief=brief, distinct=distinct, median=median, beyond=beyond, kind=kind)
    pages.globals.update(cell=_minus)
    return pages


def _spaced(value: float | None) -> str:
    return percent(value).replace("%", "\u202f%")


def _minus(column: Column, value: object) -> str:
    """Write a value of a column with a proper minus; a text keeps its hyphens."""
    text = cell(column, value)
    return text.replace("-", "\u2212") if isinstance(value, int | float) else text


def charted(profile: Profile) -> set[str]:
    """Return the columns that get a card: all, or of many the ones that there is most to say on.

    Args:
        profile: The profile.
    """
    names = [column["name"] for column in profile["columns"]]
    if len(names) <= CARDS_SHOWN:
        return set(names)
    target = profile["target"]
    wanted = [target["name"]] if target else []
    wanted += [found["column"] for found in profile["suspects"]]
    wanted += [one["name"] for one in target["features"][: CARDS_SHOWN // 2]] if target else []
    known = set(names)
    order = dict.fromkeys(name for name in [*wanted, *names] if name in known)
    return set(list(order)[:CARDS_SHOWN])


def _cards(profile: Profile, shown: set[str]) -> Iterator[Card]:
    from jobs.profile.charts import column_chart

    suspected = kinds(profile)
    for at, column in enumerate(profile["columns"]):
        if column["name"] in shown:
            words = suspected.get(column["name"], [])
            yield Card(f"column-{at}", column, words, column_chart(column))


def _rest(profile: Profile, shown: set[str]) -> list[tuple[str, Column]]:
    return [
        (f"column-{at}", column)
        for at, column in enumerate(profile["columns"])
        if column["name"] not in shown
    ]


def _roles(profile: Profile) -> dict[str, int]:
    roles = [column["role"] for column in profile["columns"]]
    return {role: roles.count(role) for role in dict.fromkeys(roles)}


def _heatmaps(profile: Profile) -> list[Heatmap]:
    from jobs.profile.heatmap import heatmap

    exact, sampled = profile["correlation"], profile["sampled"]
    drawn = [heatmap("Pearson", exact["columns"], exact["pearson"], None)]
    for key, title in (("spearman", "Spearman"), ("cramers_v", "Cramér's V")):
        part = sampled[key]
        drawn.append(heatmap(title, part["columns"], part["matrix"], sampled["rows"]))
    return [one for one in drawn if one]


def tiles(profile: Profile) -> list[Tile]:
    """Return the headline figures: rows, columns, missing values, suspects.

    Args:
        profile: The profile.
    """
    return [_rows(profile), _columns(profile), _missing(profile), _suspects(profile)]


def _rows(profile: Profile) -> Tile:
    ledger: dict[str, Any] = profile["ledger"]
    apart = [
        f"{count(ledger[name])} {name}" for name in ("quarantined", "filtered") if ledger[name]
    ]
    return Tile("Rows", count(profile["rows"]), ", ".join(apart) or "none set aside")


def _columns(profile: Profile) -> Tile:
    columns = profile["columns"]
    return Tile("Columns", whole(len(columns)), roles(profile))


def _missing(profile: Profile) -> Tile:
    columns = profile["columns"]
    some = sum(1 for column in columns if column["missing"])
    cells = sum(column["rows"] for column in columns)
    missing = sum(column["missing"] for column in columns)
    said = f"in {whole(some)} of {whole(len(columns))} columns" if some else "every value is there"
    return Tile("Values missing", _spaced(missing / cells if cells else 0.0), said)


def _suspects(profile: Profile) -> Tile:
    return Tile("Suspects", whole(len(profile["suspects"])), tally(profile) or "nothing stands out")
