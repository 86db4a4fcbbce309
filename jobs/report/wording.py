"""Numbers as a page says them: counts, bytes, metrics, shares, durations."""

from __future__ import annotations

import math

DASH = "\u2013"
"""Stands where there is no number."""
ROWS_SHOWN = 100
"""Rows of a list that are shown; the rest is only counted: the page stays small."""


def size(amount: int) -> str:
    """Return bytes in three digits: "1.23 GiB", "307 MiB"."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        # From nine tenths on, so that no unit needs four digits.
        if amount >= 0.9 * 2**power:
            return f"{_three(amount / 2**power)} {unit}"
    return f"{amount} B"


def count(amount: int) -> str:
    """Return a count in three digits: "12.3 M"; below ten thousand whole."""
    for power, unit in ((9, "G"), (6, "M"), (3, "k")):
        if amount >= max(10**power, 10_000):
            return f"{_three(amount / 10**power)} {unit}"
    return whole(amount)


def _three(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def whole(amount: float) -> str:
    """Return a count with thousands apart: "12,345,678"."""
    return f"{round(amount):,}"


def number(value: float) -> str:
    """Return a metric in about five significant digits; a dash when there is none."""
    if not math.isfinite(value):
        return DASH
    amount = abs(value)
    if amount == 0 or amount >= 10_000:
        return whole(value)
    text = f"{amount:.5f}" if 1e-3 <= amount < 10 else f"{amount:#.5g}"
    return "\u2212" * (value < 0) + text


def share(part: float, total: float) -> str:
    """Return a part of a total in percent, never rounded to all or nothing; a dash without rows."""
    if not total:
        return DASH
    percent = 100 * part / total
    if 0 < percent < 0.01:
        return "< 0.01 %"
    return "> 99.99 %" if 99.99 < percent < 100 else f"{percent:.2f} %"


def clock(seconds: float) -> str:
    """Return a duration: "3.2 s", "4 min 10 s", "2 h 5 min"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
