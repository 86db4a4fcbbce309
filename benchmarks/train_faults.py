"""Random faults while training: what every run ends with, and what it has lost.

Each run trains a small model on a local cluster and suffers one fault at a random moment. It must
end with a model, or with an error and a checkpoint that the next run goes on from, within five
minutes; no Dask worker may die that was not killed on purpose.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from distributed import Client

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from fault_rows import FaultRows  # noqa: E402

from cluster.resources import Resources  # noqa: E402
from cluster.session import connect  # noqa: E402
from cluster.spec import LocalCluster  # noqa: E402
from engine.boosting import Conduct, Fitted, Learning, RoundEvent, Timeouts, fit  # noqa: E402
from engine.boosting.checkpoint import read  # noqa: E402
from engine.errors import MillraceError, TrainingFailed  # noqa: E402
from engine.place.kept import Kept  # noqa: E402

KINDS = ("kill rank", "abort rank", "stop rank", "kill worker", "stop worker", "never joins")
TIMEOUTS = {
    "fast": Timeouts(beat=0.5, silence=8, frozen=5, answer=15, leave=4),
    "default": Timeouts(),
}
MEMORY = 1 << 30
INTERVAL, ROUNDS = 5, 60
LIMIT = 300.0
RANK = "engine.boosting.rank.process"


@dataclass
class Run:
    """One training and its fault.

    Attributes:
        kind: Of the fault.
        at: Round after which it happens; 0 = while ranks start and load.
        restarts: How many are allowed.
        hit: Whether the fault happened before training had ended.
        ended: ``trained``, ``failed`` (with a checkpoint, or before the first), or what went wrong.
        resumed: Whether a failed run was gone on with to the model; None = it had not failed.
        lost: Rounds that were told and had to be boosted again.
        seconds: From the fault to the end.
        restarted: How often it was.
        deaths: Dask workers that died without our doing.
        auc: Of the last round.
        digest: SHA-256 of the model.
        error: What was raised.
        reasons: Why it was restarted.
    """

    kind: str
    at: int
    restarts: int
    hit: bool = False
    ended: str = ""
    resumed: bool | None = None
    lost: int = 0
    seconds: float = 0.0
    restarted: int = 0
    deaths: int = 0
    auc: float = 0.0
    digest: str = ""
    error: str = ""
    reasons: list[str] = field(default_factory=list)


def ranks() -> list[psutil.Process]:
    """Return the ranks' processes below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if RANK in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@dataclass
class Fault:
    """Makes one thing go wrong, in a thread of its own.

    Attributes:
        run: Which fault, and when.
        dice: Chooses whom.
        due: Set when its moment has come.
        moment: When it happened.
        victims: Dask workers that were killed on purpose.
    """

    run: Run
    dice: random.Random
    due: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    moment: float = 0.0
    victims: set[int] = field(default_factory=set)

    def strike(self) -> None:
        """Wait for the moment, then do it."""
        if self.run.kind == "never joins":  # the source does it
            return self._struck()
        if not self.run.at and self.run.kind in KINDS:
            self._wait_for_ranks()
        while not self.due.wait(0.2):
            if self.over.is_set():
                return
        there = ranks()
        if there:
            self._struck()
            with suppress(psutil.Error):
                self._do(self.dice.choice(there))

    def _struck(self) -> None:
        self.run.hit, self.moment = True, time.monotonic()

    def _wait_for_ranks(self) -> None:
        while not ranks() and not self.over.is_set():
            time.sleep(0.05)
        time.sleep(self.dice.uniform(0, 2.0))
        self.due.set()

    def _do(self, rank: psutil.Process) -> None:
        match self.run.kind:
            case "kill rank":
                rank.send_signal(signal.SIGKILL)
            case "abort rank":
                rank.send_signal(signal.SIGABRT)
            case "stop rank":
                rank.send_signal(signal.SIGSTOP)
            case "kill worker":
                self.victims.add(rank.ppid())
                os.kill(rank.ppid(), signal.SIGKILL)
            case "stop worker":
                worker, seconds = rank.ppid(), self.dice.uniform(0.5, 12.0)
                os.kill(worker, signal.SIGSTOP)
                self.over.wait(seconds)
                os.kill(worker, signal.SIGCONT)


class Ear:
    """Hears the events of a training."""

    def __init__(self, run: Run, fault: Fault) -> None:
        """Nothing was heard yet."""
        self.run, self.fault, self.round = run, fault, 0

    def __call__(self, event: RoundEvent) -> None:
        """Note what matters."""
        if event.kind == "round":
            self.round = event.round
            if self.run.at and self.round >= self.run.at:
                self.fault.due.set()
        elif event.kind == "restart":
            self.run.restarted += 1
            self.run.reasons.append(event.reason)
            self.run.lost = max(self.run.lost, self.round - event.round)
            self.round = event.round


def trained(client: Client, ear: Ear, options: argparse.Namespace, file: Path) -> Fitted:
    """Train once."""
    late = file.with_name("late") if ear.run.kind == "never joins" else None
    source, began = FaultRows(late), time.monotonic()
    parts = source.parts(2 * options.workers)
    conduct = Conduct(
        memory=MEMORY,
        checkpoint=Kept.of(file),
        checkpoint_every=INTERVAL,
        restarts=ear.run.restarts,
        timeouts=TIMEOUTS[options.timeouts],
    )
    return fit(
        client,
        Resources(options.workers, 1, MEMORY),
        source,
        parts,
        source.sample(len(parts)),
        Learning("binary", {"num_leaves": 15}, rounds=ROUNDS, metric="auc", seed=1),
        conduct,
        progress=ear,
        cancel=lambda: time.monotonic() - began > LIMIT + 60,
    )


def suffer(client: Client, run: Run, dice: random.Random, options: argparse.Namespace) -> Run:
    """Train, let the fault happen, and note how it ended."""
    client.wait_for_workers(options.workers, timeout=60)
    before = set(client.run(os.getpid).values())
    fault = Fault(run, dice)
    thread = threading.Thread(target=fault.strike, daemon=True)
    with tempfile.TemporaryDirectory(prefix="millrace-faults-") as folder:
        thread.start()
        began = time.monotonic()
        file = Path(folder) / "checkpoint.txt"
        ended = _trained_or_failed(client, Ear(run, fault), options, file)
        fault.over.set()
        thread.join()
        run.seconds = ended - (fault.moment or began)
        if run.ended == "failed":
            _go_on(client, run, options, file)
    client.wait_for_workers(options.workers, timeout=60)
    gone = before - set(client.run(os.getpid).values())
    run.deaths = len(gone - fault.victims)
    for process in ranks():
        process.kill()
        run.ended = "processes left"
    return run


def _trained_or_failed(client: Client, ear: Ear, options: argparse.Namespace, file: Path) -> float:
    """Train, note how it ended, and return when."""
    run = ear.run
    try:
        _judge(run, trained(client, ear, options, file))
        return time.monotonic()
    except TrainingFailed as error:
        run.ended, run.error = "failed", str(error)
    except MillraceError as error:
        run.ended, run.error = "stuck", str(error)
    ended = time.monotonic()
    kept = read(file).round if file.exists() else 0
    run.lost = max(run.lost, ear.round - kept)
    if f"round {kept} is kept" not in run.error and (kept or "begins anew" not in run.error):
        run.ended = "wrong words"
    return ended


def _judge(run: Run, found: Fitted) -> None:
    whole = found.rounds == len(found.history) == found.model.count("\nTree=") == ROUNDS
    run.ended, run.auc = ("trained" if whole else "wrong"), found.history[-1]["valid_auc"]
    run.digest = hashlib.sha256(found.model.encode()).hexdigest()


def _go_on(client: Client, run: Run, options: argparse.Namespace, file: Path) -> None:
    """Do what the user would do after a failure: run it again."""
    again = Run("none", 0, 0)
    _judge(again, trained(client, Ear(again, Fault(again, random.Random(0))), options, file))
    run.resumed, run.auc, run.digest = again.ended == "trained", again.auc, again.digest


def draw(dice: random.Random, kinds: Sequence[str]) -> Run:
    """Return a random fault; one run in six may not restart."""
    at = 0 if dice.random() < 0.25 else dice.randrange(1, ROUNDS - 5)
    return Run(dice.choice(list(kinds)), at, 0 if dice.random() < 1 / 6 else 3)


def table(runs: Sequence[Run]) -> str:
    """Return the figures, a line for each kind."""
    head = "| fault | runs | hit | trained | failed, resumed | other | restarts | lost | slowest |"
    lines = [head, "|" + "---|" * 9]
    for kind in (*sorted({run.kind for run in runs}), "all"):
        some = [run for run in runs if kind in ("all", run.kind)]
        trained = sum(run.ended == "trained" for run in some)
        resumed = sum(run.ended == "failed" and run.resumed is True for run in some)
        figures = [
            len(some),
            sum(run.hit for run in some),
            trained,
            resumed,
            len(some) - trained - resumed,
            sum(run.restarted for run in some),
            max(run.lost for run in some),
            f"{max(run.seconds for run in some):.1f} s",
        ]
        lines.append(f"| {kind} | " + " | ".join(map(str, figures)) + " |")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--timeouts", choices=TIMEOUTS, default="fast")
    parser.add_argument("--out", type=Path, help="also write every run as JSON lines")
    return parser.parse_args()


def main() -> int:
    """Run them all; exit status 1 when one did not end as it must."""
    options, runs = _options(), []
    dice = random.Random(options.seed)
    with connect(LocalCluster(workers=options.workers, memory=MEMORY)) as session:
        calm = Run("none", 0, 0)
        suffer(session.client, calm, dice, options)
        for number in range(options.faults):
            began = time.monotonic()
            run = suffer(session.client, draw(dice, options.kinds), dice, options)
            runs.append(run)
            took = time.monotonic() - began
            print(f"{number + 1:4d} {took:5.1f} s {asdict(run)}", file=sys.stderr, flush=True)
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps(asdict(run)) + "\n")
    print(table(runs))
    deaths = sum(run.deaths for run in runs)
    print(f"\nDask workers dead that were not killed on purpose: {deaths}")
    print(
        f"least AUC: {min(run.auc for run in runs):.4f}, most: {max(run.auc for run in runs):.4f}"
    )
    bad = [r for r in runs if r.ended not in ("trained", "failed") or r.resumed is False]
    slow = [run for run in runs if run.seconds > LIMIT]
    far = [run for run in runs if run.lost > INTERVAL]
    print(
        f"not as it must be: {len(bad)}; over {LIMIT:.0f} s: {len(slow)}; lost too much: {len(far)}"
    )
    return int(bool(bad or slow or far or deaths))


if __name__ == "__main__":
    sys.exit(main())
