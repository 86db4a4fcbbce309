"""Batch scoring side by side: millrace, dask.dataframe, and both functions in plain processes.

Same table, two worker processes with one thread each, models of the same size (100 trees with 31
leaves) that each side has trained on one row group. ``plain`` and ``millrace-plain`` run the same
work without Dask: the difference is what Dask costs. Every contestant runs in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import measure
import millrace_job
import pyarrow.parquet as pq
import report
from synthetic import CACHE, ROW_GROUP, Shape, table

CONTESTANTS = ("millrace", "millrace-plain", "dask.dataframe", "plain")
HERE = Path(__file__).resolve().parent
WORKERS = 2
MEMORY = 2 * 2**30  # bytes of a millrace worker


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--categories", type=int, default=0, help="string columns beside floats")
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--leaves", type=int, default=31)
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--timeout", type=float, default=3_600, help="seconds per contestant")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    return parser.parse_args()


def prepare(options: argparse.Namespace, shape: Shape, base: Path) -> Path:
    """Train the peers' model and millrace's, unmeasured; return the settings of the peers."""
    small = replace(shape, rows=min(shape.rows, ROW_GROUP), seed=7)
    params = {"num_leaves": options.leaves, "learning_rate": 0.1}
    settings = {
        "table": str(table(small, options.cache)),
        "features": shape.names,
        "params": params,
        "rounds": options.trees,
        "workers": WORKERS,
        "model": str(base / "model.txt"),
    }
    path = base / "settings.json"
    path.write_text(json.dumps(settings))
    command = [sys.executable, str(HERE / "score_peers.py"), "fit", str(path)]
    subprocess.run(command, check=True)
    if any(name.startswith("millrace") for name in options.contestants):
        data = table(small, options.cache)
        job = millrace_job.write_training(base, data, small, params, options.trees, WORKERS, MEMORY)
        cost = measure.run(
            millrace_job.command(job),
            base / "train.log",
            folder=base,
            environ=millrace_job.environ(),
        )
        print(f"millrace's model: {cost.ending}. {report.last_words(base / 'train.log')}")
    path.write_text(json.dumps({**settings, "table": str(table(shape, options.cache))}))
    return path


def run(
    name: str, options: argparse.Namespace, shape: Shape, base: Path, given: Path
) -> dict[str, object]:
    """Run one contestant and return its line of the table."""
    folder = base / name
    folder.mkdir()
    output = folder / millrace_job.OUTPUT
    if name.startswith("millrace") and (base / "models").exists():
        shutil.copytree(base / "models", folder / "models")
    job = millrace_job.write_scoring(folder, table(shape, options.cache), WORKERS, MEMORY)
    settings = folder / "settings.json"
    own = {"folder": str(folder), "output": str(output), "job": str(job)}
    settings.write_text(json.dumps(json.loads(given.read_text()) | own))
    command = [sys.executable, str(HERE / "score_peers.py"), name, str(settings)]
    environ = {}
    if name == "millrace":
        command, environ = millrace_job.command(job), millrace_job.environ()
    cost = measure.run(
        command, folder / "log.txt", timeout=options.timeout, folder=folder, environ=environ
    )
    (folder / "measured.json").write_text(json.dumps(asdict(cost)))
    return _line(name, folder, output, options.rows, cost)


def _line(
    name: str, folder: Path, output: Path, rows: int, cost: measure.Measured
) -> dict[str, object]:
    marks_file = folder / "marks.json"
    marks = json.loads(marks_file.read_text()) if marks_file.exists() else {}
    marks |= millrace_job.seconds(folder) if name == "millrace" else {}
    scoring = marks.get("score")
    written = sum(pq.read_metadata(path).num_rows for path in output.glob("*.parquet"))
    result: dict[str, object] = {
        "contestant": name,
        "wall": cost.wall,
        "rows/s": rows / cost.wall if cost.returncode == 0 else None,
        "scoring s": scoring,
        "scoring rows/s": rows / scoring if scoring else None,
        "CPU s": cost.cpu,
        "workers PSS MB": cost.workers_pss / report.MB,
        "all PSS MB": cost.pss / report.MB,
        "written": written,
        "ended": cost.ending,
    }
    print(report.show([result]), flush=True)
    if cost.returncode:
        print(f"  {report.last_words(folder / 'log.txt')}", flush=True)
    shutil.rmtree(output, ignore_errors=True)
    return result


def main() -> None:
    """Run the contestants one after the other and print the table."""
    options = _options()
    shape = Shape(options.rows, categories=options.categories)
    table(shape, options.cache)
    base = options.cache / "work" / "score"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    given = prepare(options, shape, base)
    results = [run(name, options, shape, base, given) for name in options.contestants]
    title = (
        f"scoring, {options.rows:,} rows x {len(shape.names)} features, "
        f"{options.trees} trees x {options.leaves} leaves"
    )
    columns = ("rows/s", "scoring rows/s", "CPU s", "workers PSS MB")
    report.finish(title, results, columns, options.out)


if __name__ == "__main__":
    main()
