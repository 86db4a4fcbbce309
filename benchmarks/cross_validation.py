"""Cross-validation of LightGBM on bins that all folds share, beside bins of each fold.

Both run the same job, each in a process of its own; CPU seconds are those of the driver and of all
its workers and ranks together. The metrics of the folds must be the same bits.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from synthetic import CACHE, Shape, table

JOB = """
name = "crossed"

[cluster]
workers = {workers}
memory = "{memory}"

[data.rows]
path = "{table}/*.parquet"

[features]
drop = ["id"]
steps = [{{ impute = ["f*"], with = "median" }}, {{ scale = ["f*"], with = "standard" }}]

[train]
data = "rows"
target = "label"
task = "binary"
params = {{ n_estimators = {rounds}, num_leaves = 31 }}
model = "m"
cross_validate = {{ count = {folds} }}
"""


def main() -> int:
    """Measure both ways and print what they took."""
    options = _options()
    found = {}
    for way in ("each fold", "shared"):
        print(f"bins of {way} ...", file=sys.stderr)
        found[way] = _measured(options, way == "shared")
    before, after = found["each fold"], found["shared"]
    ratios = {name: before[name] / after[name] for name in ("cpu", "seconds")}
    same = before["folds"] == after["folds"]
    for way, one in found.items():
        print(f"{way:>10}: {one['cpu']:7.1f} CPU s {one['seconds']:7.1f} s")
    print(f"    ratios: {ratios['cpu']:.2f} CPU, {ratios['seconds']:.2f} time; same bits: {same}")
    return 0 if same else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="1536 MiB", help="of a worker")
    return parser.parse_args()


def _measured(options: argparse.Namespace, shared: bool) -> dict[str, Any]:
    told = {**vars(options), "table": table(Shape(options.rows), CACHE)}
    with tempfile.TemporaryDirectory(prefix="millrace-crossed-") as folder:
        job, out = Path(folder) / "job.toml", Path(folder) / "out.json"
        job.write_text(JOB.format(**told))
        child = multiprocessing.get_context("spawn").Process(target=_run, args=(job, out, shared))
        before, start = _cpu(), time.perf_counter()
        child.start()
        child.join()
        if child.exitcode:
            raise SystemExit("the job failed")
        seconds = time.perf_counter() - start
        return {"cpu": _cpu() - before, "seconds": seconds, "folds": json.loads(out.read_text())}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(job: Path, out: Path, shared: bool) -> None:
    from engine.bundle import load
    from jobs.run import run_job
    from jobs.runs.events import Together
    from jobs.spec.jobfile import load_job
    from jobs.work.training import Training

    os.chdir(job.parent)
    if not shared:
        Training.own_bins = property(lambda _: "to compare")  # type: ignore[assignment]
    result = run_job(load_job(job), job.parent / "runs", Together([]))
    assert result.model is not None
    out.write_text(json.dumps(load(result.model).metrics["cross_validation"]))


if __name__ == "__main__":
    sys.exit(main())
