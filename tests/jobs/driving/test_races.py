"""Several runs at once that write to one output: one of them has it, and the others say so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from engine.commit import verify
from engine.errors import LostRace, OutputRefused
from engine.predict.kernel import keep
from jobs.failure import failure
from jobs.run import create, drive
from jobs.runs.folder import Run
from jobs.runs.result import Result
from jobs.runs.state import State
from jobs.runs.stopping import Stop
from jobs.runs.store import Store
from jobs.spec.jobfile import load_job
from tests.jobs.input_jobs import Heard, files, one_cluster, run, table, write_job

ROWS, RUNS = 600, 3

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    keep()
    with one_cluster():
        yield


@pytest.fixture(scope="module")
def models(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of three different models."""
    found = []
    for number in range(RUNS):
        folder = tmp_path_factory.mktemp(f"model{number}")
        files(folder, table(ROWS))
        job = write_job(folder, "train")
        job.write_text(job.read_text().replace("n_estimators = 4", f"n_estimators = {number + 4}"))
        run(job)
        found.append(folder / "models/m")
    return found


def scoring(folder: Path, model: Path, output: Path) -> Path:
    files(folder, table(ROWS))
    job = write_job(folder, "score", model=model)
    job.write_text(job.read_text().replace('output = "out"', f'output = "{output}"'))
    return job


def together(stores: list[tuple[Store, Run]], reporters: list[Heard]) -> list[Result | Exception]:
    """Drive all runs at once; return what came of each."""
    found: dict[int, Result | Exception] = {}

    def one(number: int) -> None:
        try:
            found[number] = drive(*stores[number], reporters[number], Stop())
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in sorted(found)]


def created(job: Path) -> tuple[Store, Run]:
    store = Store.at(job.parent / "runs")
    return store, create(load_job(job), store)


def bytes_of(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(output.iterdir())}


def at_once() -> list[Heard]:
    """Let all begin to score before any goes on."""
    barrier: Callable[[], object] = threading.Barrier(RUNS, timeout=60).wait
    return [Heard("score", barrier) for _ in range(RUNS)]


def test_of_three_jobs_at_one_output_one_commits_and_the_others_say_lost_race(
    models: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "shared/out"
    jobs = [scoring(tmp_path / f"{n}", model, output) for n, model in enumerate(models)]
    runs = [created(job) for job in jobs]
    outcomes = together(runs, at_once())
    winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Result)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, LostRace)]
    assert (len(winners), len(lost)) == (1, RUNS - 1), outcomes
    for error in lost:
        message, code = failure(error)
        assert message.startswith("error: LOST_RACE: another job has committed") and code == 1
        assert str(output) in message
    ends = [one.log.last() for _, one in runs]
    assert sorted(str(end.state) for end in ends) == ["FAILED", "FAILED", "SUCCEEDED"]
    assert all(end.message.startswith("LOST_RACE") for end in ends if end.state == State.FAILED)

    alone = scoring(tmp_path / "alone", models[winners[0]], tmp_path / "alone/out")
    run(alone)
    assert bytes_of(output) == bytes_of(alone.parent / "out"), "one run's bytes, no mixture"
    assert sorted(pl.read_parquet(output)["id"]) == list(range(ROWS))
    assert verify(output).problems == ()


def test_three_runs_of_one_job_end_well_with_one_result(models: list[Path], tmp_path: Path) -> None:
    job = scoring(tmp_path / "job", models[0], tmp_path / "out")
    outcomes = together([created(job) for _ in range(RUNS)], at_once())
    assert all(isinstance(outcome, Result) for outcome in outcomes), outcomes
    assert sorted(pl.read_parquet(tmp_path / "out")["id"]) == list(range(ROWS))
    assert verify(tmp_path / "out").problems == ()
    (_,) = (tmp_path / "out.millrace/HEAD").iterdir()


def test_who_comes_to_the_output_after_the_winner_has_lost_the_race_too(
    models: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    first, second, third = (
        scoring(tmp_path / name, model, output)
        for name, model in zip(("first", "second", "third"), models, strict=True)
    )
    waiting = created(second)
    run(first)
    before = bytes_of(output)
    (outcome,) = together([waiting], [Heard()])
    assert isinstance(outcome, LostRace), outcome
    (later,) = together([created(third)], [Heard()])
    assert type(later) is not LostRace and isinstance(later, OutputRefused), "no race: it was there"
    assert "data of another job" in str(later) and later.exit_code == 2
    assert bytes_of(output) == before
