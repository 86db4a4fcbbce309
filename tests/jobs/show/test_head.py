"""`millrace head`: the first rows of a result, while it is made and afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from engine.commit import Output, Run, run_key
from engine.encoding import encoded
from jobs import cli
from jobs.runs.store import Store

PLANNED = [3, 3, 3]


def table(part: int, first: int = 0) -> pl.DataFrame:
    start = first + 3 * part
    return pl.DataFrame(
        {"id": range(start, start + 3), "p": [0.5] * 3}, schema_overrides={"p": pl.Float32}
    )


def begun(folder: Path, version: int = 0) -> tuple[Output, Run]:
    spec = {"version": version}
    output = Output(folder / "out", run_key(spec, PLANNED), if_exists="overwrite")
    output.preflight()
    return output, output.begin(spec, PLANNED)


def stage(run: Run, *parts: int, first: int = 0) -> None:
    for part in parts:
        run.stage(part, [encoded(table(part, first).to_arrow())], rows_in=3)


def head(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["head", *arguments])


def found(*arguments: str) -> tuple[bool, list[int], int]:
    """Return whether it is committed, the ids that are shown, and the rows that are there."""
    outcome = head(*arguments, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    return told["committed"], [row["id"] for row in told["head"]], told["rows"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_output_is_shown_while_it_is_made_and_when_it_is_there(tmp_path: Path) -> None:
    output, run = begun(tmp_path)
    assert found("out") == (False, [], 0)
    stage(run, 2, 0)
    assert found("out") == (False, [0, 1, 2, 6, 7, 8], 6)
    stage(run, 1)
    output.commit(run)
    assert found("out", "-n", "4") == (True, [0, 1, 2, 3], 9)
    outcome = head("out", "-n", "2")
    assert "id" in outcome.stdout and f"9 rows in {tmp_path}/out" in outcome.stdout


def test_while_another_result_is_made_the_one_that_readers_have_is_shown(tmp_path: Path) -> None:
    output, run = begun(tmp_path)
    stage(run, 0, 1, 2)
    output.commit(run)
    second, rerun = begun(tmp_path, 1)
    stage(rerun, 0, first=100)
    assert found("out", "-n", "1") == (True, [0], 9)
    stage(rerun, 1, 2, first=100)
    second.commit(rerun)
    assert found("out", "-n", "1") == (True, [100], 9)


def run_of(tmp_path: Path, **sections: dict[str, str]) -> str:
    """Make the folder of a run; return its id."""
    return Store.at(tmp_path / ".millrace/runs").create({"name": "x", **sections}).id


def test_a_run_is_shown_by_its_own_result(tmp_path: Path) -> None:
    _, first = begun(tmp_path)
    _, second = begun(tmp_path, 1)
    stage(first, 0)
    stage(second, 0, first=100)
    ids = {}
    for run in (first, second):
        ids[run] = run_of(tmp_path, score={"output": str(tmp_path / "out")})
        written = tmp_path / ".millrace/runs" / ids[run] / "written"
        written.mkdir()
        (written / "score.json").write_text(json.dumps({"run": run.name}))
    assert found(ids[first], "-n", "1") == (False, [0], 3)
    assert found(ids[second], "-n", "1") == found("@last", "-n", "1") == (False, [100], 3)
    outcome = head()
    assert "3 rows so far (1 of 3 parts), nothing is committed yet" in outcome.stdout


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"score": {"output": "out"}}, "has not begun to write rows"),
        ({"train": {"model": "m"}}, "writes no rows"),
    ],
)
def test_a_run_without_rows_says_so(
    tmp_path: Path, sections: dict[str, dict[str, str]], told: str
) -> None:
    run_of(tmp_path, **sections)
    outcome = head()
    assert outcome.exit_code == 2 and told in outcome.stderr and outcome.stdout == ""


def test_what_is_no_output_and_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, told in (("data", "nothing was written here yet"), ("2026", "there are no runs")):
        outcome = head(name)
        assert outcome.exit_code == 2 and told in outcome.stderr


def test_rows_that_were_deleted_are_not_made_up(tmp_path: Path) -> None:
    output, run = begun(tmp_path)
    stage(run, 0, 1, 2)
    for file in output.commit(run).files("data"):
        (tmp_path / "out" / file.name).unlink()
    assert "its files are gone" in head("out").stdout


def test_columns_that_are_folders_and_other_formats_are_shown(tmp_path: Path) -> None:
    from engine.commit import Encoded

    _, run = begun(tmp_path)
    text = memoryview(b"id,p\r\n7,0.5\r\n8,\r\n")
    run.stage(0, [Encoded(2, text, ".csv", "month=2024-01/kind=a%2Fb")], rows_in=2)
    outcome = head("out", "--json")
    assert json.loads(outcome.stdout)["head"] == [
        {"id": 7, "p": 0.5, "month": "2024-01", "kind": "a/b"},
        {"id": 8, "p": None, "month": "2024-01", "kind": "a/b"},
    ]
