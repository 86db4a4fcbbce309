"""Estimators of the catalogue, trained by job files, and by scikit-learn or LightGBM in memory.

A case is a real set, what the job file says, and what the same estimator does in memory with the
features that the job has made. `LISTS` names the files beside this one that hold lists of them::

    python benchmarks/estimators.py [--only NAME ...] [--write]

prints the table, with ``--write`` puts it into docs/benchmarks.md, and fails where a metric is
further off than its tolerance. All jobs run on one cluster of two workers on this machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import polars as pl

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from cluster.session import connect  # noqa: E402
from cluster.spec import LocalCluster  # noqa: E402
from engine.bundle import Bundle, load  # noqa: E402
from engine.training.preparing import matrix  # noqa: E402
from jobs.api.job import Job  # noqa: E402

PART, TRAIN, VALID, TEST = "part", "train", "valid", "test"
"""Column of a set that says which rows are held out; ``valid`` and ``test`` rows are."""

WORKERS = {"kind": "local", "workers": 2, "memory": "2 GiB"}

PAGE = HERE.parent / "docs" / "benchmarks.md"
LISTS = ("estimators_lightgbm", "estimators_passes", "estimators_sklearn")

BEGIN, END = "<!-- estimators: begin -->", "<!-- estimators: end -->"
"""Between these the table stands on the page."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Rows as an estimator in memory gets them.

    Attributes:
        x: Features as the job has made them, shape (n, features).
        y: Labels; zeros where a case has none.
        frame: The rows of the set.
        categories: Positions of the features that are codes of categories.
    """

    x: Matrix
    y: npt.NDArray[Any]
    frame: pl.DataFrame
    categories: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """An estimator on a set.

    Attributes:
        estimator: As the job file names it.
        data: Name of the set.
        rows: Returns the set, with the column `PART`, from the folder of the real records.
        metric: Name of the metric; one that the report of a run tells, or see ``told``.
        memory: Fits the same estimator in memory on the rows that are not held out for the test,
            and returns its metric; the second argument are the test rows.
        tolerance: How far the metric may be off, as a share of it.
        why: Why it is not 0: where the two trainings differ.
        train: What ``[train]`` says beside data, estimator, split and model.
        features: The section ``[features]``.
        told: Takes the metric from the bundle, given the same rows; None: the report of the run
            tells it of the test rows.
        label: The column of labels where the job has no target: what is learned is held against it.
        note: Added to the estimator's name in the table.
    """

    estimator: str
    data: str
    rows: Callable[[Path], pl.DataFrame]
    metric: str
    memory: Callable[[Rows, Rows], float]
    tolerance: float
    why: str
    train: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    told: Callable[[Bundle, Rows, Rows], float] | None = None
    label: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a case: the metric out of core and in memory."""

    case: Case
    out_of_core: float
    in_memory: float

    @property
    def off(self) -> float:
        """How far the metric out of core is from the one in memory, as a share of it."""
        return abs(self.out_of_core - self.in_memory) / abs(self.in_memory)

    @property
    def holds(self) -> bool:
        """Whether that is within the tolerance."""
        return self.off <= self.case.tolerance


def cases() -> list[Case]:
    """Return all cases, of all lists beside this file."""
    return [case for name in LISTS for case in import_module(name).CASES]


def outcome(
    case: Case, data_dir: Path, folder: Path, groups: int = 8, address: str | None = None
) -> Outcome:
    """Run a case.

    Args:
        case: The case.
        data_dir: Folder of the real records.
        folder: Where the set, the job and its model are put; it is there.
        groups: Row groups, so partitions at most, that the set is cut into.
        address: Of a cluster that runs already; None: one is started for the case.
    """
    frame = case.rows(data_dir).with_row_index("row")
    bundle = trained(case, frame, folder, groups, address)
    held = pl.col(PART) == TEST
    train, test = (_rows(bundle, frame.filter(which), case) for which in (~held, held))
    if case.told:
        out_of_core = case.told(bundle, train, test)
    else:
        out_of_core = float(bundle.metrics["results"]["test"][case.metric])
    return Outcome(case, out_of_core, case.memory(train, test))


def trained(
    case: Case, frame: pl.DataFrame, folder: Path, groups: int, address: str | None
) -> Bundle:
    """Train a case by a job and return its bundle; arguments as for `outcome`."""
    source = folder / "data"
    source.mkdir()
    step = -(-frame.height // groups)
    for number, start in enumerate(range(0, frame.height, step)):
        frame.slice(start, step).write_parquet(source / f"{number:03}.parquet")
    own = [PART, "row", *([case.label] if case.label else [])]
    features = {**case.features, "drop": [*case.features.get("drop", ()), *own]}
    job = Job.of(
        {
            "name": "estimators",
            "cluster": {"kind": "address", "address": address} if address else WORKERS,
            "data": {"rows": {"path": "data/*.parquet"}},
            "features": features,
            "train": {
                "data": "rows",
                "estimator": case.estimator,
                "model": "model",
                **_split(frame),
                **case.train,
            },
            **({} if case.told else {"evaluate": {"baseline": False}}),
        },
        folder=folder,
    )
    with cut_finely():
        job.run(store=folder / "runs", progress=False)
    return load(folder / "model" / "v1")


def _split(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the split of ``[train]`` as a mapping; empty where no rows are held out."""
    held = {part: [part] for part in (VALID, TEST) if (frame[PART] == part).any()}
    return {"split": {"by": "column", "column": PART, **held}} if held else {}


@contextmanager
def cut_finely() -> Iterator[None]:
    """Cut small sets into as many partitions and blocks as sets of some gigabytes have."""
    with (
        patch("engine.plan._FINEST_BYTES", 2**16),
        patch("engine.plan._COLUMN_BYTES", 1),
        patch("engine.learners.passes.matrices.BLOCK_BYTES", 2**20),
    ):
        yield


def _rows(bundle: Bundle, frame: pl.DataFrame, case: Case) -> Rows:
    x = matrix(bundle.pipeline, frame)
    label = case.train.get("target", case.label)
    y = np.zeros(len(x))
    if label is not None and frame.height:
        y = frame.select(pl.sql_expr(label)).to_series().to_numpy()
    return Rows(x, y, frame, tuple(bundle.pipeline.categorical))


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the lines of a Markdown table, the head first."""
    yield "| estimator | set | metric | out of core | in memory | off by | tolerance | why |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for found in outcomes:
        case, off = found.case, f"{found.off:.1e}" if found.holds else f"**{found.off:.1e}**"
        name = f"`{case.estimator}`{case.note and ', '}{case.note}"
        figures = f"{found.out_of_core:.6g} | {found.in_memory:.6g} | {off} | {case.tolerance:g}"
        yield f"| {name} | {case.data} | {case.metric} | {figures} | {case.why} |"


def written(page: str, lines: Iterable[str], marks: tuple[str, str] = (BEGIN, END)) -> str:
    """Return a page with other lines between the markers.

    Raises:
        ValueError: The markers are not there.
    """
    head, begin, rest = page.partition(marks[0])
    _, end, tail = rest.partition(marks[1])
    if not (begin and end):
        raise ValueError(f"the page has no {marks[0]} and {marks[1]}")
    return "\n".join([head + begin, "", *lines, "", end + tail])


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="estimators, all when left out")
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared/data")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    asked = parser.parse_args()
    if asked.only and asked.write:
        parser.error("--write is for the whole table")
    found: list[Outcome] = []

    def outcomes(address: str) -> Iterator[Outcome]:
        for case in cases():
            if asked.only and case.estimator not in asked.only:
                continue
            with tempfile.TemporaryDirectory() as folder:
                found.append(outcome(case, asked.data.resolve(), Path(folder), address=address))
            yield found[-1]

    with connect(LocalCluster.model_validate(WORKERS)) as session:
        for line in table(outcomes(session.client.scheduler.address)):
            print(line, flush=True)
    if asked.write:
        PAGE.write_text(written(PAGE.read_text(), table(found)))
    failed = [f"{one.case.estimator} {one.case.note}".strip() for one in found if not one.holds]
    if failed:
        sys.exit(f"further off than their tolerance: {', '.join(failed)}")


if __name__ == "__main__":
    main()
