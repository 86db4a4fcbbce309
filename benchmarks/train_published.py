"""millrace's metric beside LightGBM's, on real sets with published baselines and on its examples.

The sets are those of ``../shared/data`` (``MILLRACE_DATA``), split and set up as their baselines
are; ``LightGBM`` is trained in memory here, on the same rows with the same parameters. The test
rows are scored by ``millrace run`` and measured here, from the predictions alone. A metric may be
worse than LightGBM's by the stated tolerance (``--orders`` measures how much LightGBM's own differs
when its rows come in another order). LightGBM's own examples: ``--examples FOLDER`` for those whose
rows are in its repository. Exits 1 when a metric is worse than its tolerance allows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import millrace_job
import polars as pl
import report
import train_reference as reference
import train_set_job as set_job
from goals import Goal, missed
from synthetic import CACHE
from train import size
from train_examples import EXAMPLES, FOLDERS, example
from train_sets import HIGHER_IS_BETTER, SETS, Set, folder

TOLERANCES = {"AUC": 0.003, "NDCG@10": 0.02, "RMSE": 0.02, "log loss": 0.05}
"""By how much a metric may be worse: AUC and NDCG as they are, others in parts of LightGBM's."""

ROUNDS = 100


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [*SETS, *EXAMPLES, *FOLDERS]
    parser.add_argument("--sets", nargs="+", choices=names, default=names)
    parser.add_argument("--examples", type=Path, help="LightGBM's folder examples")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", type=size, default=size("1536MiB"), help="of a worker")
    parser.add_argument("--rows", type=int, help="only so many of each set, for a look")
    parser.add_argument("--orders", type=int, default=0, help="LightGBM on its rows in more orders")
    parser.add_argument("--timeout", type=float, default=1_800, help="seconds per training")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    return parser.parse_args()


def _found(name: str, options: argparse.Namespace) -> tuple[Set, int]:
    """Return a set or example, and its rounds.

    Raises:
        FileNotFoundError: It is not on this machine.
    """
    if name in SETS:
        return SETS[name], ROUNDS
    if name in EXAMPLES:
        return EXAMPLES[name]
    if options.examples is None:
        raise FileNotFoundError("its rows are in LightGBM's repository: give --examples FOLDER")
    return example(options.examples, name)


def worse(metric: str, mine: float, theirs: float) -> float:
    """Return by how much a metric is worse, in the unit of its tolerance; negative when better."""
    if metric in HIGHER_IS_BETTER:
        return theirs - mine
    return (mine - theirs) / theirs


def shuffled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the rows of a table in another order; those of a query stay together."""
    group = "q" if "q" in frame.columns else "row"
    order = frame.select(pl.col(group).unique(maintain_order=True).shuffle(seed))
    return order.join(frame, on=group, how="left", maintain_order="left_right")


def _spread(frame: pl.DataFrame, kind: Set, rounds: int, orders: int) -> float | None:
    """Return how far apart LightGBM's own metrics are when its rows come in other orders."""
    if not orders:
        return None
    found = [_in_memory(shuffled(frame, seed), kind, rounds) for seed in range(1, orders + 1)]
    return max(worse(kind.metric, one, other) for one in found for other in found)


def _in_memory(frame: pl.DataFrame, kind: Set, rounds: int) -> float:
    booster = reference.fit(frame, kind, {}, rounds)
    test = frame.filter(pl.col("part") == "test")
    return reference.measured(kind, test, reference.predicted(booster, frame))


def _millrace(
    name: str, frame: pl.DataFrame, kind: Set, rounds: int, options: argparse.Namespace
) -> tuple[float | None, str]:
    """Return millrace's metric, or None and how the run ended.

    Raises:
        Refused: millrace does not know the task.
    """
    here = options.cache / "work" / f"published-{name.replace(' ', '-')}"
    params = {"n_estimators": rounds}
    task = set_job.Task(frame, kind, params, {"seed": 42}, options.workers, options.memory)
    job = set_job.write(here, task)
    several(millrace_job.plan(job))
    ran = millrace_job.run(job, timeout=options.timeout)
    if not ran.result:
        return None, ran.cost.ending
    test = frame.filter(pl.col("part") == "test").sort("row")
    return reference.measured(kind, test, set_job.predictions(here, task)), ran.cost.ending


def several(planned: Mapping[str, Any]) -> None:
    """Make sure that more than one rank has rows."""
    if millrace_job.step(planned, "train")["partitions"] < 2:
        raise millrace_job.Refused("all its rows are one partition")


def published() -> Mapping[str, float]:
    """Return the published baselines by set; empty where the sets are not there."""
    file = folder() / "baselines.json"
    if not file.exists():
        return {}
    return {name: float(found["value"]) for name, found in json.loads(file.read_text()).items()}


def run(name: str, options: argparse.Namespace) -> dict[str, object]:
    """Train both on a set and return its line of the table."""
    line: dict[str, object] = {"set": name}
    try:
        kind, rounds = _found(name, options)
        frame = kind.read(folder())
        if options.rows:
            frame = frame.gather_every(max(1, frame.height // options.rows))
        line |= {"metric": kind.metric, "train rows": frame.filter(part="train").height}
        mine, ended = _millrace(name, frame, kind, rounds, options)
    except (FileNotFoundError, millrace_job.Refused) as reason:
        print(f"{name}: left out: {reason}", flush=True)
        return line | {"ended": "left out"}
    theirs = _in_memory(frame, kind, rounds)
    line |= {"published": None if options.rows else published().get(name), "LightGBM": theirs}
    line |= {"millrace": mine, "worse by": None, "tolerance": TOLERANCES[kind.metric]}
    if mine is not None:
        line["worse by"] = worse(kind.metric, mine, theirs)
    line |= {"orders": _spread(frame, kind, rounds, options.orders), "ended": ended}
    print(report.show([line]), flush=True)
    return line


def goals(results: list[dict[str, object]]) -> Iterator[Goal]:
    """Yield a goal for each set that was trained on."""
    for line in results:
        if line["ended"] == "left out":
            continue
        what, bound = f"{line['set']}: {line['metric']} worse than LightGBM's", line["tolerance"]
        value = line["worse by"] if line["worse by"] is not None else float("inf")
        yield Goal(what, float(str(value)), float(str(bound)))


def main() -> int:
    """Train on the sets one after the other and print the table."""
    options = _options()
    if not folder().is_dir():
        print(f"no sets at {folder()} (set MILLRACE_DATA): their lines are left out")
    results = [run(name, options) for name in options.sets]
    asked = list(goals(results))
    title = f"metrics of test rows, {options.workers} workers"
    report.finish_plain(title, results, options.out, asked)
    return int(missed(asked))


if __name__ == "__main__":
    sys.exit(main())
