"""The command line: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from engine.errors import ContractRefused
from jobs import cli
from jobs.failure import failure
from jobs.runs.events import EventLog
from jobs.runs.state import State
from jobs.runs.store import Store
from jobs.spec.jobfile import load_job

ROOT = Path(__file__).parents[2]
LIGHT = ("click",)  # what `millrace --help` may load besides the standard library

Millrace = Callable[..., Result]


@pytest.fixture
def millrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Millrace:
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(cli.main, [str(arg) for arg in args])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    frame = pl.DataFrame(
        {
            "flight_id": range(100),
            "departed_at": pl.datetime_range(
                pl.datetime(2008, 1, 1), pl.datetime(2008, 1, 5, 3), "1h", eager=True
            ),
            "distance": [float(i % 7) for i in range(100)],
            "carrier": ["AA", "BB"] * 50,
            "gates": [[1]] * 100,
            "late": [i % 2 for i in range(100)],
        }
    )
    frame.write_parquet(tmp_path / "flights.parquet")
    return tmp_path / "flights.parquet"


def running(*args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_help_names_the_commands(millrace: Millrace) -> None:
    result = millrace("--help")
    assert result.exit_code == 0
    for name in ("init", "plan", "run", "list", "status"):
        assert f"\n  {name} " in result.stdout
        assert millrace(name, "--help").exit_code == 0


def test_help_loads_little() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from jobs import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*{m.partition('.')[0] for m in set(sys.modules) - before}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    loaded = set(done.stderr.split()) - set(sys.stdlib_module_names)
    assert loaded <= {*LIGHT, "jobs", "cluster", "engine", "__mp_main__"}, loaded


def test_version(millrace: Millrace) -> None:
    result = millrace("--version")
    assert result.exit_code == 0 and result.stdout.startswith("millrace ")


def test_wrong_usage(millrace: Millrace) -> None:
    result = millrace("plna")
    assert result.exit_code == 2 and "plna" in result.stderr and result.stdout == ""


def test_init_writes_a_job_that_can_be_planned(millrace: Millrace, table: Path) -> None:
    result = millrace("init", table)
    assert result.exit_code == 0, result.stderr
    job = load_job("job.toml")
    assert job.name == "flights"
    assert job.data["table"].key == ("flight_id",)
    assert job.data["table"].time == "departed_at"
    assert job.train is not None and job.features is not None
    assert (job.train.target, job.train.task) == ("late", "binary")
    assert [step.columns for step in job.features.steps] == [("distance",), ("carrier",)]
    planned = millrace("plan", "job.toml")
    assert planned.exit_code == 0, planned.stderr


def test_init_of_csv(millrace: Millrace, tmp_path: Path) -> None:
    rows = "".join(f"{i},{i * 1.5},x{i % 3}\n" for i in range(50))
    (tmp_path / "a b.csv").write_text("n,price,kind of\n" + rows)
    assert millrace("init", "a b.csv", "--target", "price").exit_code == 0
    job = load_job("job.toml")
    assert job.name == "a-b" and job.train is not None and job.features is not None
    assert (job.train.target, job.train.task) == ("price", "regression")
    assert [step.columns for step in job.features.steps] == [("n",), ("kind of",)]


def test_init_does_not_replace_a_file(millrace: Millrace, table: Path) -> None:
    Path("job.toml").write_text("mine")
    result = millrace("init", table)
    assert result.exit_code == 2 and "--output" in result.stderr
    assert Path("job.toml").read_text() == "mine"
    assert millrace("init", table, "-o", "other.toml").exit_code == 0


def test_init_without_data(millrace: Millrace) -> None:
    result = millrace("init", "nothing.parquet")
    assert result.exit_code == 2 and "nothing.parquet" in result.stderr
    assert not Path("job.toml").exists()


def test_init_with_an_unknown_target(millrace: Millrace, table: Path) -> None:
    result = millrace("init", table, "--target", "lat")
    assert result.exit_code == 2 and "late" in result.stderr


def test_plan(millrace: Millrace, table: Path) -> None:
    millrace("init", table)
    before = set(Path.cwd().iterdir())
    text = millrace("plan", "job.toml").stdout
    assert "peak a worker" in text and "the job fits" in text and "pass 1:" in text
    values = json.loads(millrace("plan", "job.toml", "--json").stdout)
    assert [step["name"] for step in values["steps"]] == ["prepare", "train", "evaluate", "score"]
    assert json.loads(millrace("run", "job.toml", "--dry-run", "--json").stdout) == values
    assert set(Path.cwd().iterdir()) == before


def test_a_plan_over_the_limit(millrace: Millrace, table: Path) -> None:
    millrace("init", table)
    text = Path("job.toml").read_text() + '\n[cluster]\nworkers = 1\nmemory = "50 MiB"\n'
    Path("job.toml").write_text(text)
    result = millrace("plan", "job.toml")
    assert result.exit_code == 2
    assert "DOES NOT FIT" in result.stdout
    assert "the limit is 50 MiB" in result.stderr and "cluster.memory" in result.stderr


def test_a_cluster_larger_than_the_machine(millrace: Millrace, table: Path) -> None:
    millrace("init", table)
    text = Path("job.toml").read_text() + '\n[cluster]\nmemory = "5 PiB"\n'
    Path("job.toml").write_text(text)
    result = millrace("plan", "job.toml")
    assert result.exit_code == 2 and "where: [cluster]" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_bad_job_file(millrace: Millrace, verb: str) -> None:
    Path("job.toml").write_text('nme = "x"\n')
    result = millrace(verb, "job.toml")
    assert result.exit_code == 2 and result.stdout == ""
    assert "line 1, nme: unknown key; did you mean 'name'?" in result.stderr
    assert "where: job.toml" in result.stderr and "Traceback" not in result.stderr
    assert not Path(".millrace").exists()


def test_debug_shows_the_traceback(millrace: Millrace) -> None:
    result = millrace("plan", "none.toml", "--debug")
    assert type(result.exception).__name__ == "JobFileError"


def test_list_and_status_without_runs(millrace: Millrace) -> None:
    assert millrace("list").stdout == "no runs\n"
    assert json.loads(millrace("list", "--json").stdout) == []
    result = millrace("status")
    assert result.exit_code == 2 and "there are no runs" in result.stderr


def test_list_and_status(millrace: Millrace) -> None:
    done, going = (Store.at(Path("store")).create({"name": name}) for name in ("one", "two"))
    entry = done.log.last()
    for state in (State.STARTING, State.RUNNING, State.SUCCEEDED):
        entry = done.log.advance(entry, state)
    done.write_step("score", {"rows": 1234, "output": "out"})
    going.log.advance(going.log.advance(going.log.last(), State.STARTING), State.RUNNING)
    events = EventLog(going.events)
    events.step_started("train", 2000)
    events.progress(500, {"a": 2**30})

    lines = millrace("list", "--store", "store").stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["run", "job", "state"],
        [done.id, "one", "SUCCEEDED"],
        [going.id, "two", "RUNNING"],
    ]
    last = millrace("status", "--store", "store").stdout
    assert f"{going.id}  two  RUNNING" in last
    assert "step train, rows 2,000, rows_done 500" in last and "memory.a 1.0 GiB" in last
    first = millrace("status", done.id, "--store", "store").stdout
    assert "score            rows 1,234, output out" in first
    values = json.loads(millrace("status", done.id, "--store", "store", "--json").stdout)
    assert values["steps"] == {"score": {"rows": 1234, "output": "out"}}
    assert values["state"] == "SUCCEEDED" and values["now"] is None and values["ended"]
    assert len(json.loads(millrace("list", "--store", "store", "--json").stdout)) == 2


def test_status_of_a_run_that_is_not_there(millrace: Millrace) -> None:
    run = Store.at(Path("store")).create({})
    result = millrace("status", run.id + "0", "--store", "store")
    assert result.exit_code == 2 and run.id in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ContractRefused("too many nulls", where="column a"), 3, "where: column a"),
        (KeyboardInterrupt(), 130, "cancelled"),
        (ValueError("odd\nthing"), 1, "ValueError: odd\n  this is a defect in millrace"),
        (pl.exceptions.PanicException("oh"), 1, "PanicException: oh"),
        (MemoryError(), 1, "error: MemoryError\n"),
    ],
)
def test_failures(error: BaseException, code: int, text: str) -> None:
    message, number = failure(error)
    assert number == code and text in message


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    for _ in range(3):
        Store.at(tmp_path).create({"name": "x" * 100})
    process = running("list", "--store", tmp_path, "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    process.wait(timeout=120)
    assert process.stderr.read() == ""


def toml(table: Path, rest: str) -> str:
    return f"""
name = "small"
[cluster]
workers = 1
memory = "1 GiB"
[data.flights]
path = "{table}"
key = ["flight_id"]
[features]
columns = ["distance", "carrier"]
steps = [{{ encode = ["carrier"], with = "category" }}]
[train]
data = "flights"
target = "late"
task = "binary"
split = {{ by = "random", valid = 0.2, test = 0.2 }}
params = {{ n_estimators = {rest}, min_data_in_leaf = 5 }}
model = "models/small"
[score]
data = "flights"
model = "models/small@latest"
output = "out"
"""


@pytest.mark.slow
def test_a_run_from_end_to_end(millrace: Millrace, table: Path) -> None:
    Path("job.toml").write_text(toml(table, "3"))
    process = running("run", "job.toml", "--json")
    out, messages = process.communicate(timeout=120)
    assert process.returncode == 0, messages
    result = json.loads(out)
    assert result["ledger"]["scored"] == 100
    assert pl.read_parquet("out/*.parquet").height == 100
    assert "train" in messages and "rows" in messages
    assert "SUCCEEDED" in millrace("status", result["run"]).stdout


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_drained(millrace: Millrace, table: Path, number: signal.Signals) -> None:
    slow = "200000, learning_rate = 1e-6, num_leaves = 2"  # minutes; and its model would fit
    Path("job.toml").write_text(toml(table, slow))
    process = running("run", "job.toml")
    assert process.stderr is not None
    while "round" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 130
    assert messages.startswith("stopping after the work that is under way")
    assert re.search(r"\ntraining was cancelled after round \d+\n  .*checkpoint", messages), (
        messages
    )
    assert "Traceback" not in messages and "CANCELLED" in millrace("status").stdout


@pytest.mark.slow
@pytest.mark.alone
def test_a_run_that_is_stopped_at_once(millrace: Millrace, table: Path) -> None:
    Path("job.toml").write_text(toml(table, "1000"))
    process = running("run", "job.toml")
    assert process.stderr is not None
    while "prepare" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert "once more to stop" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in messages
    assert "CANCELLED" in millrace("status").stdout
