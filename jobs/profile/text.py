"""What ``millrace profile`` prints: what stands out, the target, the columns, the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal

from jobs.profile.figures import (
    DASH,
    MEASURES,
    Column,
    Profile,
    cell,
    common,
    distinct,
    kind,
    kinds,
    median,
    percent,
    roles,
    shown,
    sparkline,
    strength,
    unaccounted,
)
from jobs.show.units import count, size

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS_SHOWN = 50
FEATURES_SHOWN = 10
FINDINGS_SHOWN = 20
REASONS_SHOWN = 5
_BAR = 20
_NAME, _TYPE, _NOTES = 24, 10, 12
_HEADS = ("name", "type", "missing", "distinct", "min", "median", "mean", "max", "shape", "notes")
_LEFT = ("name", "type", "shape", "notes")


def profile_text(profile: Profile, width: int = 118) -> str:
    """Write a profile for a person: plain text, no colours, safe to print.

    Args:
        profile: The JSON of ``profile.json``.
        width: Characters of a line.
    """
    parts = (_head, _standing_out, _target, _columns, _ledger)
    blocks = [block for part in parts if (block := list(part(profile, width)))]
    return "\n\n".join("\n".join(block) for block in blocks)


def _head(profile: Profile, width: int) -> Iterator[str]:
    files = f"{count(profile['files'])} file{'s' if profile['files'] != 1 else ''}"
    facts = (
        f"{count(profile['rows'])} rows",
        f"{count(len(profile['columns']))} columns ({roles(profile)})",
        f"{profile['format']}, {files}, {size(profile['bytes'])}",
    )
    yield f"{_safe(profile['name'])}  {', '.join(facts)}"
    yield f"  {_safe(profile['location'])}"


def _standing_out(profile: Profile, width: int) -> Iterator[str]:
    found = [
        (one["kind"].replace("_", " "), f"{one['column']}: {one['what']}")
        for one in profile["suspects"]
    ]
    warnings = [("warning", text) for text in profile["warnings"]]
    for lines, name in ((found, "suspects"), (warnings, "warnings")):
        for what, text in lines[:FINDINGS_SHOWN]:
            yield from _wrapped(f"! {what:<12}", text, width)
        if (hidden := len(lines) - FINDINGS_SHOWN) > 0:
            yield f"! {count(hidden)} more {name} are in profile.json"


def _wrapped(head: str, text: str, width: int) -> Iterator[str]:
    import textwrap

    lines = textwrap.wrap(_safe(text), max(20, width - len(head))) or [""]
    yield f"{head}{lines[0]}"
    yield from (f"{' ' * len(head)}{line}" for line in lines[1:])


def _target(profile: Profile, width: int) -> Iterator[str]:
    target = profile["target"]
    if target is None:
        return
    shares = [f"{_safe(b['value'])} {percent(b['share'])}" for b in common(target)]
    rest = len(target["balance"]) - len(shares)
    more = [f"{count(rest)} more values"] if rest else []
    missing = [f"{count(target['missing'])} missing"] if target["missing"] else []
    told = ", ".join([*shares, *more, *missing])
    yield f"target {_safe(target['name'])} ({target['task']}){': ' * bool(told)}{told}"
    longest = max((len(_safe(f["name"])) for f in target["features"][:FEATURES_SHOWN]), default=0)
    for feature in target["features"][:FEATURES_SHOWN]:
        yield _feature(feature, min(longest, _NAME))[:width]
    if (hidden := len(target["features"]) - FEATURES_SHOWN) > 0:
        yield f"  {count(hidden)} weaker features are in profile.json"


def _feature(feature: Mapping[str, Any], width: int) -> str:
    name = _safe(feature["name"])
    name = name if len(name) <= width else name[: width - 1] + "…"
    value, filled = DASH, 0
    if feature["value"] is not None:
        reach = strength(feature)
        value = f"{feature['value']:.3f}"
        filled = round(_BAR * (2 * reach - 1 if feature["measure"] == "auc" else reach))
    bar = "█" * filled + "·" * (_BAR - filled)
    why = f"  {'! ' * feature['suspect']}{_safe(feature['why'] or '')}"
    return f"  {name:<{width}}  {bar}  {value:>6} {MEASURES[feature['measure']]}{why}".rstrip()


def _columns(profile: Profile, width: int) -> Iterator[str]:
    from rich.console import Console

    if not profile["columns"]:
        return
    page = StringIO()
    console = Console(file=page, width=width, color_system=None, force_terminal=False)
    console.print(_table(profile, width), soft_wrap=False)
    yield from (line.rstrip() for line in page.getvalue().splitlines())
    if (hidden := len(profile["columns"]) - COLUMNS_SHOWN) > 0:
        yield f"{count(hidden)} more columns are in profile.json and profile.html"


def _table(profile: Profile, width: int) -> Table:
    """Return the table of the first columns; cells are ``Text``, so that no markup is read."""
    from rich.table import Table
    from rich.text import Text

    suspected = kinds(profile)
    rows = [
        [_safe(text) for text in _cells(column, suspected.get(column["name"], []))]
        for column in profile["columns"][:COLUMNS_SHOWN]
    ]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for head, room in zip(_HEADS, _widths(rows, width), strict=True):
        side: Literal["left", "right"] = "left" if head in _LEFT else "right"
        table.add_column(head, justify=side, no_wrap=True, overflow="ellipsis", max_width=room)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the most characters of each column: what figures leave goes to names and notes."""
    from rich.cells import cell_len

    wanted = [max(map(cell_len, cells)) for cells in zip(_HEADS, *rows, strict=True)]
    name, kind_of, *figures, notes = wanted
    kind_of = min(kind_of, _TYPE)
    left = width - kind_of - sum(figures) - 2 * (len(wanted) - 1)
    name = min(name, _NAME, max(_NAME // 2, left - min(notes, _NOTES)))
    return [name, kind_of, *figures, max(len("notes"), left - name)]


def _cells(column: Column, suspected: list[str]) -> list[str]:
    bounded = column["role"] in ("number", "time")  # a least text says nothing
    low, middle, high = (
        _day(column, value) if bounded else DASH
        for value in (column["min"], median(column), column["max"])
    )
    return [
        column["name"],
        kind(column),
        percent(column["missing_share"]),
        distinct(column),
        low,
        middle,
        shown(column["mean"]) if column["role"] in ("number", "flag") else DASH,
        high,
        sparkline(_bars(column)),
        "; ".join([*suspected, *column["notes"]]),
    ]


def _bars(column: Column) -> list[int]:
    """Return the histogram, or the counts of the most frequent values where they differ."""
    if column["histogram"]:
        return list(column["histogram"]["counts"])
    return [one["count"] for one in column["top"][:12]] if column["role"] != "text" else []


def _day(column: Column, value: object) -> str:
    return cell(column, value)[:10] if column["role"] == "time" else cell(column, value)


def _ledger(profile: Profile, width: int) -> Iterator[str]:
    ledger = profile["ledger"]
    parts = " + ".join(
        f"{name} {count(ledger[name])}" for name in ("good", "quarantined", "filtered")
    )
    lost = unaccounted(ledger)
    wrong = f"   NOT BALANCED: {count(lost)} rows are unaccounted for" if lost else ""
    yield f"rows {count(ledger['rows'])} {'!=' if lost else '='} {parts}{wrong}"
    for path, counts in ledger.get("files", {}).items():
        told = f"{count(counts['quarantined'])} quarantined, {count(counts['filtered'])} filtered"
        yield from _wrapped(f"  {count(counts['rows']):>9}  ", f"{path}: {told}", width)
    if ledger.get("more_files"):
        yield f"  {count(ledger['more_files'])} more files with such rows"
    reasons = sorted(ledger["reasons"].items(), key=lambda item: -item[1])
    for text, rows in reasons[:REASONS_SHOWN]:
        yield from _wrapped(f"  {count(rows):>9}  ", text, width)
    if len(reasons) > REASONS_SHOWN:
        yield f"  {count(len(reasons) - REASONS_SHOWN)} more reasons are in profile.json"


def _safe(text: object) -> str:
    """Return text without what a terminal would obey: names come from the data."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text))
