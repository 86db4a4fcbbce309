"""Random ``kill -9`` while scoring: what is in the output, and what had to be computed again.

One output after the other is made of the same table. While a run is at work on it, a worker, the
driver, or all its processes are killed at a random moment; then the job is run again, until the
output is there. It must hold the bytes of a run that nobody disturbed: no row lost, doubled or
wrong. What was computed more than once must have been under way at a fault.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import millrace_job
import polars as pl
import psutil
from score import MEMORY, WORKERS, prepare
from score_models import SIZES
from synthetic import CACHE, Shape, table

sys.path.insert(0, str(millrace_job.REPOSITORY))

from engine.tasks.execute import AHEAD

KINDS = {"worker": 3, "driver": 1, "everything": 1}  # and how often each
EARLY = 0.2  # share of the faults at any moment of the run, start and commit included
COUNTED = Path(__file__).resolve().parent / "counted"
MODEL = "100x31"
LEAVE = 60.0  # seconds until a process whose driver was killed must be gone
LIMIT = 900.0  # seconds of a run


@dataclass
class Fault:
    """A kill: whom, and how many seconds after the run's start."""

    kind: str
    after: float


@dataclass
class Output:
    """One output and what happened until it was whole.

    Attributes:
        number: Which one.
        runs: Times that the job was run.
        faults: What hit it.
        again: Partitions that were begun more than once, counted as often.
        lost: Rows of the undisturbed output that are not there.
        doubled: Rows that are there more than once.
        wrong: Files whose bytes are not those of the undisturbed output.
        left: Processes that were still there long after their driver was killed.
        ended: Runs that ended with an error because a worker was killed, and were run again.
        error: Why a run failed to which nothing was done.
    """

    number: int
    runs: int = 0
    faults: list[Fault] = field(default_factory=list)
    again: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    left: int = 0
    ended: int = 0
    error: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing is wrong, and no more was computed again than was under way."""
        bound = AHEAD * WORKERS * len(self.faults)
        broken = self.lost or self.doubled or self.wrong or self.left or self.error
        return not broken and self.again <= bound


class Bench:
    """A table, a model, and folders in which outputs are made of them."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Make table and model if they are not there, and an undisturbed output."""
        self.shape = Shape(options.rows, categories=3, ids=2)
        self.data = table(self.shape, options.cache)
        self.models = prepare(MODEL, SIZES[MODEL], self.shape, options.cache)
        self.base = options.cache / "work" / "score-faults"
        shutil.rmtree(self.base, ignore_errors=True)
        self.folder("quiet")
        began = time.monotonic()
        process = self.start("quiet")
        if process.wait(LIMIT):
            sys.exit(f"the undisturbed run failed: {self.base / 'quiet' / 'log.txt'}")
        self.learn("quiet", time.monotonic() - began)
        self.expected = digests(self.base / "quiet" / millrace_job.OUTPUT)
        self.parts = len(self.expected) - 1  # _SUCCESS

    def learn(self, name: str, seconds: float) -> None:
        """Note how long a run takes: other work on the machine may have come or gone."""
        scoring = millrace_job.seconds(self.base / name).get("score", 0.0)
        self.seconds, self.before_scoring = seconds, max(0.0, seconds - scoring)

    def folder(self, name: str) -> Path:
        """Make the folder of an output."""
        folder = self.base / name
        folder.mkdir(parents=True)
        (folder / "models").symlink_to(self.models / "models")
        millrace_job.write_scoring(folder, self.data, WORKERS, MEMORY, ["account"])
        return folder

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start the job, in a process group of its own."""
        folder = self.base / name
        environ = millrace_job.environ()
        path = f"{COUNTED}{os.pathsep}{environ['PYTHONPATH']}"
        with (folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                millrace_job.command(folder / "score.toml"),
                cwd=folder,
                env={**os.environ, "PYTHONPATH": path, "BENCH_STARTED": str(folder / "started")},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return all processes below one."""
    with suppress(psutil.Error):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def strike(process: subprocess.Popen[bytes], kind: str, dice: random.Random) -> list[int]:
    """Kill; return the processes that were below the driver, if it is dead."""
    below = family(process)
    workers = [one for one in below if "spawn_main" in " ".join(_words(one))]
    if kind == "worker":
        if workers:
            _kill(dice.choice(workers))
        return []
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    if kind == "everything":
        for one in below:
            _kill(one)
    process.wait()
    return [one.pid for one in below]


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.kill()


def suffer(bench: Bench, number: int, faults: int, dice: random.Random) -> Output:
    """Make one output under at most so many faults."""
    result, name, orphans = Output(number), f"output-{number}", set[int]()
    folder, status = bench.folder(name), -1
    while status:
        result.runs += 1
        before = len(result.faults)
        status = endure(bench, name, result, faults, dice, orphans)
        if not status:
            break
        if len(result.faults) == before:
            result.error = f"exit {status}, see {folder / 'log.txt'}"
            break
        result.ended += status > 0  # such as a worker that died before the cluster was up
    judge(bench, result, folder)
    result.left = left(orphans)
    if result.good:
        shutil.rmtree(folder)
    return result


def endure(
    bench: Bench, name: str, result: Output, faults: int, dice: random.Random, orphans: set[int]
) -> int:
    """Run the job once, strike it until it has ended or had enough; return its exit status."""
    process, began = bench.start(name), time.monotonic()
    early = dice.random() < EARLY
    after = dice.uniform(0 if early else bench.before_scoring, bench.seconds)
    while len(result.faults) < faults:
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
        if process.poll() is not None:
            break
        (kind,) = dice.choices(tuple(KINDS), tuple(KINDS.values()))
        result.faults.append(Fault(kind, round(time.monotonic() - began, 2)))
        orphans.update(strike(process, kind, dice))
        after = dice.uniform(0, (bench.seconds - bench.before_scoring) / 3)
    status = process.wait(LIMIT)
    if not result.faults:
        bench.learn(name, time.monotonic() - began)
    return status


def judge(bench: Bench, result: Output, folder: Path) -> None:
    """Hold the output against the undisturbed one."""
    output = folder / millrace_job.OUTPUT
    found: Mapping[str, str] = digests(output) if output.is_dir() else {}
    different = {*found.items()} ^ {*bench.expected.items()}
    result.wrong = len({name for name, _ in different})
    if result.wrong:
        ids = pl.read_parquet(output / "*.parquet", columns=["id"])["id"] if found else pl.Series()
        result.lost = bench.shape.rows - ids.n_unique()
        result.doubled = ids.len() - ids.n_unique()
    started = folder / "started"
    begun = len(started.read_text().splitlines()) if started.exists() else 0
    result.again = begun - bench.parts


def left(pids: set[int]) -> int:
    """Wait for processes to end; return how many do not."""
    deadline = time.monotonic() + LEAVE
    while alive := [pid for pid in pids if _runs(pid)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return len(alive)


def _runs(pid: int) -> bool:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(
            process.cmdline()
        )
    return False


def main() -> None:
    """Make outputs until there were enough faults; end with exit code 1 if one is not good."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--each", type=int, default=12, help="most faults of one output")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, help="also write a line of JSON for each output")
    options = parser.parse_args()
    dice, bench = random.Random(options.seed), Bench(options)
    before = f"{bench.before_scoring:.1f} s of them before scoring"
    print(f"{bench.parts} partitions, {bench.seconds:.1f} s undisturbed, {before}", flush=True)
    results: list[Output] = []
    while (hit := sum(len(one.faults) for one in results)) < options.faults:
        most = dice.randint(1, min(options.each, options.faults - hit))
        result = suffer(bench, len(results), most, dice)
        results.append(result)
        kinds = ", ".join(f"{one.kind} at {one.after}" for one in result.faults)
        told = {k: v for k, v in asdict(result).items() if k != "faults" and v}
        print(f"{'good' if result.good else 'BROKEN'}: {told} ({kinds})", flush=True)
        if options.out:
            with options.out.open("a") as stream:
                stream.write(json.dumps(asdict(result)) + "\n")
    report(results, bench)


def report(results: list[Output], bench: Bench) -> None:
    """Print the sums, and end the process."""
    kinds = Counter(fault.kind for one in results for fault in one.faults)
    sums = {
        name: sum(int(getattr(one, name)) for one in results)
        for name in ("runs", "ended", "again", "lost", "doubled", "wrong", "left")
    }
    failed = sum(bool(one.error) for one in results)
    print(f"\n{kinds.total()} faults {dict(kinds)}, {len(results)} outputs of {bench.parts} parts")
    print(f"{sums}, failed runs {failed}")
    print(f"computed again for each fault: {sums['again'] / max(1, kinds.total()):.2f} parts")
    sys.exit(not all(one.good for one in results))


if __name__ == "__main__":
    main()
