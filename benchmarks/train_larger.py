"""Training on raw data at least ten times larger than all workers' memory, by rotation.

A float64 table of ``--times`` the memory of all workers together is trained twice with the same
parameters: *confined*, every worker in a cgroup of ``--memory``, so that not even its bins fit and
each segment of rounds trains on other partitions; and *full*, with the memory that all bins need.
The held-out AUC of both is compared, and what all processes read (files and sockets together).
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import measure
import millrace_job
import report
from goals import Goal, ratio
from synthetic import CACHE, Shape, table
from train import auc, held_out, size

FULL = 6 * 2**30  # bytes of a worker that trains with all bins in memory
MB, GB = report.MB, 1e9


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--memory", type=size, default=size("640MiB"), help="of a worker")
    parser.add_argument("--full-memory", type=size, default=FULL, help="of a worker, for the other")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--times", type=float, default=10.0, help="raw bytes, in their memory")
    parser.add_argument("--rows", type=int, help="instead of --times")
    parser.add_argument("--features", type=int, default=28)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--leaves", type=int, default=63)
    parser.add_argument("--max-memory", help="train.max_memory of the confined job; else none")
    parser.add_argument("--no-cgroup", action="store_true", help="trust the plan: no cgroups")
    parser.add_argument("--ways", nargs="+", choices=("confined", "full"), default=None)
    parser.add_argument("--timeout", type=float, default=4 * 3_600, help="seconds per training")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    return parser.parse_args()


def rows_for(times: float, workers: int, memory: int, features: int) -> int:
    """Return the rows of float64 features that take so many times the memory of all workers."""
    return math.ceil(times * workers * memory / (8 * features))


def _job(way: str, options: argparse.Namespace, data: Path, shape: Shape, folder: Path) -> Path:
    confined = way == "confined"
    memory = options.memory if confined else options.full_memory
    limit = {"max_memory": options.max_memory} if confined and options.max_memory else {}
    sections = {
        "name": "larger",
        "cluster": {"workers": options.workers, "memory": memory},
        "data.table": {"path": f"{data}/*.parquet", "key": ["id"]},
        "features": {"columns": shape.names},
        "train": {
            **{"data": "table", "target": "label", "task": "binary"},
            **{"model": millrace_job.MODEL, **limit},
        },
        "train.params": {
            **{"n_estimators": options.rounds, "num_leaves": options.leaves},
            **{"learning_rate": 0.1, "max_bin": 255, "force_col_wise": True},
        },
    }
    return millrace_job.write(folder / "job.toml", sections)


def run(way: str, options: argparse.Namespace, data: Path, shape: Shape) -> dict[str, object]:
    """Train in one way and return its line of the table."""
    folder = options.cache / "work" / f"train-larger-{way}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    job = _job(way, options, data, shape, folder)
    try:
        planned = millrace_job.plan(job)
    except millrace_job.Refused as refusal:
        print(f"{way}: {refusal}", flush=True)
        return {"contestant": way, "ended": "refused by the plan"}
    step = millrace_job.step(planned, "train")
    print(f"{way}: the plan says: {told(step)}", flush=True)
    limit = options.memory if way == "confined" and not options.no_cgroup else None
    ran = millrace_job.run(job, limit=limit, timeout=options.timeout)
    line = _line(way, step, ran, folder)
    model = millrace_job.model_text(folder)
    if model is not None:
        line["AUC"] = auc(model, held_out(options.features, double=True), options.cache)
    print(report.show([line]), flush=True)
    return line


def told(step: Mapping[str, Any]) -> str:
    """Return what the plan says of its step ``train`` in words: its passes and notes."""
    return "; ".join([*step["passes"], *step["notes"]])


def turns(step: Mapping[str, Any]) -> dict[str, float | None]:
    """Return in how many turns the plan has the rows, and the GB of bins read again; None = all."""
    found = re.search(r"(\d+) subsets .* ([\d.,]+) GB of bins are read again", told(step))
    numbers = [float(text.replace(",", "")) for text in found.groups()] if found else [None, None]
    return {"subsets": numbers[0], "planned again GB": numbers[1]}


def _line(
    way: str, step: Mapping[str, Any], ran: millrace_job.Ran, folder: Path
) -> dict[str, object]:
    cost: measure.Measured = ran.cost
    measured = ran.result.get("memory", {}).get("train", {}).get("measured")
    rounds = [e.fields for e in millrace_job.run_events(folder) if e.name == "round"]
    return {
        "contestant": way,
        "wall": cost.wall,
        "train s": millrace_job.seconds(folder).get("train"),
        "CPU s": cost.cpu,
        "rounds": max((told["round"] for told in rounds), default=None),
        **turns(step),
        "read GB": cost.read / GB,
        "projected MB": step["peak"] / MB,
        "measured MB": measured / MB if measured else None,
        "worker MB": cost.worker_peak / MB,
        "AUC": None,
        "ended": cost.ending,
    }


def goals(results: Sequence[Mapping[str, Any]], raw: int, memory: int, limit: int) -> list[Goal]:
    """Return what issue 5 asks of these figures.

    Args:
        results: Lines of the table.
        raw: Bytes of the features, float64.
        memory: Bytes of all confined workers together.
        limit: Bytes of one of them.
    """
    by_name = {line["contestant"]: line for line in results}
    confined, full = by_name.get("confined", {}), by_name.get("full", {})
    mine, best = confined.get("AUC"), full.get("AUC")
    lost = best - mine if mine is not None and best is not None else None
    over = ratio(confined.get("measured MB"), limit / MB)
    return [
        Goal("raw data, in the memory of all workers", raw / memory, 10.0, at_most=False),
        Goal("AUC of all in memory, less that of rotation", lost, 0.002),
        Goal("peak of a confined worker, of its memory", over, 1.0),
    ]


def main() -> None:
    """Train both ways and print the table."""
    options = _options()
    asked = (options.times, options.workers, options.memory, options.features)
    rows = options.rows or rows_for(*asked)
    shape = Shape(rows, options.features, double=True)
    data = table(shape, options.cache)
    table(held_out(options.features, double=True), options.cache)
    ways = options.ways or ("confined", "full")
    results = [run(way, options, data, shape) for way in ways]
    report.against(results, "full", ("wall", "train s", "CPU s", "read GB"))
    raw, memory = rows * options.features * 8, options.workers * options.memory
    title = (
        f"{rows:,} rows x {options.features} float64, {raw / GB:.1f} GB raw, "
        f"{options.workers} workers of {options.memory / MB:.0f} MB, {options.rounds} rounds"
    )
    report.finish_plain(title, results, options.out, goals(results, raw, memory, options.memory))


if __name__ == "__main__":
    main()
