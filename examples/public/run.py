"""Run the job files beside and compare with the published baselines: `python run.py [SET ...]`.

``MILLRACE_DATA`` is the folder of the data, with ``baselines.json``. All is done in a temporary
folder. Exit code 1 when a baseline is not reached, or a job fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SETS = tuple(sorted(path.stem for path in HERE.glob("*.toml")))
"""Each job file is called as its baseline in ``baselines.json``."""


@dataclass(frozen=True)
class Outcome:
    """What a job reached, beside the published figure.

    Attributes:
        name: The set.
        metric: As millrace calls it.
        baseline: The published value, to the digits of `baselines.json`.
        reached: The job's value, rounded to five digits as the published ones are.
    """

    name: str
    metric: str
    baseline: float
    reached: float

    @property
    def good(self) -> bool:
        """Whether the baseline is reached or beaten."""
        if self.metric in ("rmse", "log_loss", "inertia"):
            return self.reached <= self.baseline
        return self.reached >= self.baseline

    def __str__(self) -> str:
        """A line of the table."""
        verdict = "reached" if self.good else "NOT reached"
        return f"{self.name:22} {self.metric:9} {self.baseline:>12} {self.reached:>12}  {verdict}"


def prepare(folder: Path) -> None:
    """Put the job files and the tables that they need into a folder.

    Raises:
        subprocess.CalledProcessError: The data cannot be shaped.
    """
    for name in SETS:
        shutil.copy(HERE / f"{name}.toml", folder)
    subprocess.run([sys.executable, HERE / "shape.py", folder / "shaped"], check=True)


def run(name: str, folder: Path) -> Outcome:
    """Run a job file that lies in a folder.

    Raises:
        subprocess.CalledProcessError: The job has failed; what it said stands on stderr.
    """
    command = [sys.executable, "-m", "jobs.cli", "run", f"{name}.toml", "--json"]
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return compared(name, json.loads(ended.stdout)["metrics"], published()[name])


def published() -> dict[str, dict[str, Any]]:
    """Return the published baselines, by set."""
    found: dict[str, dict[str, Any]] = json.loads(
        (Path(os.environ["MILLRACE_DATA"]) / "baselines.json").read_text(encoding="utf-8")
    )
    return found


def compared(name: str, metrics: dict[str, Any], baseline: dict[str, Any]) -> Outcome:
    """Put a job's metrics beside a published baseline.

    Args:
        name: The set.
        metrics: By part; those of the test rows count, of a clustering those of all rows.
        baseline: The set's entry of ``baselines.json``.

    Raises:
        ValueError: The rows are not those that the baseline was measured on.
    """
    words = {"AUC": "auc", "RMSE": "rmse", "multi_logloss": "log_loss", "NDCG@10": "ndcg@10"}
    metric = words.get(baseline["metric"], "inertia")
    part = "train" if metric == "inertia" else "test"
    rows, expected = metrics[part]["rows"], baseline[f"rows_{part}"]
    if rows != expected:
        raise ValueError(f"{name}: {rows:,} {part} rows, the baseline has {expected:,}")
    return Outcome(name, metric, baseline["value"], round(metrics[part][metric], 5))


def main(names: list[str]) -> int:
    """Run some sets, all when none is named; return the exit code."""
    if unknown := set(names) - set(SETS):
        print(f"no such set: {', '.join(sorted(unknown))}; there are {', '.join(SETS)}")
        return 2
    good = True
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name in names or SETS:
            outcome = run(name, Path(folder))
            print(outcome, flush=True)
            good = good and outcome.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
