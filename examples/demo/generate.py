"""Write the demo's flight records: a year of history and one month to score, with the truth beside.

    python examples/demo/generate.py --rows 8000000 --out examples/demo/data

writes ``history/month=1..12/part-*.parquet`` (2025, with outcomes), ``today/part-*.parquet``
(January 2026, without) and ``truth.json``: row counts, rows made bad on purpose, and the AUC of the
true probabilities, which no model can beat. Months are made one by one from their own seeds, so
memory stays at two months' worth, and the same options give the same bytes (with the same library
versions and processor family). Nothing is done when ``truth.json`` already states the settings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from airline import (
    AIRPORTS,
    CARRIERS,
    LATE_MINUTES,
    Columns,
    World,
    build_world,
    log_odds,
    outcomes,
    weather,
)

HISTORY_YEAR = 2025
ROW_GROUP, PART = 250_000, 500_000  # rows
SEASON = np.array([0.92, 0.88, 1.02, 1.0, 1.02, 1.06, 1.12, 1.1, 0.96, 1.0, 0.94, 0.98])  # per day
WEEK = np.array([1.04, 0.97, 0.99, 1.05, 1.06, 0.88, 1.01])  # Monday first
DAY = np.array(
    [1, 1, 0, 0, 1, 4, 14, 17, 16, 14, 14, 15, 15, 15, 14, 15, 16, 18, 17, 14, 11, 8, 5, 2]
)
BAD_RATE = 2e-5  # of each kind of bad row
KEEP_FOR_AUC = 2_000_000  # rows
VERSION = 1  # of the recipe; a change of it makes new data


@dataclass(frozen=True)
class Settings:
    """What decides the bytes: ``rows`` of history, ``today`` rows to score, and the seed."""

    rows: int
    today: int
    seed: int
    version: int = VERSION


@dataclass(frozen=True)
class Month:
    """One month to make; ``index`` 0 is the month to score, 1 to 12 are the history."""

    index: int
    start: np.datetime64
    days: int
    rows: int
    first_id: int


@dataclass(frozen=True)
class Made:
    """What is known of one written month; ``probability`` and ``late`` are a sample of its rows."""

    index: int
    counts: dict[str, int]
    probability: npt.NDArray[np.float32]
    late: npt.NDArray[np.bool_]


def months(settings: Settings) -> list[Month]:
    """Return the thirteen months with their row counts, which add up to the settings."""
    starts = np.arange(f"{HISTORY_YEAR}-01", f"{HISTORY_YEAR + 1}-02", dtype="datetime64[M]")
    days = np.diff(starts.astype("datetime64[D]").astype(np.int64))
    ends = np.round(np.cumsum(days * SEASON) / (days @ SEASON) * settings.rows).astype(np.int64)
    counts = np.diff(ends, prepend=0)
    history = [
        Month(
            n + 1,
            starts[n],
            int(days[n]),
            int(counts[n]),
            HISTORY_YEAR * 10**9 + int(ends[n] - counts[n]),
        )
        for n in range(12)
    ]
    return [*history, Month(0, starts[12], 31, settings.today, (HISTORY_YEAR + 1) * 10**9)]


def _departures(month: Month, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], Columns]:
    """Return sorted minutes since the month began, and hour and weekday (Monday 0)."""
    monday = (int(month.start.astype("datetime64[D]").astype(np.int64)) + 3) % 7
    weekday = (np.arange(month.days) + monday) % 7
    share = np.outer(WEEK[weekday], DAY).ravel()
    cells = np.repeat(np.arange(month.days * 24), rng.multinomial(month.rows, share / share.sum()))
    minutes = np.sort(cells * 60 + rng.integers(0, 12, month.rows) * 5)
    cell = minutes // 60
    return minutes, {"cell": cell, "hour": cell % 24, "weekday": weekday[cell // 24]}


def _plan(world: World, rng: np.random.Generator, month: Month, flight: Columns) -> None:
    """Add the leg, the aircraft and its passengers to ``flight``."""
    leg = np.searchsorted(world.leg_chance, rng.random(month.rows)).clip(
        0, len(world.leg_chance) - 1
    )
    carrier = world.leg_carrier[leg]
    tail = world.tail_first[carrier] + (rng.random(month.rows) * world.tail_count[carrier]).astype(
        np.int64
    )
    seats = world.tail_seats[tail]
    load = np.clip(rng.normal(0.80, 0.13, month.rows), 0.15, 1.0)
    flight |= {
        "carrier": carrier,
        "flight_number": world.leg_number[leg],
        "tail": tail,
        "origin": world.leg_origin[leg],
        "dest": world.leg_dest[leg],
        "distance": world.leg_distance[leg],
        "scheduled_elapsed": world.leg_elapsed[leg],
        "aircraft_age": np.maximum(0, HISTORY_YEAR - world.tail_built[tail]),
        "seats": seats,
        "passengers": np.round(load * seats).astype(np.int64),
    }


def _conditions(world: World, rng: np.random.Generator, month: Month, flight: Columns) -> None:
    """Add the weather at both ends and the delay of the previous leg (NaN = none known)."""
    first_day = month.start.astype("datetime64[D]")
    day_of_year = int((first_day - first_day.astype("datetime64[Y]")).astype(np.int64))
    hours = month.days * 24
    table = weather(world, rng, day_of_year, hours)
    here, there = (flight[end] * hours + flight["cell"] for end in ("origin", "dest"))
    flight |= {name: grid[here] for name, grid in table.items()}
    flight |= {f"dest_{name}": grid[there] for name, grid in table.items()}
    n, hour = month.rows, flight["hour"]
    delayed = rng.random(n) < 0.16 + 0.017 * np.maximum(0, hour - 6)
    delay = np.where(delayed, rng.exponential(34, n), rng.normal(-3, 5, n))
    first_leg = rng.random(n) < np.where(hour < 8, 0.7, 0.06)
    flight["previous_delay"] = np.where(first_leg, np.nan, np.round(delay))


def _spoil(rng: np.random.Generator, flight: Columns) -> dict[str, npt.NDArray[np.int64]]:
    """Make a few rows bad on purpose, no row twice; return which."""
    n = len(flight["distance"])
    each = min(n // 4, max(1, round(n * BAD_RATE)))
    rows = rng.choice(n, 2 * each, replace=False)
    flight["distance"][rows[:each]] *= -1
    flight["wind_speed"][rows[each:]] = 9999.0
    return {"negative_distance": rows[:each], "wind_speed_9999": rows[each:]}


def _names(values: Sequence[str], index: npt.NDArray[Any]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(values))


def _table(world: World, month: Month, minutes: npt.NDArray[np.int64], flight: Columns) -> pa.Table:
    """Return the columns as an airline's warehouse would name and type them; NaN becomes null."""
    tails = [f"N{number:05d}" for number in range(10_000, 10_000 + len(world.tail_built))]
    start = month.start.astype("datetime64[us]")
    columns: dict[str, pa.Array] = {
        "flight_id": pa.array(np.arange(month.first_id, month.first_id + month.rows)),
        "departed_at": pa.array(start + minutes.astype("timedelta64[m]")),
        "carrier": _names(CARRIERS, flight["carrier"]),
        "flight_number": pa.array(flight["flight_number"]),
        "tail_number": _names(tails, flight["tail"]),
        "origin": _names(AIRPORTS, flight["origin"]),
        "dest": _names(AIRPORTS, flight["dest"]),
    }
    for name in ("distance", "scheduled_elapsed", "aircraft_age", "seats", "passengers"):
        columns[name] = pa.array(flight[name].astype(np.int64))
    for name in ("previous_delay", "dep_delay", "arr_delay"):
        if name in flight:
            columns[name] = pa.array(flight[name], pa.float64(), from_pandas=True).cast(pa.int64())
    known = {*columns, "tail", "cell", "hour", "weekday", "cancelled"}
    for name in sorted(flight.keys() - known):
        columns[name] = pa.array(flight[name], from_pandas=True)
    if "cancelled" in flight:
        columns["cancelled"] = pa.array(flight["cancelled"].astype(np.int8))
    return pa.table(columns)


def _write(table: pa.Table, folder: Path) -> None:
    """Write parts of half a million rows; without the Arrow schema, names are plain strings."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("part-*.parquet"):
        old.unlink()
    for number, first in enumerate(range(0, table.num_rows, PART)):
        pq.write_table(
            table.slice(first, PART),
            folder / f"part-{number}.parquet",
            row_group_size=ROW_GROUP,
            compression="zstd",
            compression_level=1,
            store_schema=False,
        )


def make_month(settings: Settings, world: World, month: Month, out: Path) -> Made:
    """Make one month, write its files, and return its counts and a sample of the true odds."""
    rng = np.random.default_rng([settings.seed, 1, month.index])
    minutes, flight = _departures(month, rng)
    _plan(world, rng, month, flight)
    _conditions(world, rng, month, flight)
    odds = log_odds(world, flight)
    outcome = outcomes(rng, odds, flight)
    flown = ~outcome["cancelled"]
    bad = _spoil(rng, flight)
    counts = {"rows": month.rows, **{name: len(rows) for name, rows in bad.items()}}
    if month.index:
        flight |= outcome
        counts["cancelled"] = int(month.rows - flown.sum())
        counts["bad_and_not_cancelled"] = int(sum(flown[rows].sum() for rows in bad.values()))
    folder = out / "history" / f"month={month.index}" if month.index else out / "today"
    _write(_table(world, month, minutes, flight), folder)
    kept = np.flatnonzero(flown)[:: max(1, settings.rows // KEEP_FOR_AUC)]
    probability = (1 / (1 + np.exp(-odds[kept]))).astype(np.float32)
    return Made(month.index, counts, probability, outcome["arr_delay"][kept] > LATE_MINUTES)


def auc(probability: npt.NDArray[np.float32], late: npt.NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve by the rank-sum formula; ties count half."""
    rank = pl.Series(probability).rank("average").to_numpy()
    positives = int(late.sum())
    area = rank[late].sum() - positives * (positives + 1) / 2
    return float(area / (positives * (len(late) - positives)))


def truth(settings: Settings, made: Sequence[Made]) -> dict[str, object]:
    """Return what is true of the data: counts, rate of late flights, best possible AUC."""
    history, today = [m for m in made if m.index], next(m for m in made if not m.index)
    totals = {name: sum(m.counts[name] for m in history) for name in history[0].counts}
    probability = np.concatenate([m.probability for m in history])
    late = np.concatenate([m.late for m in history])
    last = -len(late) // 10
    return {
        "settings": asdict(settings),
        "target": f"arr_delay > {LATE_MINUTES}",
        "history": totals,
        "today": today.counts,
        "late_rate": round(float(late.mean()), 5),
        "bayes_auc": round(auc(probability, late), 5),
        "bayes_auc_last_tenth": round(auc(probability[last:], late[last:]), 5),
        "bayes_auc_today": round(auc(today.probability, today.late), 5),
        "bayes_auc_rows": len(late),
        "bayes_auc_by_month": {m.index: round(auc(m.probability, m.late), 5) for m in history},
    }


def generate(settings: Settings, out: Path) -> bool:
    """Write the data into ``out``; return False when they are there already."""
    note = out / "truth.json"
    if note.exists():
        if json.loads(note.read_text())["settings"] == asdict(settings):
            return False
        note.unlink()
    world = build_world(settings.seed)
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        made = list(pool.map(lambda m: make_month(settings, world, m, out), months(settings)))
    draft = note.with_suffix(".tmp")
    draft.write_text(json.dumps(truth(settings, made), indent=2) + "\n")
    draft.replace(note)  # last: a run that was cut short is made again
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=8_000_000, help="rows of history")
    parser.add_argument("--today", type=int, default=600_000, help="rows to score")
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    options = parser.parse_args(arguments)
    if min(options.rows, options.today) < 1_000:
        parser.error("--rows and --today must be at least 1000")
    began = time.perf_counter()
    fresh = generate(Settings(options.rows, options.today, options.seed), options.out)
    state = f"written in {time.perf_counter() - began:.1f} s" if fresh else "already there"
    print(f"flight records in {options.out}: {state}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
