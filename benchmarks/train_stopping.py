"""Early stopping: the distributed fit beside `lightgbm.early_stopping` in one process.

Validation rows are marked in a column, so that both have the same. Compared are the best round
(goal: the same, give or take a segment) and the validation metric there. Near the best round a
curve is flat, and sums in another order decide which round wins: ``start`` lines are LightGBM
itself, in one process, when boosting starts a thousandth or a hundredth of a deviation beside the
mean. *rounds outside* is how far millrace is from the least and the largest best round of those.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import millrace_job
import polars as pl
import report
import train_reference as reference
import train_set_job as set_job
from goals import Goal, missed
from synthetic import CACHE, Shape, table
from train import size
from train_published import several
from train_reference import Stopped
from train_sets import SETS, Set, folder, with_valid

METRICS = {"binary": "log_loss", "regression": "rmse"}
SHIFTS = (-0.01, -0.001, 0.001, 0.01)
NAMES = ("higgs-like", "flights2008_clf", "adult", "california_housing", "bike_sharing")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--workers", nargs="+", type=int, default=(2, 3))
    parser.add_argument("--rows", type=int, help="only so many of each set, for a look")
    parser.add_argument("--synthetic-rows", type=int, default=500_000, help="of higgs-like")
    parser.add_argument("--rounds", type=int, default=2_000, help="at most")
    parser.add_argument("--patience", type=int, default=50, help="rounds without improvement")
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--segment", type=int, default=10, help="rounds that may be between")
    parser.add_argument("--memory", type=size, default=size("1536MiB"), help="of a worker")
    parser.add_argument("--timeout", type=float, default=3_600, help="seconds per training")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    return parser.parse_args()


def _higgs(rows: int, cache: Path, _: Path) -> pl.DataFrame:
    shape = Shape(rows)
    frame = pl.read_parquet(table(shape, cache) / "*.parquet").rename({"id": "row"})
    return frame.with_columns(part=pl.lit("train"), y=pl.col("label").cast(pl.Int64)).drop("label")


def marked(name: str, options: argparse.Namespace) -> tuple[Set, pl.DataFrame]:
    """Return a set and its table without test rows, some of its training rows for validation."""
    read = partial(_higgs, options.synthetic_rows, options.cache)
    kind = Set("binary", read) if name == "higgs-like" else SETS[name]
    frame = kind.read(folder()).filter(part="train")
    if options.rows:
        frame = frame.gather_every(max(1, frame.height // options.rows))
    return kind, with_valid(frame)


def stopped(
    name: str, kind: Set, frame: pl.DataFrame, workers: int, options: argparse.Namespace
) -> Stopped | None:
    """Return where millrace stopped; None when it did not train."""
    here = options.cache / "work" / f"stopping-{name}-{workers}"
    params = {"n_estimators": options.rounds, "learning_rate": options.learning_rate}
    metric = METRICS[kind.task]
    train = {"early_stopping": options.patience, "metric": metric}
    task = set_job.Task(frame, kind, params, train, workers, options.memory)
    job = set_job.write(here, task)
    try:
        several(millrace_job.plan(job))
    except millrace_job.Refused as reason:
        print(f"{name}, {workers} workers: {reason}", flush=True)
        return None
    if not millrace_job.run(job, timeout=options.timeout).result:
        return None
    told = set_job.history(here)
    best = int(told["best_round"])
    rounds = {int(entry.get("round", n + 1)): entry for n, entry in enumerate(told["history"])}
    found = next(v for key, v in rounds[best].items() if key.endswith(metric))
    return Stopped(best, float(found))


def lines(name: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """Train on a set in all ways and return the lines of the table."""
    try:
        kind, frame = marked(name, options)
    except FileNotFoundError as reason:
        print(f"{name}: left out: {reason}", flush=True)
        return [{"set": name, "way": "left out", "rounds apart": None}]
    params = {"learning_rate": options.learning_rate}
    given = (kind, params, options.rounds, options.patience, METRICS[kind.task])
    alone = reference.stop(frame, *given)
    found = [_line(name, "LightGBM", alone, [alone])]
    own = [alone]
    for shift in SHIFTS:
        own.append(reference.stop(frame, *given, shift=shift))
        found.append(_line(name, f"LightGBM, start {shift:+g}", own[-1], [alone]))
    for workers in options.workers:
        ours = stopped(name, kind, frame, workers, options)
        found.append(_line(name, f"millrace, {workers} workers", ours, own))
    print(report.show(found), flush=True)
    return found


def _line(name: str, way: str, found: Stopped | None, own: Sequence[Stopped]) -> dict[str, object]:
    """Return a line of the table; ``own`` are LightGBM's trainings, the first as it is."""
    line: dict[str, object] = {"set": name, "way": way}
    if found is None:
        return line | {"best round": None, "rounds apart": None, "rounds outside": None}
    best = [one.best_round for one in own]
    return line | {
        "best round": found.best_round,
        "rounds apart": abs(found.best_round - best[0]),
        "rounds outside": max(min(best) - found.best_round, found.best_round - max(best), 0),
        "metric": found.metric,
        "x metric": found.metric / own[0].metric,
    }


def goals(results: Sequence[dict[str, object]], segment: int) -> list[Goal]:
    """Return what issue 5 asks of each training of millrace, and how much of it is chance."""
    ours = [line for line in results if str(line["way"]).startswith("millrace")]
    return [
        Goal(f"{line['set']}, {line['way']}: {what}", _rounds(line[what]), segment)
        for line in ours
        for what in ("rounds apart", "rounds outside")
    ]


def _rounds(found: object) -> float:
    return float(found) if isinstance(found, int) else float("inf")


def main() -> int:
    """Train on the sets one after the other and print the table; 1 when it is no chance."""
    options = _options()
    results = [line for name in options.sets for line in lines(name, options)]
    title = f"early stopping, patience {options.patience}, at most {options.rounds} rounds"
    asked = goals(results, options.segment)
    report.finish_plain(title, results, options.out, asked)
    return int(missed([goal for goal in asked if goal.what.endswith("outside")]))


if __name__ == "__main__":
    sys.exit(main())
