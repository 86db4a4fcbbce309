"""The result table of a benchmark: one line per contestant, also kept as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from goals import Goal

MB = 1e6


def show(results: Sequence[Mapping[str, object]]) -> str:
    """Return results as an aligned text table, one line each; missing values are dashes."""
    names = list(dict.fromkeys(name for result in results for name in result))
    cells = [names, *([_text(result.get(name)) for name in names] for result in results)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(names))]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.5f}" if abs(value) < 1 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def against(results: Sequence[dict[str, object]], first: str, columns: Sequence[str]) -> None:
    """Add ``x <column>`` to each result: how many times the value of the contestant ``first``.

    Nothing is compared with a contestant that did not finish.
    """
    base = next((r for r in results if r["contestant"] == first), {})
    finished = str(base.get("ended", "")).startswith("finished")
    for result in results:
        for column in columns:
            mine, theirs = result.get(column), base.get(column) if finished else None
            known = isinstance(mine, float) and isinstance(theirs, float) and theirs > 0
            result[f"x {column}"] = round(mine / theirs, 2) if known else None  # type: ignore


def finish(
    title: str,
    results: Sequence[dict[str, object]],
    columns: Sequence[str],
    out: Path | None,
    goals: Sequence[Goal] = (),
) -> None:
    """Print the table with its ratios to millrace, and write the results where asked."""
    against(results, "millrace", columns)
    finish_plain(title, results, out, goals)


def finish_plain(
    title: str, results: Sequence[dict[str, object]], out: Path | None, goals: Sequence[Goal] = ()
) -> None:
    """Print the table and the goals as they are, and write both where asked."""
    print(f"\n{title}; {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    print(show(results))
    print("\n".join(["", *map(str, goals)]), flush=True)
    if out:
        told = {"title": title, "results": results, "goals": [g.to_dict() for g in goals]}
        out.write_text(json.dumps(told, indent=1) + "\n")


def last_words(log: Path) -> str:
    """Return the last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    return next((line[:160] for line in reversed(lines) if line), "")
