"""Training side by side: millrace, lightgbm.dask, XGBoost (Dask, external memory), in memory.

Same data, leaves, bins and rounds; two worker processes with one thread each, or two threads where
there is one process. Every contestant runs in a fresh process. ``reading`` is no training: what
reading and binning cost alone. ``--memory-limit`` puts every worker process into a cgroup of that
size. ``--wide`` takes 500,000 rows x 2,000. Peers may have a Python of their own (``--python``);
those whose libraries it does not have are left out, and said.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import measure
import millrace_job
import report
from goals import Goal, ratio
from synthetic import CACHE, Shape, table
from train_peers import PEERS

CONTESTANTS = ("millrace", *PEERS)
OURS = ("millrace", "reading")  # run by this Python
IN_MEMORY = ("pandas", "arrow", "polars")
FIGURES = ("wall", "load", "boost", "CPU s", "worker MB", "workers PSS MB")
HERE = Path(__file__).resolve().parent
WORKERS = 2
UNLIMITED = 4 * 2**30  # bytes of a millrace worker without --memory-limit
LONG, WIDE = (20_000_000, 28), (500_000, 2_000)
HELD_OUT_CELLS = 14_000_000


def size(text: str) -> int:
    """Return the bytes that a text such as ``1GiB`` says."""
    units = {"MiB": 2**20, "GiB": 2**30, "MB": 10**6, "GB": 10**9}
    unit = next((u for u in units if text.endswith(u)), None)
    return int(float(text.removesuffix(unit)) * units[unit]) if unit else int(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, help="20,000,000, or 500,000 with --wide")
    parser.add_argument("--features", type=int, help="28, or 2,000 with --wide; at least 18")
    parser.add_argument("--wide", action="store_true", help="the wide table")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--leaves", type=int, default=63)
    parser.add_argument("--max-bin", type=int, default=255)
    default = [name for name in CONTESTANTS if name != "polars"]
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=default)
    parser.add_argument("--python", default=sys.executable, help="the peers' Python")
    parser.add_argument("--memory-limit", type=size, help="of each worker, such as 1GiB")
    parser.add_argument("--layout", choices=("col", "row", "auto"), default="col")
    parser.add_argument("--timeout", type=float, default=7_200, help="seconds per contestant")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    options = parser.parse_args()
    rows, features = WIDE if options.wide else LONG
    options.rows, options.features = options.rows or rows, options.features or features
    return options


def missing(name: str, python: str) -> list[str]:
    """Return the libraries that a contestant needs and a Python does not have."""
    needed = () if name == "millrace" else PEERS[name][1]
    look = f"import importlib.util as u; print(*(n for n in {needed!r} if not u.find_spec(n)))"
    done = subprocess.run([python, "-c", look], check=True, capture_output=True, text=True)
    return done.stdout.split()


def _python(name: str, options: argparse.Namespace) -> str:
    return sys.executable if name in OURS else str(options.python)


def _present(options: argparse.Namespace) -> list[str]:
    found = []
    for name in options.contestants:
        absent = missing(name, _python(name, options))
        if absent:
            print(f"{name}: left out, {_python(name, options)} has no {', '.join(absent)}")
        else:
            found.append(name)
    return found


def _settings(options: argparse.Namespace, folder: Path, data: Path, shape: Shape) -> Path:
    layout = {} if options.layout == "auto" else {f"force_{options.layout}_wise": True}
    params = {"num_leaves": options.leaves, "learning_rate": 0.1, "max_bin": options.max_bin}
    settings = {
        "folder": str(folder),
        "table": str(data),
        "features": shape.names,
        "params": params | layout,
        "rounds": options.rounds,
        "workers": WORKERS,
        "memory": options.memory_limit,
    }
    path = folder / "settings.json"
    path.write_text(json.dumps(settings))
    return path


def run(name: str, options: argparse.Namespace, data: Path, shape: Shape) -> dict[str, object]:
    """Run one contestant and return its line of the table."""
    folder = options.cache / "work" / f"train-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = _settings(options, folder, data, shape)
    command = [_python(name, options), str(HERE / "train_peers.py"), name, str(settings)]
    environ = millrace_job.environ() if name in OURS else {}
    if name == "millrace":
        params = json.loads(settings.read_text())["params"]
        memory = options.memory_limit or UNLIMITED
        job = millrace_job.write_training(
            folder, data, shape, params, options.rounds, WORKERS, memory
        )
        command = millrace_job.command(job)
    cost = measure.run(
        command,
        folder / "log.txt",
        limit=options.memory_limit,
        timeout=options.timeout,
        folder=folder,
        environ=environ,
    )
    (folder / "measured.json").write_text(json.dumps(asdict(cost)))
    result = _line(name, folder, options, cost)
    print(report.show([result]), flush=True)
    if cost.returncode:
        print(f"  {report.last_words(folder / 'log.txt')}", flush=True)
    return result


def _line(
    name: str, folder: Path, options: argparse.Namespace, cost: measure.Measured
) -> dict[str, object]:
    marks_file = folder / "marks.json"
    marks = json.loads(marks_file.read_text()) if marks_file.exists() else {}
    marks |= millrace_job.seconds(folder) if name == "millrace" else {}
    lost = max(0, len(cost.workers) - WORKERS)
    peaks = [worker.rss / report.MB for worker in cost.workers]
    return {
        "contestant": name,
        "wall": cost.wall,
        "load": marks.get("load"),
        "boost": marks.get("boost"),
        "CPU s": cost.cpu,
        "worker MB": max(peaks, default=None),
        "workers PSS MB": cost.workers_pss / report.MB,
        "all PSS MB": cost.pss / report.MB,
        "AUC": _auc(name, folder, options),
        "ended": cost.ending + (f", {lost} workers lost" if lost else ""),
    }


def _model(name: str, folder: Path) -> Path | None:
    if name == "millrace":
        return millrace_job.model_text(folder)
    return next(iter(folder.glob("model.*")), None)


def held_out(features: int, *, double: bool = False) -> Shape:
    """Return the shape of rows that nobody trains on."""
    return Shape(min(500_000, HELD_OUT_CELLS // features), features, seed=99, double=double)


def _auc(name: str, folder: Path, options: argparse.Namespace) -> float | None:
    """Measure a model in a process of its own."""
    model, shape = _model(name, folder), held_out(options.features)
    if model is None:
        return None
    return auc(model, shape, options.cache, _python(name, options))


def auc(model: Path, shape: Shape, cache: Path, python: str = sys.executable) -> float:
    """Return the AUC of a model's file on a table, measured in a process of its own."""
    given = {"model": str(model), "held_out": str(table(shape, cache)), "features": shape.names}
    path = cache / "work" / "auc.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(given))
    command = [python, str(HERE / "train_peers.py"), "auc", str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def goals(results: Sequence[Mapping[str, object]]) -> list[Goal]:
    """Return what issue 5 asks of these figures."""
    by_name = {str(r["contestant"]): r for r in results if r["ended"] == "finished"}

    def of(ours: str, name: str, theirs: str) -> float | None:
        other = by_name.get(name, {}).get(theirs)
        return ratio(by_name.get("millrace", {}).get(ours), other)

    dask = "lightgbm.dask"
    loading = ratio(by_name.get("reading", {}).get("load"), by_name.get("millrace", {}).get("load"))
    return [
        Goal(f"memory of a worker, of {dask}'s", of("worker MB", dask, "worker MB"), 0.25),
        Goal(f"wall time, of {dask}'s", of("wall", dask, "wall"), 0.5),
        Goal("reading and binning alone, of the load phase", loading, 0.8, at_most=False),
        *(Goal(f"wall time, of {n}'s", of("wall", n, "wall"), 1.0) for n in IN_MEMORY),
    ]


def main() -> None:
    """Run the contestants one after the other and print the table."""
    options = _options()
    shape = Shape(options.rows, options.features)
    data = table(shape, options.cache)
    table(held_out(options.features), options.cache)
    results = [run(name, options, data, shape) for name in _present(options)]
    limit = f", {options.memory_limit:,} bytes a worker" if options.memory_limit else ""
    what = f"{options.rounds} rounds, {options.leaves} leaves{limit}"
    title = f"training, {options.rows:,} rows x {shape.features}, {what}"
    report.finish(title, results, FIGURES, options.out, goals(results))


if __name__ == "__main__":
    main()
