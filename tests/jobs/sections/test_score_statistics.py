"""``statistics.json`` of a scoring run: what it says, and that nothing but the rows decides it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from engine.commit import Manifest, garbage, verify
from engine.data.dataset import Dataset
from engine.scoring.statistics import sampling
from jobs.runs.store import Store
from jobs.show import text as show
from tests.jobs.input_jobs import Heard, files, one_cluster, plan, run, table, trained, write_job

ROWS = 300
BOUNDS = "contract.x = { min = -2.5 }\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A trained model, while a cluster stands that all jobs of this module use."""
    with one_cluster():
        yield trained(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the data into several parts, and sample a part of the rows."""
    monkeypatch.setattr(Dataset, "target_bytes", lambda *_: 6_000)
    monkeypatch.setattr(sampling, "ROWS", 250)


def write(folder: Path, model: Path, more: str = "", data: str = BOUNDS) -> Path:
    files(folder, *(table(ROWS, number * ROWS) for number in range(3)))
    return write_job(folder, "score", model=model, more=more, data=data)


def manifest_of(job: Path) -> Manifest:
    (record,) = job.parent.glob("out.millrace/runs/*/commit.json")
    return Manifest.model_validate_json(record.read_bytes())


def content(job: Path) -> bytes:
    (file,) = job.parent.glob("out.millrace/runs/*/statistics.json")
    return file.read_bytes()


def told(job: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content(job))
    return found


class Acting(Heard):
    """A reporter that does something after the second part."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self.parts, self.act = 0, act

    def progress(self, *_: Any, **__: Any) -> None:
        self.parts += 1
        if self.parts == 2:
            self.act()


def interrupt() -> None:
    raise KeyboardInterrupt


def kill_the_worker() -> None:
    children = psutil.Process().children(recursive=True)
    (worker,) = (
        p for p in children if "spawn_main" in " ".join(p.cmdline()) and p.memory_info().rss > 2**26
    )
    worker.kill()


def test_counts_are_those_of_all_rows_and_the_rest_of_a_sample(tmp_path: Path, model: Path) -> None:
    job = write(tmp_path, model)
    result = run(job)
    rows = pl.concat(pl.read_parquet(tmp_path / f"data/{n}.parquet") for n in range(3))
    good, scored = rows.filter(pl.col("x") >= -2.5), pl.read_parquet(tmp_path / "out")
    found, manifest = told(job), manifest_of(job)
    assert 0 < manifest.quarantined == rows.height - good.height
    assert found["rows"] == {
        "rows_in": rows.height,
        "scored": good.height,
        "quarantined": manifest.quarantined,
        "filtered": 0,
        "unreadable": 0,
    }
    assert sorted(found["features"]) == ["kind", "n", "x"]
    assert list(found["predictions"]) == ["prediction", "probability"]
    assert found["sample"]["one_of"] == 4
    assert 0.9 * 225 <= found["sample"]["rows"] <= 226
    for name, column in (("x", good["x"]), ("n", good["n"])):
        told_of = found["features"][name]
        exact = column.len(), column.null_count(), column.min(), column.max()
        assert tuple(told_of[key] for key in ("rows", "nulls", "min", "max")) == exact
        assert told_of["sample"]["mean"] == pytest.approx(column.mean(), abs=0.3 * column.std())  # type: ignore[operator]
        assert sum(told_of["sample"]["buckets"]["rows"]) == found["sample"]["rows"]
    said = found["predictions"]["probability"]
    assert (said["min"], said["max"]) == (scored["probability"].min(), scored["probability"].max())
    assert {level for level, _ in found["features"]["kind"]["sample"]["levels"]} == {"a", "b", "c"}
    # It is told where they are, and readers of the output do not see them.
    assert result.statistics is not None and Path(result.statistics).read_bytes() == content(job)
    assert result.statistics in show.status_text(
        show.status_of(Store.at(tmp_path / "runs").find("@last"))
    )
    page = Path(result.report).read_text(encoding="utf-8")
    assert "What was read and said" in page and 'probability <span class="soft">predicted' in page
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".parquet", ""}
    # The stage is empty, so nothing is kept twice; a rerun finds them.
    assert not list(tmp_path.glob("out.millrace/runs/*/stage/*"))
    again = run(job)
    assert again.skipped == ["score"] and again.statistics == result.statistics


def test_the_same_bytes_after_an_interruption_a_killed_worker_and_a_lost_state(
    tmp_path: Path, model: Path
) -> None:
    jobs = [write(tmp_path / name, model) for name in ("whole", "interrupted", "killed")]
    whole, interrupted, killed = jobs
    run(whole)
    parts = len(manifest_of(whole).parts)
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, Acting(interrupt))
    stage = "out.millrace/runs/*/stage/statistics-*"
    lost, *kept = interrupted.parent.glob(stage)
    lost.unlink()
    assert 1 <= len(kept) < parts - 1
    seen = Acting(lambda: None)
    run(interrupted, seen)
    assert 1 < seen.parts <= parts - len(kept)  # the others were not scored again
    run(killed, Acting(kill_the_worker))
    assert content(interrupted) == content(killed) == content(whole)


def test_one_that_is_missing_or_changed_is_found_by_verify(tmp_path: Path, model: Path) -> None:
    job = write(tmp_path, model)
    run(job)
    assert verify(tmp_path / "out").problems == () and garbage(tmp_path / "out", days=0) == []
    (file,) = tmp_path.glob("out.millrace/runs/*/statistics.json")
    file.write_bytes(file.read_bytes().replace(b"features", b"Features"))
    (problem,) = verify(tmp_path / "out").problems
    assert problem.file == str(file) and "SHA-256" in problem.what
    file.unlink()
    (problem,) = verify(tmp_path / "out").problems
    assert problem.what == "missing"


def test_without_them_nothing_is_written_and_the_rows_are_the_same(
    tmp_path: Path, model: Path
) -> None:
    job, plain = write(tmp_path / "a", model), write(tmp_path / "b", model, "statistics = false\n")
    run(job)
    result = run(plain)
    assert result.statistics is None and manifest_of(plain).statistics is None
    assert not list(plain.parent.glob("out.millrace/runs/*/statistics.json"))
    assert "What was read" not in Path(result.report).read_text(encoding="utf-8")
    names = [sorted(path.name for path in (one.parent / "out").iterdir()) for one in (job, plain)]
    assert names[0] == names[1]
    terms = [{term.name for term in plan(one).plan.steps[0].terms} for one in (job, plain)]
    assert terms[0] - terms[1] == {"statistics of the columns"}


def test_parts_that_were_scored_without_them_leave_none_and_that_is_said(
    tmp_path: Path, model: Path
) -> None:
    job = write(tmp_path, model, "statistics = false\n")
    with pytest.raises(KeyboardInterrupt):
        run(job, Acting(interrupt))
    job.write_text(job.read_text().replace("statistics = false\n", ""))
    heard = Heard()
    result = run(job, heard)
    assert result.statistics is None and verify(tmp_path / "out").problems == ()
    assert any("no statistics" in text for text in heard.warnings)


def test_no_rows_and_renamed_columns(tmp_path: Path, model: Path) -> None:
    more = 'rename = { probability = "p" }\n'
    job = write(tmp_path, model, more, 'where = "x > 100"\n')
    run(job)
    found = told(job)
    assert found["sample"]["rows"] == 0 == found["features"]["x"]["rows"]
    assert list(found["predictions"]) == ["prediction", "p"]
    assert found["predictions"]["p"]["min"] is None
