"""A job from its file to its predictions, on real worker processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from cluster.session import connect
from cluster.spec import LocalCluster
from engine import plan as plan_module
from engine.bundle import load
from engine.errors import ContractRefused, InputError, PlanRefused, SpecError
from engine.place.kept import Kept
from engine.rejected.bad_rows import BadRows
from engine.statistics.summary import Summary
from engine.training.fitting import prepare
from engine.training.preparing import matrix
from jobs.planning.plan import plan_job
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.runs.store import Store
from jobs.spec.jobfile import load_job
from tests.jobs.flights import table, write

QUIET = Together([])


def run(job: Path) -> Result:
    return run_job(load_job(job), job.parent / ".millrace/runs", QUIET)


def predictions(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "predictions").iterdir())}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A finished run and its folder."""
    job = write(tmp_path_factory.mktemp("job"), by="time")
    return job.parent, run(job)


def test_each_input_row_has_a_prediction_or_a_stated_reason(done: tuple[Path, Result]) -> None:
    folder, result = done
    today = pl.read_parquet(folder / "today/*.parquet")
    scored = pl.read_parquet(folder / "predictions")
    rejected = pl.read_parquet(folder / "predictions.quarantine/*.parquet")
    assert Counter([*scored["id"], *rejected["id"]]) == Counter(today["id"])
    assert set(rejected["id"]) == set(today.filter(pl.col("wind") < 0)["id"])
    assert rejected["reason"].str.contains("is under min 0").all()
    ledger = result.ledger
    assert ledger["rows_in"] == today.height == ledger["scored"] + ledger["quarantined"]
    assert scored.columns == ["id", "carrier", "prediction", "probability"]
    assert (scored["prediction"] == (scored["probability"] > 0.5)).all()


def test_the_model_has_learned_the_signal(done: tuple[Path, Result]) -> None:
    test, baseline = done[1].metrics["test"], done[1].metrics["baseline_test"]
    assert test["auc"] > 0.72
    assert test["log_loss"] < baseline["log_loss"]
    assert baseline["auc"] == 0.5


def test_all_training_rows_are_accounted_for(done: tuple[Path, Result]) -> None:
    folder, result = done
    assert result.model is not None
    rows = json.loads((result.model / "provenance.json").read_text())["rows"]
    history = pl.read_parquet(folder / "history/*.parquet")
    assert sum(rows.values()) == history.height
    bad = history["wind"] < 0
    assert rows["rejected"] == bad.sum()
    assert rows["filtered"] == history.filter(~bad)["cancelled"].sum()
    assert rows["test"] / history.height == pytest.approx(0.15, abs=0.01)


def test_measured_memory_is_within_the_plan(done: tuple[Path, Result]) -> None:
    for step, bytes_ in done[1].memory.items():
        measured, projected = bytes_["measured"], bytes_["projected"]
        assert measured and projected
        assert 2**20 < measured <= projected, step


def test_data_are_read_once_to_prepare_once_to_train_and_once_to_score(
    done: tuple[Path, Result],
) -> None:
    ends = {
        e.step: e.fields
        for e in Store.at(Path(done[1].folder).parent).find("@last").told()
        if e.name == "step_done"
    }
    assert set(ends) == {"prepare", "train", "evaluate", "score"}
    assert ends["prepare"]["rows_done"] == 40_000
    rows = ends["prepare"]["result"]["rows"]
    assert ends["train"]["rows_done"] == rows["train"] + rows["valid"]
    assert ends["score"]["rows_done"] == 20_000


def test_report_and_records_are_there(done: tuple[Path, Result]) -> None:
    result = done[1]
    assert "small-flights" in Path(result.report).read_text()
    names = {path.name for path in Path(result.folder).iterdir()}
    assert {"job.json", "plan.json", "events.jsonl", "state", "steps"} <= names
    states = [json.loads(p.read_text())["state"] for p in (Path(result.folder) / "state").iterdir()]
    assert "SUCCEEDED" in states


def test_a_second_run_skips_everything(done: tuple[Path, Result]) -> None:
    folder = done[0]
    before = predictions(folder)
    again = run(folder / "job.toml")
    assert again.skipped == ["train", "score"]
    assert predictions(folder) == before
    # NaN, where a constant has no precision, is not equal to itself; its text is.
    told, before_told = (json.dumps(one.metrics, sort_keys=True) for one in (again, done[1]))
    assert told == before_told


@pytest.mark.slow
def test_predictions_are_the_same_bits_on_one_two_and_four_workers(
    done: tuple[Path, Result], tmp_path: Path
) -> None:
    expected = predictions(done[0])
    for workers in (1, 4):
        folder = tmp_path / str(workers)
        write(folder, by="time", workers=workers)
        shutil.copytree(done[0] / "models", folder / "models")
        # Same names and times of the inputs do not matter: parts are named by their content.
        text = (folder / "job.toml").read_text()
        head, tail = text.split("[features]")
        (folder / "job.toml").write_text(head + "[score]" + tail.split("[score]")[1])
        run(folder / "job.toml")
        assert predictions(folder) == expected


def start(job: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from jobs.cli import main; main()", "run", str(job)]
    root = str(Path(plan_module.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.Popen(
        command, cwd=job.parent, env=environment, stderr=subprocess.PIPE, start_new_session=True
    )


def parts_done(folder: Path) -> int:
    return len(list(folder.glob("predictions.millrace/runs/*/parts/*.json")))


def score_only(tmp_path: Path, done: tuple[Path, Result], rows: int) -> Path:
    """Write a job that scores with the finished model; small workers make small partitions."""
    job = write(tmp_path / "j", rows=400, memory="530 MiB")
    shutil.copytree(done[0] / "models", job.parent / "models")
    head, tail = job.read_text().split("[features]")
    job.write_text(head + "[score]" + tail.split("[score]")[1])
    shutil.rmtree(job.parent / "today")
    (job.parent / "today").mkdir()
    for part in range(12):
        frame = table(rows // 12, part, "2025-03-02", first=part * 10**6).drop("delay", "cancelled")
        frame.write_parquet(job.parent / "today" / f"{part:02}.parquet", row_group_size=10_000)
    return job


@pytest.mark.slow
def test_kill_of_the_whole_job_and_of_a_worker_loses_and_doubles_nothing(
    done: tuple[Path, Result], tmp_path: Path
) -> None:
    job = score_only(tmp_path, done, 1_800_000)
    folder = job.parent
    reference = tmp_path / "reference"
    shutil.copytree(folder, reference, copy_function=shutil.copy2)
    run(reference / "job.toml")
    for kill in ("worker", "job"):
        process = start(job)
        wanted = parts_done(folder) + 2
        while parts_done(folder) < wanted and process.poll() is None:
            time.sleep(0.02)
        if kill == "worker":
            _kill_a_worker(process.pid)
            if process.wait(120) == 0:
                break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (folder / "predictions").exists()
    kept = parts_done(folder)
    result = run(job) if not (folder / "predictions").exists() else None
    scored = pl.read_parquet(folder / "predictions", columns=["id"])["id"]
    expected = pl.read_parquet(reference / "predictions", columns=["id"])["id"]
    assert Counter(scored) == Counter(expected)
    assert predictions(folder) == predictions(reference)
    assert result is None or kept > 0


def _kill_a_worker(pid: int) -> None:
    import psutil

    def is_worker(process: psutil.Process) -> bool:
        return "spawn_main" in " ".join(process.cmdline()) and process.memory_info().rss > 2**26

    workers = [p for p in psutil.Process(pid).children(recursive=True) if is_worker(p)]
    workers[-1].kill()


@pytest.mark.long
def test_a_pinned_version_scores_also_when_the_job_trains_another(
    done: tuple[Path, Result], tmp_path: Path
) -> None:
    job = write(tmp_path / "j", rows=8_000, rounds=3)
    shutil.copytree(done[0] / "models", job.parent / "models")
    job.write_text(job.read_text().replace("late@latest", "late@1"))
    result = run(job)
    assert result.model is not None
    assert result.model.name == "v2"
    plan = next(job.parent.glob("predictions.millrace/runs/*/plan.json")).read_text()
    assert load(job.parent / "models/late/v1").digest in plan
    assert load(result.model).digest not in plan


def test_a_plan_over_the_limit_is_refused_before_anything_runs(tmp_path: Path) -> None:
    job = write(tmp_path / "j", memory="300 MiB")
    with pytest.raises(PlanRefused) as caught:
        run(job)
    assert "cluster.memory" in str(caught.value.hint)
    assert not (job.parent / ".millrace").exists()


def test_mistakes_are_told_before_anything_runs(tmp_path: Path) -> None:
    job = write(tmp_path / "j")
    text = job.read_text()
    for old, new, message in (
        ('"wind", "distance"', '"wnid", "distance"', "wnid"),
        ("extract(hour from at)", "extract(hour frm at)", "not a SQL expression"),
        ("delay > 15", "dely > 15", "dely"),
        ('columns = ["carrier"]', 'columns = ["carier"]', "carier"),
    ):
        job.write_text(text.replace(old, new))
        with pytest.raises(SpecError, match=message):
            run(job)
    assert not (job.parent / ".millrace").exists()


def test_a_missing_column_and_a_corrupt_file_are_named(tmp_path: Path) -> None:
    job = write(tmp_path / "j")
    today = job.parent / "today/2.parquet"
    pl.read_parquet(today).drop("wind").write_parquet(today)
    with pytest.raises(InputError, match="'wind' is missing in 1 of") as lacking:
        run(job)
    assert "today/2.parquet" in str(lacking.value.where)
    today.write_bytes(today.read_bytes()[:-100])
    with pytest.raises(InputError) as caught:
        run(job)
    assert "today/2.parquet" in str(caught.value.where)


def test_damage_inside_a_file_ends_the_job_with_its_name_and_commits_nothing(
    done: tuple[Path, Result], tmp_path: Path
) -> None:
    job = score_only(tmp_path, done, 24_000)
    file = job.parent / "today/05.parquet"
    data = bytearray(file.read_bytes())
    data[4:60] = bytes(56)  # the head of the first page
    file.write_bytes(data)
    with pytest.raises(InputError) as caught:
        run(job)
    assert "05.parquet" in str(caught.value.where)
    assert not (job.parent / "predictions").exists()


def test_too_many_missing_values_in_rows_to_score_refuse_the_output(
    done: tuple[Path, Result], tmp_path: Path
) -> None:
    job = score_only(tmp_path, done, 24_000)
    job.write_text(job.read_text() + "\n[data.today.contract]\nage = { nulls = 0.05 }\n")
    with pytest.raises(ContractRefused, match="column 'age' is missing"):
        run(job)
    assert not (job.parent / "predictions").exists()


def test_prepared_features_are_the_same_bits_on_one_and_three_workers(
    done: tuple[Path, Result],
) -> None:
    planned = plan_job(load_job(done[0] / "job.toml"))
    training = planned.training
    assert training is not None
    found = []
    for workers in (1, 3):
        with connect(LocalCluster(workers=workers, memory="600 MiB")) as session:
            prepared = prepare(
                session.client,
                training.data,
                training.pipeline,
                training.resolved,
                training.dataset.partitions(training.data.columns, 200_000),
                threads=workers,
                sample_rows=5_000,
                seed=1,
                bad=BadRows(Kept.of(done[0] / "quarantine")),
                progress=lambda _: None,
            )
            found.append(prepared)
    one, three = found
    assert one.pipeline.files() == three.pipeline.files()
    summaries = {"summary": Summary()}  # what was fitted from them is equal
    assert replace(one.survey, **summaries) == replace(three.survey, **summaries)
    assert (
        matrix(one.pipeline, one.sample).tobytes() == matrix(three.pipeline, three.sample).tobytes()
    )


def test_bad_rows_can_fail_the_job(done: tuple[Path, Result], tmp_path: Path) -> None:
    folder = tmp_path / "j"
    job = write(folder)
    shutil.copytree(done[0] / "models", folder / "models")
    head, tail = job.read_text().split("[features]")
    score = tail.split("[score]")[1] + '\non_bad_rows = "fail"\n'
    job.write_text(head + "[score]" + score)
    with pytest.raises(ContractRefused, match="is under min 0"):
        run(job)
    assert not (folder / "predictions").exists()
