"""A job that is driven by processes of its own, which a test kills at known points."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from engine.commit import Manifest
from jobs.runs.events import Event
from jobs.runs.folder import Run
from jobs.runs.state import State
from jobs.runs.store import Store
from tests.jobs.input_jobs import table

ROOT = Path(__file__).parents[3]
PACED = Path(__file__).parent / "paced"
ROWS, FILES, ROUNDS = 300, 12, 40
WAIT_SECONDS = 150.0

LOCAL = """
kind = "local"
workers = 2
memory = "900 MiB"
"""

_JOB = """
name = "{name}"
[cluster]
{cluster}
[data.table]
path = "data"
key = ["id"]
[features]
columns = ["x", "n", "kind"]
steps = [{{ encode = ["kind"], with = "category" }}]
[train]
data = "table"
target = "label"
task = "binary"
split = {{ by = "random", valid = 0.2, test = 0.1 }}
params = {{ n_estimators = {rounds}, num_leaves = 7, min_data_in_leaf = 5 }}
model = "models/m"
[score]
data = "table"
model = "models/m@latest"
output = "out"
"""


def until(found: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Return what a call finds at last."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
    return value


@dataclass
class Driven:
    """A job in a folder of its own, and the commands that a user would give there."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def write(cls, folder: Path, cluster: str = LOCAL, name: str = "driven") -> Driven:
        """Write the data and the job."""
        (folder / "data").mkdir(parents=True)
        for number in range(FILES):
            table(ROWS, number * ROWS).write_parquet(folder / f"data/{number:02}.parquet")
        (folder / "job.toml").write_text(_JOB.format(name=name, cluster=cluster, rounds=ROUNDS))
        pace = folder / "pace"
        pace.mkdir()
        (pace / "staged").touch()
        found = cls(folder)
        found.score(3)
        return found

    @property
    def environment(self) -> dict[str, str]:
        paths = os.pathsep.join([str(PACED), str(ROOT)])
        own = {"PYTHONPATH": paths, "MILLRACE_PACE": str(self.folder / "pace")}
        return {**os.environ, **own, **self.variables}

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Start a command of millrace."""
        command = [sys.executable, "-m", "jobs.cli", *words]
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **pipe)  # type: ignore[call-overload, no-any-return]

    def millrace(self, *words: str, code: int = 0) -> str:
        """Give a command that ends with this code, and return what it tells."""
        process = self.start(*words)
        out, err = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == code, (words, process.returncode, out, err)
        assert "Traceback" not in out + err, (words, out, err)
        return out + err

    def submit(self, *words: str) -> Run:
        """Submit the job, and return its run."""
        told = self.millrace("submit", "job.toml", "--json", *words)
        return self.store.find(json.loads(told[: told.rindex("}") + 1])["run"])

    @property
    def store(self) -> Store:
        return Store.at(self.folder / ".millrace/runs")

    def train(self) -> None:
        """Let training go on fast."""
        (self.folder / "pace/train").touch()

    def score(self, parts: int = FILES) -> None:
        """Let parts below a number be staged."""
        (self.folder / "pace/new").write_text(str(parts))
        (self.folder / "pace/new").rename(self.folder / "pace/free")

    def parts(self) -> set[int]:
        """Return the parts that are done."""
        found = self.folder.glob("out.millrace/runs/*/parts/*.json")
        return {int(path.stem) for path in found}

    def computed(self) -> Counter[int]:
        """Return how often each part was computed."""
        return Counter(map(int, (self.folder / "pace/staged").read_text().split()))

    def undisturbed(self) -> dict[str, bytes]:
        """Score the same data with the same model in one go, and return the files."""
        folder = self.folder.with_name("undisturbed")
        again = Driven.write(folder, 'kind = "local"\nworkers = 1\nmemory = "900 MiB"')
        shutil.copytree(self.folder / "models", folder / "models")
        again.score()
        again.millrace("run", "job.toml", "--only", "score")
        return again.predictions()

    def predictions(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.folder / "out").iterdir())}

    def assert_each_row_once(self) -> None:
        """Count every row of the output, and of its ledger."""
        scored = pl.read_parquet(self.folder / "out/*.parquet")
        assert sorted(scored["id"]) == list(range(ROWS * FILES))
        (manifest,) = self.folder.glob("out.millrace/runs/*/commit.json")
        told = Manifest.model_validate_json(manifest.read_bytes())
        assert told.rows_in == told.scored == ROWS * FILES

    def processes(self) -> list[psutil.Process]:
        """Return all processes of this job that live: drivers, workers, ranks."""
        mark, found = str(self.folder / "pace"), []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                own = process.environ().get("MILLRACE_PACE") == mark
                if own and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


@contextmanager
def ended(*all_driven: Driven) -> Iterator[None]:
    """End what a test has left, also when it fails."""
    try:
        yield
    finally:
        for driven in all_driven:
            for process in driven.processes():
                with suppress(psutil.Error):
                    process.kill()


def driver(run: Run) -> int:
    """Return the process id of the driver."""
    return run.log.last().driver.pid


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


def stands(run: Run, *states: State) -> State:
    """Wait for a state."""
    found: State = until(lambda: (now := run.state()) in states and now, f"{states}: {story(run)}")
    return found


def story(run: Run) -> list[tuple[str, str]]:
    return [(str(entry.state), entry.message) for entry in run.log.entries()]


def events(run: Run, name: str) -> list[Event]:
    return [event for event in run.told() if event.name == name]
