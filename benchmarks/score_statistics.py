"""What gathering statistics costs a scoring job: with and without, taking turns.

    python benchmarks/score_statistics.py [--rows 10000000] [--rounds 5]

The table and the model are those of ``benchmarks/score.py`` (28 float32, 3 categories, 2 ids; 100
trees of 31 leaves), two workers with one thread each. Each round runs both, in turns first; what
counts is the median over the rounds of the seconds between the start of the step and its commit.
CPU seconds are those of all processes of the job, start included. On a machine that does other
things as well only the CPU seconds mean something.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from pathlib import Path

import millrace_job
import report
from goals import Goal, ratio
from score import MEMORY, WORKERS, Line, prepare
from score_models import SIZES
from synthetic import CACHE, Shape, table

WAYS = ("with", "without")
BOUND = 1.05


def run(way: str, shape: Shape, models: Path, cache: Path) -> Line:
    """Score the table once and return the line of the run."""
    folder = cache / "work" / "score-statistics" / way
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "models").symlink_to(models / "models")
    job = millrace_job.write_scoring(folder, table(shape, cache), WORKERS, MEMORY, ["account"])
    if way == "without":
        job.write_text(job.read_text() + "statistics = false\n")
    done = millrace_job.run(job)
    found = list(folder.glob("*.millrace/runs/*/statistics.json"))
    line: Line = {
        "statistics": way,
        "scoring s": millrace_job.seconds(folder).get("score"),
        "CPU s": done.cost.cpu,
        "file KB": found[0].stat().st_size / 1e3 if found else None,
        "ended": done.cost.ending,
    }
    print(report.show([line]), flush=True)
    shutil.rmtree(folder)
    return line


def goals(lines: list[Line]) -> list[Goal]:
    """Return the goals: medians with statistics, of those without."""
    found = []
    for figure, what in (("scoring s", "time of scoring"), ("CPU s", "CPU time of the job")):
        medians = []
        for way in WAYS:
            own = (line[figure] for line in lines if line["statistics"] == way)
            values = [float(value) for value in own if isinstance(value, int | float)]
            medians.append(statistics.median(values) if values else None)
        found.append(Goal(f"{what} with statistics, of that without", ratio(*medians), BOUND))
    return found


def main() -> None:
    """Run both ways in turns and print the lines, the medians and the goals."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", choices=tuple(SIZES), default="100x31")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write the results as JSON")
    options = parser.parse_args()
    shape = Shape(options.rows, categories=3, ids=2)
    table(shape, options.cache)
    models = prepare(options.model, SIZES[options.model], shape, options.cache)
    lines = []
    for number in range(options.rounds):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            lines.append(run(way, shape, models, options.cache))
    title = f"statistics while scoring {options.rows:,} rows with {options.model}"
    report.finish_plain(title, lines, options.out, goals(lines))


if __name__ == "__main__":
    main()
