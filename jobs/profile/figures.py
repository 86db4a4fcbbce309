"""The values of a profile as a person reads them, for the terminal and for the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Column = Mapping[str, Any]
Profile = Mapping[str, Any]

DASH = "\u2013"
BARS_SHOWN = 8
"""Values of a column that are drawn."""
BLOCKS = "▁▂▃▄▅▆▇█"
MEASURES: Mapping[str, str] = {
    "auc": "AUC",
    "correlation": "correlation",
    "eta2": "η²",
    "cramers_v": "Cramér's V",
}
"""How each measure of association is called."""
_PLURALS: Mapping[str, str] = {
    "number": "numbers",
    "flag": "flags",
    "category": "categories",
    "text": "texts",
    "time": "times",
}
_WHOLE = 10_000_000  # the first number that is not written out


def brief(value: float | None) -> str:
    """Write a number in at most eleven characters: four significant digits, three of a small one.

    Args:
        value: Any number; ``None`` is a dash.
    """
    if value is None:
        return DASH
    amount = abs(value)
    if 0 < amount < 0.1:
        return f"{value:.3g}"
    if amount >= _WHOLE:
        return f"{value:.4g}"
    if value == int(value) or amount >= 1000:
        return f"{value:,.0f}" if amount >= 10_000 else f"{value:.0f}"
    return f"{value:.4g}"


def shown(value: object) -> str:
    """Write a value of a column: a number briefly, a time to the second, a midnight as its date.

    Args:
        value: A JSON scalar.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int | float):
        return brief(value)
    return str(value)


def moment(value: object) -> str:
    """Write a value of a time column: without a time of day that is midnight.

    Args:
        value: ISO 8601 text, or ``None``.
    """
    text = shown(value).replace("T", " ", 1)
    day, _, clock = text.partition(" ")
    return day if clock[:8] in ("", "00:00:00") else f"{day} {clock[:8]}"


def cell(column: Column, value: object) -> str:
    """Write a value that has the type of a column.

    Args:
        column: The column.
        value: Its least, largest or middle value.
    """
    return moment(value) if column["role"] == "time" else shown(value)


def distinct(column: Column) -> str:
    """Write how many values there are, with ``~`` before an estimate.

    Args:
        column: The column.
    """
    found = column["distinct"]
    if found is None:
        return DASH
    return f"{'' if column['distinct_exact'] else '~'}{brief(found)}"


def percent(share: float | None) -> str:
    """Write a share with one digit, never rounded to nothing or all.

    Args:
        share: Between 0 and 1; ``None`` is a dash.
    """
    if share is None:
        return DASH
    if 0 < share < 0.001:
        return "<0.1%"
    return ">99.9%" if 0.999 < share < 1 else f"{100 * share:.{0 if share in (0, 1) else 1}f}%"


def beyond(column: Column) -> float | None:
    """Return the share of the values that are there but not drawn; ``None``: all are drawn.

    Args:
        column: The column.
    """
    drawn = sum(one["count"] for one in column["top"][:BARS_SHOWN])
    known = column["rows"] - column["missing"]
    return (known - drawn) / known if known > drawn else None


def kind(column: Column) -> str:
    """Return the type of a column without its parameters.

    Args:
        column: The column.
    """
    name: str = column["type"]
    return name.partition("(")[0] or name


def sparkline(counts: Sequence[int], width: int = 12) -> str:
    """Draw counts as a row of blocks; a bin with any row in it is never blank.

    Args:
        counts: Rows by bin.
        width: Characters at most; neighbouring bins are added up.
    """
    step = max(1, -(-len(counts) // width))
    bins = [sum(counts[at : at + step]) for at in range(0, len(counts), step)]
    top = max(bins, default=0)
    return "".join(BLOCKS[round(7 * n / top)] if n else " " for n in bins)


def median(column: Column) -> object:
    """Return the middle of the values; ``None`` where there is none.

    Args:
        column: The column.
    """
    return (column["quantiles"] or {}).get("0.5")


def kinds(profile: Profile) -> dict[str, list[str]]:
    """Return for each suspected column what it is suspected of.

    Args:
        profile: The profile.
    """
    by_column: dict[str, list[str]] = {}
    for found in profile["suspects"]:
        words = by_column.setdefault(found["column"], [])
        if (word := found["kind"].replace("_", " ")) not in words:
            words.append(word)
    return by_column


def roles(profile: Profile) -> str:
    """Write how many columns there are of each role: "12 numbers, 1 category".

    Args:
        profile: The profile.
    """
    found = Counter(column["role"] for column in profile["columns"]).most_common()
    return ", ".join(f"{n:,} {role if n == 1 else _PLURALS.get(role, role)}" for role, n in found)


def tally(profile: Profile) -> str:
    """Write how many suspects there are of each kind: "2 leakage, 1 key overlap".

    Args:
        profile: The profile.
    """
    found = Counter(one["kind"].replace("_", " ") for one in profile["suspects"]).most_common()
    return ", ".join(f"{n:,} {kind}" for kind, n in found)


def unaccounted(ledger: Mapping[str, Any]) -> int:
    """Return the rows that are neither good, nor quarantined, nor filtered: 0 when all is well.

    Args:
        ledger: The ledger of the profile.
    """
    kept = ledger["good"] + ledger["quarantined"] + ledger["filtered"]
    return int(ledger["rows"] - kept)


def strength(feature: Mapping[str, Any]) -> float:
    """Return how strongly a feature goes with the target: 1 decides it.

    An AUC counts in either direction, from 0.5; a correlation as its square, as the share of the
    target that it explains: so it stands beside an eta squared.

    Args:
        feature: One of the target's features that has a value.
    """
    value: float = feature["value"]
    if feature["measure"] == "auc":
        return max(value, 1 - value)
    return value * value if feature["measure"] == "correlation" else value


def common(target: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the classes to draw: all in their order, or of many the most frequent.

    Args:
        target: The target of the profile.
    """
    balance = target["balance"]
    if len(balance) <= BARS_SHOWN:
        return list(balance)
    return sorted(balance, key=lambda one: -one["count"])[:BARS_SHOWN]
