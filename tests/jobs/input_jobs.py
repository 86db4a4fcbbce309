"""Small jobs over whatever lies in a folder: one table, one model, one section."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cluster.session import connect
from cluster.spec import LocalCluster
from engine.commit import Manifest
from engine.errors import MillraceError
from engine.rejected.quarantine import HEAD
from jobs.planning.plan import Planned, plan_job
from jobs.run import run_job
from jobs.runs.events import Reporter, Together
from jobs.runs.result import Result
from jobs.sections import sessions
from jobs.spec.jobfile import load_job

_JOB = """
name = "inputs"
[cluster]
workers = 1
memory = "{memory}"
[data.table]
path = "{path}"
key = ["id"]
{data}
"""

_SECTIONS = {
    "train": """
[features]
columns = ["x", "n", "kind"]
steps = [{ encode = ["kind"], with = "category" }]
[train]
data = "table"
target = "label"
task = "binary"
split = { by = "random", valid = 0.2, test = 0.1 }
params = { n_estimators = 4, num_leaves = 7, min_data_in_leaf = 5 }
model = "models/m"
""",
    "profile": """
[profile]
data = "table"
output = "profile"
""",
    "score": """
[score]
data = "table"
model = "models/m@latest"
output = "out"
""",
}


def table(rows: int, first: int = 0) -> pl.DataFrame:
    """Return rows whose label follows ``x`` and ``kind``; ``id`` counts from ``first``."""
    draw = np.random.default_rng(first + rows)
    x, kind = draw.normal(size=rows), draw.choice(["a", "b", "c"], rows)
    label = (x + (kind == "b") + draw.normal(size=rows) * 0.3 > 0.3).astype(np.int8)
    columns = {"id": np.arange(first, first + rows), "x": x, "n": draw.integers(0, 50, rows)}
    return pl.DataFrame({**columns, "kind": kind, "label": label})


def files(folder: Path, *frames: pl.DataFrame) -> None:
    """Write Parquet files 0, 1, ... into ``data`` below a folder."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        frame.write_parquet(folder / f"data/{number}.parquet")


def write_job(
    folder: Path,
    *sections: str,
    path: str = "data",
    data: str = "",
    more: str = "",
    memory: str = "1 GiB",
    model: Path | None = None,
) -> Path:
    """Write a job file.

    Args:
        folder: Its folder; made when it is not there.
        *sections: Of ``train``, ``profile`` and ``score``.
        path: Location of the table.
        data: More of ``[data.table]``.
        more: More of the last section.
        memory: Of the worker, for the plan.
        model: Folder of the versions of a trained model, copied to where ``[score]`` looks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if model is not None:
        shutil.copytree(model, folder / "models/m", dirs_exist_ok=True)
    head = _JOB.format(path=path, data=data, memory=memory)
    job = folder / "job.toml"
    job.write_text(head + "".join(_SECTIONS[name] for name in sections) + more, encoding="utf-8")
    return job


class Heard:
    """A reporter that keeps warnings, and does something when a step begins."""

    def __init__(self, step: str = "", act: Callable[[], object] = lambda: None) -> None:
        self.warnings: list[str] = []
        self._step, self._act = step, act

    def step_started(
        self, name: str, rows: int | None = None, note: str = "", bound: int | None = None
    ) -> None:
        if name == self._step:
            self._act()

    def progress(self, *_: Any, **__: Any) -> None: ...

    def round(self, *_: Any, **__: Any) -> None: ...

    def step_done(self, result: Mapping[str, Any]) -> None: ...

    def skipped(self, name: str, why: str) -> None: ...

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def run(job: Path, reporter: Reporter | None = None) -> Result:
    return run_job(load_job(job), job.parent / "runs", reporter or Together([]))


def plan(job: Path) -> Planned:
    return plan_job(load_job(job))


def refused(
    job: Path, kind: type[MillraceError], *told: str, reporter: Reporter | None = None
) -> MillraceError:
    """Run a job that must end in exactly this error, with these texts in it, and commit nothing."""
    with pytest.raises(kind) as caught:
        run(job, reporter)
    assert type(caught.value) is kind
    for text in told:
        assert text in str(caught.value)
    left = {path.name for path in job.parent.iterdir()} & {"out", "out.quarantine", "profile"}
    assert not left
    return caught.value


def refused_by_plan(job: Path, kind: type[MillraceError], *told: str) -> MillraceError:
    """The same, for what must be found before anything is started or written."""
    error = refused(job, kind, *told)
    assert not (job.parent / "runs").exists()
    return error


def scored(job: Path) -> pl.DataFrame:
    return pl.read_parquet(job.parent / "out")


def set_aside(job: Path) -> pl.DataFrame:
    """Return the quarantine; each row says where it stands and why, and the ledger knows it."""
    found = pl.concat(
        [pl.read_parquet(path) for path in sorted(_quarantine(job))], how="diagonal_relaxed"
    )
    assert found.columns[: len(HEAD)] == list(HEAD)
    assert (
        found.select("file", "place", "row", "rule", "reason").null_count().sum_horizontal()[0] == 0
    )
    return found


def _quarantine(job: Path) -> list[Path]:
    beside = list(job.parent.glob("out.quarantine/*.parquet"))
    return beside or list(job.parent.glob("runs/*/quarantine/*/*.parquet"))


def ledger(job: Path) -> dict[str, tuple[int, int, int, int]]:
    """Return rows read, scored, quarantined and filtered, by file name; they balance."""
    (record,) = job.parent.glob("out.millrace/runs/*/commit.json")
    found = Manifest.model_validate_json(record.read_bytes()).inputs
    assert all(rows == good + bad + left for rows, good, bad, left in found.values())
    rejected = Counter(
        path for job_path in _quarantine(job) for path in pl.read_parquet(job_path)["file"]
    )
    assert {path: counts[2] for path, counts in found.items() if counts[2]} == dict(rejected)
    assert scored(job).height == sum(counts[1] for counts in found.values())
    return {Path(path).name: counts for path, counts in found.items()}


def profiled(job: Path) -> dict[str, Any]:
    """Return ``profile.json``; its ledger balances."""
    found: dict[str, Any] = json.loads((job.parent / "profile/profile.json").read_text())
    counts = found["ledger"]
    assert counts["rows"] == counts["good"] + counts["quarantined"] + counts["filtered"]
    return found


@contextmanager
def one_cluster() -> Iterator[None]:
    """Run all jobs inside on one worker that is started once, and not once a job."""
    with (
        connect(LocalCluster(workers=1, memory="1 GiB")) as session,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sessions, "connect", lambda _, **__: nullcontext(session))
        yield


def trained(folder: Path) -> Path:
    """Return the folder of a model of `table`, trained in this folder."""
    files(folder, table(600))
    run(write_job(folder, "train"))
    return folder / "models/m"
