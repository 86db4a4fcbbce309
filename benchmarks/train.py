"""Training side by side: millrace, lightgbm.dask and in-memory LightGBM on the same table.

Same data, parameters and rounds; two worker processes with one thread each, or two threads where
there is one process. Every contestant runs in a fresh process. ``--memory-limit`` puts every worker
process into a cgroup of that size.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import measure
import millrace_job
import report
from synthetic import CACHE, Shape, table

CONTESTANTS = ("millrace", "lightgbm.dask", "pandas", "arrow", "polars")
HERE = Path(__file__).resolve().parent
WORKERS = 2
UNLIMITED = 4 * 2**30  # bytes of a millrace worker without --memory-limit
HELD_OUT = Shape(500_000, seed=99)


def _size(text: str) -> int:
    units = {"MiB": 2**20, "GiB": 2**30, "MB": 10**6, "GB": 10**9}
    unit = next((u for u in units if text.endswith(u)), None)
    return int(float(text.removesuffix(unit)) * units[unit]) if unit else int(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--memory-limit", type=_size, help="of each worker, such as 1GiB")
    parser.add_argument("--max-bin", type=int, default=255)
    parser.add_argument("--leaves", type=int, default=63)
    parser.add_argument("--layout", choices=("col", "row", "auto"), default="col")
    parser.add_argument("--timeout", type=float, default=3_600, help="seconds per contestant")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    return parser.parse_args()


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
    command = [sys.executable, str(HERE / "train_peers.py"), name, str(settings)]
    environ = {}
    if name == "millrace":
        params = json.loads(settings.read_text())["params"]
        memory = options.memory_limit or UNLIMITED
        job = millrace_job.write_training(
            folder, data, shape, params, options.rounds, WORKERS, memory
        )
        command, environ = millrace_job.command(job), millrace_job.environ()
    cost = measure.run(
        command,
        folder / "log.txt",
        limit=options.memory_limit,
        timeout=options.timeout,
        folder=folder,
        environ=environ,
    )
    (folder / "measured.json").write_text(json.dumps(asdict(cost)))
    return _line(name, folder, settings, cost, options.cache)


def _line(
    name: str, folder: Path, settings: Path, cost: measure.Measured, cache: Path
) -> dict[str, object]:
    ours = name == "millrace"
    model = millrace_job.model_text(folder) if ours else folder / "model.txt"
    marks_file = folder / "marks.json"
    marks = json.loads(marks_file.read_text()) if marks_file.exists() else {}
    marks |= millrace_job.seconds(folder) if ours else {}
    lost = max(0, len(cost.workers) - WORKERS)
    peaks = sorted((worker.rss / report.MB for worker in cost.workers), reverse=True)
    result: dict[str, object] = {
        "contestant": name,
        "wall": cost.wall,
        "load": marks.get("load"),
        "boost": marks.get("boost"),
        "CPU s": cost.cpu,
        "worker MB": peaks[0] if peaks else None,
        "all PSS MB": cost.pss / report.MB,
        "AUC": _auc(model, settings, cache) if model and model.exists() else None,
        "ended": cost.ending + (f", {lost} workers lost" if lost else ""),
    }
    print(report.show([result]), flush=True)
    if cost.returncode:
        print(f"  {report.last_words(folder / 'log.txt')}", flush=True)
    return result


def _auc(model: Path, settings: Path, cache: Path) -> float:
    """Measure a model in a process of its own."""
    given = json.loads(settings.read_text())
    given |= {"model": str(model), "held_out": str(table(HELD_OUT, cache))}
    path = settings.with_name("auc.json")
    path.write_text(json.dumps(given))
    command = [sys.executable, str(HERE / "train_peers.py"), "auc", str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Run the contestants one after the other and print the table."""
    options = _options()
    shape = Shape(options.rows)
    data = table(shape, options.cache)
    table(HELD_OUT, options.cache)
    results = [run(name, options, data, shape) for name in options.contestants]
    limit = f", {options.memory_limit:,} bytes a worker" if options.memory_limit else ""
    title = f"training, {options.rows:,} rows x {shape.features}, {options.rounds} rounds{limit}"
    report.finish(title, results, ("wall", "CPU s", "worker MB"), options.out)


if __name__ == "__main__":
    main()
