"""Peak memory of training against the plan: 12 shapes, and bytes a cell and a row.

Each shape is planned and trained by ``millrace`` in a cluster of its own. *measured* is the peak of
a worker with its rank while it trains, as millrace reads it from the kernel; *all PSS* is the
highest PSS of a worker over the whole run, sampled from outside. Each shape is also trained on a
quarter of its rows: what three quarters add, by cell and by row of a worker, is what rows cost;
LightGBM's floor is 1 byte a cell. Exits 1 when a peak is over its projection.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import millrace_job
import report
from goals import Goal, missed, ratio
from synthetic import CACHE
from train_shapes import Case, table

WORKERS = 2
MEMORY = 8 * 2**30  # bytes a worker may take: nothing is refused or rotated
MB = report.MB
LEAST_ROWS = 20_000

CASES: Mapping[str, Case] = {
    "long": Case(8_000_000, 28),
    "narrow": Case(8_000_000, 5, leaves=7),
    "small": Case(500_000, 28),
    "bins 15": Case(4_000_000, 28, bins=15),
    "bins 63": Case(4_000_000, 28, bins=63, leaves=63),
    "bins 511": Case(4_000_000, 28, bins=511),
    "leaves 511": Case(2_000_000, 100, leaves=511),
    "row-wise, valid": Case(4_000_000, 28, leaves=63, valid=0.2, row_wise=True),
    "wide": Case(500_000, 500, leaves=63),
    "widest": Case(200_000, 2_000, bins=63),
    "categories": Case(2_000_000, 20, (10, 200, 2_000, 2_000), leaves=63),
    "regression": Case(4_000_000, 40, task="regression", valid=0.2),
    "multiclass": Case(1_000_000, 28, task="multiclass", classes=5),
    "ranking": Case(2_000_000, 60, leaves=63, task="ranking"),
}


@dataclass(frozen=True)
class Peak:
    """The memory of one training, bytes of a worker.

    Attributes:
        measured: Peak of the step ``train``.
        projected: What the plan said of it.
        over: Steps whose peak was over the plan.
        pss: Highest PSS of a worker over the whole run.
        planned: Highest projection over all steps.
    """

    measured: int
    projected: int
    over: tuple[str, ...]
    pss: int
    planned: int


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--scale", type=float, default=1.0, help="of all rows; 0.01 for a look")
    parser.add_argument("--rows", type=int, help="of every shape, instead of its own")
    parser.add_argument("--rounds", type=int, default=5, help="memory does not grow with them")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--no-slope", action="store_true", help="leave out the quarter of the rows")
    parser.add_argument("--timeout", type=float, default=1_800, help="seconds per training")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    return parser.parse_args()


def peak(case: Case, options: argparse.Namespace) -> Peak | None:
    """Plan and train; return the memory of it, or None when the training failed.

    Raises:
        Refused: The plan refuses it.
    """
    folder = options.cache / "work" / "train-memory"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sections = case.sections(table(case, options.cache), "models/shape", options.rounds)
    cluster = {"workers": options.workers, "memory": MEMORY}
    job = millrace_job.write(folder / "job.toml", {"name": "shape", "cluster": cluster, **sections})
    planned = millrace_job.plan(job)
    ran = millrace_job.run(job, timeout=options.timeout)
    if not ran.result:
        return None
    pss = max((worker.pss for worker in ran.cost.workers), default=0)
    return _peak(planned, ran.result["memory"], pss)


def _peak(planned: Mapping[str, Any], told: Mapping[str, Any], pss: int) -> Peak:
    """Put together what the plan, the run and the kernel say."""
    steps = {step["name"]: int(step["peak"]) for step in planned["steps"]}
    measured = {name: told[name]["measured"] or 0 for name in steps}
    over = tuple(name for name, bound in steps.items() if measured[name] > bound)
    return Peak(measured["train"], steps["train"], over, pss, max(steps.values()))


def slope(case: Case, less: Case, one: Peak, other: Peak, workers: int) -> dict[str, float]:
    """Return what rows cost a worker: bytes a cell, and bytes a row above 1 byte a cell.

    Args:
        case: A shape.
        less: The same with fewer rows.
        one: The memory of the first.
        other: The memory of the second.
        workers: How many share the rows.
    """
    rows = (case.rows - less.rows) / workers
    grown = one.measured - other.measured
    return {
        "B/cell": grown / rows / case.columns,
        "B/row above 1 B/cell": grown / rows - case.columns,
        "planned B/cell": (one.projected - other.projected) / rows / case.columns,
    }


def run(name: str, options: argparse.Namespace) -> dict[str, object]:
    """Measure one shape and return its line of the table."""
    case = CASES[name]
    case = replace(case, rows=options.rows or max(LEAST_ROWS, int(case.rows * options.scale)))
    line: dict[str, object] = {"shape": name, "what": str(case)}
    try:
        found = peak(case, options)
        if found is None:
            return line | {"ended": "failed"}
        line |= _figures(found)
        less = replace(case, rows=case.rows // 4)
        smaller = None if options.no_slope else peak(less, options)
        line |= slope(case, less, found, smaller, options.workers) if smaller else {}
    except millrace_job.Refused as refusal:
        print(f"{name}: left out: {refusal}")
        return line | {"ended": "refused"}
    print(report.show([line]), flush=True)
    return line


def _figures(found: Peak) -> dict[str, object]:
    return {
        "measured MB": found.measured / MB,
        "projected MB": found.projected / MB,
        "measured/projected": ratio(found.measured, found.projected),
        "all PSS MB": found.pss / MB,
        "all PSS/plan": ratio(found.pss, found.planned),
        "ended": f"over in {', '.join(found.over)}" if found.over else "under the plan",
    }


def goals(results: list[dict[str, object]]) -> list[Goal]:
    """Return what issue 5 asks of these figures."""
    found = [
        [float(str(r[name])) for r in results if r.get(name) is not None]
        for name in ("measured/projected", "all PSS/plan")
    ]
    over = sum(str(r.get("ended")).startswith("over") for r in results)
    failed = sum(r.get("ended") in ("failed", "refused") for r in results)
    return [
        Goal(
            "highest measured peak of training, of its projection", max(found[0], default=None), 1
        ),
        Goal("highest PSS of a worker, of the plan", max(found[1], default=None), 1),
        Goal("shapes with a step over its projection", over, 0),
        Goal("shapes measured", len(results) - failed, min(12, len(results)), at_most=False),
    ]


def main() -> int:
    """Measure the shapes one after the other and print the table; 1 when one is over."""
    options = _options()
    results = [run(name, options) for name in options.shapes]
    asked = goals(results)
    title = f"memory of training, {options.workers} workers, {options.rounds} rounds"
    report.finish_plain(title, results, options.out, asked)
    return int(missed(asked))


if __name__ == "__main__":
    sys.exit(main())
