"""Tuning LightGBM: millrace, Optuna with LightGBM in memory, dask-ml, Ray Tune.

The same table, space, folds, rounds and number of trials, none pruned (``--prune`` lets millrace
prune); two worker processes with one thread each, or two threads where there is one process. Every
contestant runs in a fresh process. TPE suggests for millrace and Optuna, dask-ml and Ray draw at
random: the work is alike, the parameters are not. Ray may have a Python of its own
(``--python-ray``); contestants whose libraries are absent are left out, and said.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import measure
import millrace_job
import report
from goals import Goal, ratio
from synthetic import CACHE, Shape, table
from train import size
from tune_peers import PEERS

HERE = Path(__file__).resolve().parent
WORKERS = 2
FIGURES = ("wall", "CPU s", "peak PSS MB", "peak RSS MB")
SPACE = {
    "num_leaves": {"low": 15, "high": 127, "log": True},
    "learning_rate": {"low": 0.03, "high": 0.3, "log": True},
    "min_data_in_leaf": {"low": 20, "high": 200, "log": True},
    "feature_fraction": {"low": 0.6, "high": 1.0},
    "lambda_l2": {"low": 0.001, "high": 10.0, "log": True},
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=28)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--method", default="tpe", help="millrace's")
    parser.add_argument("--prune", action="store_true", help="let millrace prune trials")
    parser.add_argument("--memory", type=size, default=4 * 2**30, help="of a millrace worker")
    names = ("millrace", *PEERS)
    parser.add_argument("--contestants", nargs="+", choices=names, default=names)
    parser.add_argument("--python-ray", default=sys.executable, help="a Python that has ray")
    parser.add_argument("--timeout", type=float, default=7_200, help="seconds per contestant")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    return parser.parse_args()


def _python(name: str, options: argparse.Namespace) -> str:
    return str(options.python_ray) if name == "ray" else sys.executable


def _absent(name: str, options: argparse.Namespace) -> list[str]:
    needed = ("optuna",) if name == "millrace" else PEERS[name][1]
    look = f"import importlib.util as u; print(*(n for n in {needed!r} if not u.find_spec(n)))"
    command = [_python(name, options), "-c", look]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def _job(folder: Path, data: Path, shape: Shape, options: argparse.Namespace) -> Path:
    """Write the job file of millrace."""
    tune: dict[str, object] = {"method": options.method, "trials": options.trials}
    if options.method in ("tpe", "random", "grid"):
        tune["prune"] = options.prune
    folds = {"by": "stratified", "count": options.folds}
    return millrace_job.write(
        folder / "job.toml",
        {
            "name": "tune",
            "cluster": {"workers": WORKERS, "threads": 1, "memory": options.memory},
            "data.rows": {"path": str(data)},
            "features": {"columns": shape.names},
            "train": {
                "data": "rows",
                "target": "label",
                "task": "binary",
                "model": millrace_job.MODEL,
            },
            "train.params": {"n_estimators": options.rounds},
            "tune": tune,
            "tune.folds": folds,
            **{f"tune.space.{name}": one for name, one in SPACE.items()},
        },
    )


def run(name: str, options: argparse.Namespace, data: Path, shape: Shape) -> dict[str, object]:
    """Run one contestant and return its line of the table."""
    folder = options.cache / "work" / f"tune-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name == "millrace":
        command = millrace_job.command(_job(folder, data, shape, options))
    else:
        settings = {
            "folder": str(folder),
            "table": str(data),
            "features": shape.names,
            "space": SPACE,
            "workers": WORKERS,
            **{key: getattr(options, key) for key in ("trials", "folds", "rounds")},
        }
        path = folder / "settings.json"
        path.write_text(json.dumps(settings))
        command = [_python(name, options), str(HERE / "tune_peers.py"), name, str(path)]
    environ = millrace_job.environ() if name == "millrace" else {}
    cost = measure.run(
        command, folder / "log.txt", timeout=options.timeout, folder=folder, environ=environ
    )
    result = {
        "contestant": name,
        "wall": cost.wall,
        "CPU s": cost.cpu,
        "peak PSS MB": cost.pss / report.MB,
        "peak RSS MB": cost.rss / report.MB,
        **_found(name, folder),
        "ended": cost.ending,
    }
    print(report.show([result]), flush=True)
    if cost.returncode:
        print(f"  {report.last_words(folder / 'log.txt')}", flush=True)
    return result


def _found(name: str, folder: Path) -> dict[str, object]:
    """Return what a search came to: its best log loss and how many trials had all rounds."""
    if name == "millrace":
        told = next(iter(folder.glob(".millrace/runs/*/tuning.json")), None)
        if told is None:
            return {}
        found = json.loads(told.read_text())
        return {"log loss": found["value"], "trials": found["states"]["done"]}
    marks = folder / "marks.json"
    found = json.loads(marks.read_text()) if marks.exists() else {}
    return {"log loss": found.get("best"), "trials": found.get("done")}


def main() -> None:
    """Run the contestants one after the other and print the table."""
    options = _options()
    shape = Shape(options.rows, options.features)
    data = table(shape, options.cache)
    results = []
    for name in options.contestants:
        if absent := _absent(name, options):
            print(f"{name}: left out, {_python(name, options)} has no {', '.join(absent)}")
        else:
            results.append(run(name, options, data, shape))
    by_name = {str(r["contestant"]): r for r in results if r["ended"] == "finished"}

    def of(figure: str, peer: str) -> float | None:
        mine, theirs = (by_name.get(n, {}).get(figure) for n in ("millrace", peer))
        return ratio(mine, theirs)

    goals = [Goal(f"wall time, of {name}'s", of("wall", name), 1.0) for name in PEERS]
    goals.append(Goal("peak memory, of optuna's", of("peak PSS MB", "optuna"), 1.0))
    what = f"{options.trials} trials x {options.folds} folds x {options.rounds} rounds"
    title = f"tuning, {options.rows:,} rows x {shape.features}, {what}"
    report.finish(title, results, FIGURES, options.out, goals)


if __name__ == "__main__":
    main()
