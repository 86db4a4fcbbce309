"""Peak memory of the estimators against the plan, over the shapes of ``estimators_shapes.py``.

Each case is planned and run by ``millrace`` on one cluster of two workers that lives for all of
them, as clusters that people share do: its workers have loaded every library that an earlier case
needed, and their allocators keep what they keep. With ``--fresh`` each case has a cluster of its
own. Of each step the peak of a worker is told, as millrace reads it from the kernel, and of the
driver the peak of this process, which runs the jobs and the scheduler. Exits 1 when a peak is over
its projection.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import report  # noqa: E402
from estimators import PAGE, written  # noqa: E402
from estimators_shapes import CASES, Case, table  # noqa: E402
from goals import Goal, missed, ratio  # noqa: E402
from synthetic import CACHE  # noqa: E402

from cluster.session import connect  # noqa: E402
from cluster.spec import LocalCluster  # noqa: E402
from engine import process  # noqa: E402
from engine.errors import MillraceError  # noqa: E402
from jobs.api.job import Job  # noqa: E402

WORKERS = 2
MEMORY = 8 * 2**30  # bytes a worker may take: nothing is refused
MB = report.MB
STEPS = ("prepare", "train", "evaluate")
LEAST = 0.4  # of its projection that a training should take: a plan of far more refuses what fits

MARKS = "<!-- estimators' memory: begin -->", "<!-- estimators' memory: end -->"
"""Between these the table stands on the page."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ways", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--only", nargs="+", default=[], help="estimators: PCA, KMeans, ...")
    parser.add_argument("--fresh", action="store_true", help="a cluster of its own for each case")
    parser.add_argument("--scale", type=float, default=1.0, help="of all rows; 0.1 for a look")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    return parser.parse_args()


@contextmanager
def cluster(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the section ``[cluster]``: of workers of each job's own, or of some that live on."""
    own = {"kind": "local", "workers": WORKERS, "memory": MEMORY}
    if options.fresh:
        yield own
        return
    with connect(LocalCluster.model_validate(own)) as session:
        yield {"kind": "address", "address": session.client.scheduler.address}


def run(case: Case, section: Mapping[str, object], options: argparse.Namespace) -> dict[str, Any]:
    """Plan and run a case in this process; return its line of the table."""
    line: dict[str, Any] = {"estimator": case.estimator, "shape": str(case)}
    source = table(case, options.cache)
    with TemporaryDirectory(prefix="estimators-memory-") as folder:
        job = Job.of(
            {"name": "memory", "cluster": section, **case.sections(source)}, folder=Path(folder)
        )
        process.give_back()
        process.reset_peak()
        try:
            projected = job.plan().planned.plan.driver
            told = job.run(store=Path(folder) / "runs", progress=False)
        except MillraceError as error:
            return line | {"ended": f"failed: {error}"}
    found = line | _figures(told.memory)
    drove = process.peak()
    found |= {"driver MB": drove / MB, "driver planned": projected / MB}
    return found | ({"ended": "over in the driver"} if drove > projected else {})


def _figures(told: Mapping[str, Mapping[str, int | None]]) -> dict[str, Any]:
    """Return the figures of each step, given its projected and measured bytes."""
    found: dict[str, Any] = {}
    over: list[str] = []
    for name in STEPS:
        if name not in told:
            continue
        measured, projected = told[name]["measured"] or 0, told[name]["projected"] or 0
        found |= {f"{name} MB": measured / MB, f"{name} planned": projected / MB}
        found[f"{name} ratio"] = ratio(measured, projected)
        over += [name] if measured > projected else []
    return found | {"ended": f"over in {', '.join(over)}" if over else "under the plan"}


def markdown(results: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a Markdown table: measured of planned MB of each step, and the driver."""
    yield f"| estimator | shape | {' | '.join(f'{name}, MB' for name in STEPS)} | driver, MB |"
    yield "| --- | --- |" + " --- |" * (len(STEPS) + 1)
    for one in results:
        cells = [_cell(one, name) for name in (*STEPS, "driver")]
        yield f"| `{one['estimator']}` | {one['shape']} | {' | '.join(cells)} |"


def _cell(one: Mapping[str, Any], name: str) -> str:
    measured, planned = one.get(f"{name} MB"), one.get(f"{name} planned")
    if measured is None or planned is None:
        return "-" if str(one["ended"]).startswith(("over", "under")) else "failed"
    told = f"{measured:.0f} of {planned:.0f} ({measured / planned:.2f})"
    return f"**{told}**" if measured > planned else told


def goals(results: list[dict[str, Any]]) -> list[Goal]:
    """Return what is asked of these figures."""
    ratios = [r[f"{name} ratio"] for r in results for name in STEPS if r.get(f"{name} ratio")]
    trained = [r["train ratio"] for r in results if r.get("train ratio")]
    over = sum(str(r["ended"]).startswith("over") for r in results)
    ended = sum(not str(r["ended"]).startswith(("failed", "refused")) for r in results)
    return [
        Goal("highest measured peak, of its projection", max(ratios, default=None), 1),
        Goal("least measured peak of a training", min(trained, default=None), LEAST, at_most=False),
        Goal("cases with a step over its projection", over, 0),
        Goal("cases measured", ended, len(results), at_most=False),
    ]


def main() -> int:
    """Measure the cases one after the other and print the table; 1 when one is over."""
    options = _options()
    wanted = [
        replace(case, rows=int(case.rows * options.scale))
        for way in options.ways
        for case in CASES[way]
        if not options.only or case.estimator.partition(".")[2] in options.only
    ]
    results: list[dict[str, Any]] = []
    with cluster(options) as section:
        for case in wanted:
            results.append(run(case, section, options))
            print(report.show(results[-1:]).splitlines()[-1], flush=True)
    asked = goals(results)
    title = f"memory of estimators, {WORKERS} workers, {'fresh' if options.fresh else 'long-lived'}"
    report.finish_plain(title, results, options.out, asked)
    if options.write:
        PAGE.write_text(written(PAGE.read_text(), markdown(results), MARKS))
    return int(missed(asked))


if __name__ == "__main__":
    sys.exit(main())
