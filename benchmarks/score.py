"""Batch scoring side by side: millrace, Dask, Ray, Spark, Polars and pandas with LightGBM.

One table (28 float32, 3 categories, 2 ids), three sizes of model, two cores: two worker processes
with one thread each, or two threads where there is one process. Each side has trained its own model
on one row group; both are kept. ``millrace-plain`` is the same job with plain processes in place of
Dask: the difference is what Dask costs. ``limit`` only decodes and predicts. Every contestant runs
in a fresh process; ``ray`` and ``spark`` with the Python that has them (``--python``).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import measure
import millrace_job
import pyarrow.parquet as pq
import report
from goals import Goal, ratio
from score_models import SIZES, Size
from score_peers import PEERS
from synthetic import CACHE, ROW_GROUP, Shape, table

CONTESTANTS = ("millrace", *PEERS)
OURS = ("millrace", "millrace-plain", "limit")
OTHERS = ("dask.dataframe", "lightgbm.dask", "ray")  # that the goals are held against
ELSEWHERE = {"ray": "ray", "spark": "pyspark"}  # run by the other Python, if it has the library
FASTER = {"500x63": 5.0, "100x31": 2.0}
HERE = Path(__file__).resolve().parent
WORKERS = 2
MEMORY = 2 * 2**30  # bytes of a millrace worker
Line = dict[str, object]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000])
    parser.add_argument("--peer-rows", type=int, help="most rows of contestants but our own")
    parser.add_argument("--categories", type=int, default=3, help="string columns beside floats")
    parser.add_argument("--models", nargs="+", choices=tuple(SIZES), default=tuple(SIZES))
    default = [name for name in CONTESTANTS if name not in ("plain", *ELSEWHERE)]
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=default)
    parser.add_argument("--python", default=sys.executable, help="that has ray or pyspark")
    parser.add_argument("--timeout", type=float, default=7_200, help="seconds per contestant")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    return parser.parse_args()


def present(options: argparse.Namespace) -> list[str]:
    """Return the contestants whose library is there; say which are left out."""
    found = []
    for name in options.contestants:
        look = f"import {ELSEWHERE.get(name, 'sys')}, lightgbm, pandas"
        command = [_python(name, options), "-P", "-c", look]  # this folder has a profile.py
        if subprocess.run(command, capture_output=True).returncode:
            print(f"{name}: left out, {ELSEWHERE[name]} is not installed for {options.python}")
        elif name == "spark" and shutil.which("java") is None:
            print("spark: left out, there is no Java")
        else:
            found.append(name)
    return found


def _python(name: str, options: argparse.Namespace) -> str:
    return str(options.python) if name in ELSEWHERE else sys.executable


def prepare(name: str, size: Size, shape: Shape, cache: Path) -> Path:
    """Return the folder of both sides' models of a size; train them first, unmeasured."""
    base = cache / f"score-models-{name}-c{shape.categories}"
    if (base / "settings.json").exists():
        return base
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    small = replace(shape, rows=ROW_GROUP, seed=7)
    data = table(small, cache)
    settings = {
        "table": str(data),
        "features": shape.names,
        "ids": ["id", "account"],
        "target": size.target,
        "params": size.params,
        "rounds": size.rounds,
        "workers": WORKERS,
        "model": str(base / "model.txt"),
    }
    path = base / "fit.json"
    path.write_text(json.dumps(settings))
    subprocess.run([sys.executable, str(HERE / "score_peers.py"), "fit", str(path)], check=True)
    job = millrace_job.write_training(
        base, data, small, size.params, size.rounds, WORKERS, MEMORY, size.target
    )
    done = millrace_job.run(job)
    if done.cost.returncode:
        sys.exit(f"millrace's model was not trained: {done.cost.ending}")
    (base / "settings.json").write_text(json.dumps(settings))
    return base


def run(name: str, options: argparse.Namespace, shape: Shape, models: Path) -> Line:
    """Run one contestant and return its line of the table."""
    folder = options.cache / "work" / "score" / f"{name}-{shape.rows}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "models").symlink_to(models / "models")
    data, output = table(shape, options.cache), folder / millrace_job.OUTPUT
    job = millrace_job.write_scoring(folder, data, WORKERS, MEMORY, ["account"])
    given = json.loads((models / "settings.json").read_text())
    own = {"table": str(data), "folder": str(folder), "output": str(output), "job": str(job)}
    settings = folder / "settings.json"
    settings.write_text(json.dumps(given | own))
    command = [_python(name, options), str(HERE / "score_peers.py"), name, str(settings)]
    threads = 1 if "dask" in name or name in OURS else WORKERS
    environ = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS"), str(threads))
    if name == "millrace":
        command, environ = millrace_job.command(job), millrace_job.environ()
    cost = measure.run(
        command, folder / "log.txt", timeout=options.timeout, folder=folder, environ=environ
    )
    (folder / "measured.json").write_text(json.dumps(asdict(cost)))
    return _line(name, folder, output, shape.rows, cost)


def _line(name: str, folder: Path, output: Path, rows: int, cost: measure.Measured) -> Line:
    marks_file = folder / "marks.json"
    marks = json.loads(marks_file.read_text()) if marks_file.exists() else {}
    marks |= millrace_job.seconds(folder) if name == "millrace" else {}
    scoring = marks.get("score")
    written = sum(pq.read_metadata(path).num_rows for path in output.rglob("*.parquet"))
    result: Line = {
        "contestant": name,
        "rows": rows,
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


def goals(model: str, results: Sequence[Line]) -> list[Goal]:
    """Return the goals of a model: against Dask and Ray, the limit, plain processes, fewer rows."""
    by_name: dict[str, list[Line]] = {}
    for line in results:
        if line["ended"] == "finished":
            by_name.setdefault(str(line["contestant"]), []).append(line)

    def last(name: str, figure: str) -> object:
        lines = by_name.get(name)
        return lines[-1][figure] if lines else None

    def theirs(figure: str) -> list[float]:
        found = [last(name, figure) for name in OTHERS]
        return [value for value in found if isinstance(value, float)]

    fastest, least = max(theirs("rows/s"), default=None), min(theirs("all PSS MB"), default=None)
    found = []
    if model in FASTER:
        what = f"{model}: rows/s, of the fastest of {', '.join(OTHERS)}"
        found.append(Goal(what, ratio(last("millrace", "rows/s"), fastest), FASTER[model], False))
    memory = ratio(last("millrace", "all PSS MB"), least)
    found.append(Goal(f"{model}: memory, of the smallest of these", memory, 0.25))
    share = ratio(last("millrace", "scoring rows/s"), last("limit", "scoring rows/s"))
    found.append(Goal(f"{model}: rows/s while scoring, of decode + predict", share, 0.8, False))
    cost = ratio(last("millrace", "scoring s"), last("millrace-plain", "scoring s"))
    found.append(Goal(f"{model}: time, of the same in plain processes", cost, 1.05))
    ours = by_name.get("millrace", [])
    if len(ours) > 1:
        flat = ratio(ours[-1]["all PSS MB"], ours[0]["all PSS MB"])
        what = f"{model}: memory with {ours[-1]['rows']:,} rows, of that with {ours[0]['rows']:,}"
        found.append(Goal(what, flat, 1.1))
    return found


def main() -> None:
    """Run the contestants one after the other and print the tables."""
    options = _options()
    names = present(options)
    for model in options.models:
        results = []
        for rows in options.rows:
            shape = Shape(rows, categories=options.categories, ids=2)
            table(shape, options.cache)
            models = prepare(model, SIZES[model], shape, options.cache)
            for name in names:
                if name in OURS or rows <= (options.peer_rows or rows):
                    results.append(run(name, options, shape, models))
        title = f"scoring with {model}, {len(shape.names)} features"
        out = options.out.with_stem(f"{options.out.stem}-{model}") if options.out else None
        columns = ("rows/s", "scoring rows/s", "CPU s", "all PSS MB")
        report.finish(title, results, columns, out, goals(model, results))


if __name__ == "__main__":
    main()
