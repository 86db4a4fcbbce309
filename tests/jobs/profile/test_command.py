"""`millrace profile`: what is printed and what is left, from a folder and from a job file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from engine.errors import SpecError
from jobs.cli import main
from jobs.profile.job import profile_job
from jobs.runs.store import Store

ROWS = 5_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files of a table whose column `leak` gives the target away."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "data").mkdir()
    draw = np.random.default_rng(5)
    for part in range(2):
        y = draw.random(ROWS) < 0.3
        frame = pl.DataFrame(
            {
                "id": range(part * ROWS, (part + 1) * ROWS),
                "x": draw.normal(size=ROWS),
                "leak": y + draw.normal(0, 0.05, ROWS),
                "kind": draw.choice(["a", "b", "<c>"], ROWS),
                "y": y,
            }
        )
        frame.write_csv(folder / "data" / f"{part}.csv")
    return folder


def run(home: Path, *arguments: str, code: int = 0) -> str:
    store = ("--store", str(home / "runs"))
    done = CliRunner().invoke(main, ["profile", *arguments, *store])
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.output


@pytest.fixture(scope="module")
def profile(home: Path) -> dict[str, object]:
    """The profile of the folder, as ``--json`` prints it; its files are in ``home/out``."""
    arguments = ("--target", "y", "--output", str(home / "out"), "--write-contract", "--json")
    found: dict[str, object] = json.loads(run(home, str(home / "data"), *arguments))
    return found


def test_the_figures_are_those_of_polars(home: Path, profile: dict[str, object]) -> None:
    table = pl.read_csv(home / "data" / "*.csv")
    columns = {c["name"]: c for c in profile["columns"]}  # type: ignore[attr-defined]
    assert list(columns) == table.columns
    assert profile["rows"] == table.height
    for name in ("id", "x", "leak"):
        found, values = columns[name], table[name].cast(pl.Float64)
        assert (found["min"], found["max"]) == (values.min(), values.max())
        assert found["mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert found["std"] == pytest.approx(values.std(), rel=1e-9)
        assert found["missing"] == 0
    tops = {top["value"]: top["count"] for top in columns["kind"]["top"]}
    assert tops == dict(table["kind"].value_counts().iter_rows())


def test_the_leak_is_a_suspect_and_the_rest_is_not(profile: dict[str, object]) -> None:
    leaks = [s["column"] for s in profile["suspects"] if s["kind"] == "leakage"]  # type: ignore[attr-defined]
    assert leaks == ["leak"]


def test_the_files_are_there(home: Path, profile: dict[str, object]) -> None:
    assert json.loads((home / "out" / "profile.json").read_text()) == profile
    page = (home / "out" / "profile.html").read_text()
    assert "&lt;c&gt;" in page or "\\u003cc" in page
    assert "<c>" not in page


def test_the_same_again_is_not_computed_again(home: Path, profile: dict[str, object]) -> None:
    arguments = ("--target", "y", "--output", str(home / "out"), "--write-contract")
    text = run(home, str(home / "data"), *arguments)
    assert "leak" in text and "10,000" in text
    told = {event.name for event in Store.at(home / "runs").find("@last").told()}
    assert "skipped" in told and "step_started" not in told


def test_the_data_meet_the_contract_that_was_written(
    home: Path, profile: dict[str, object]
) -> None:
    text = (home / "out" / "contract.toml").read_text()
    ((name, section),) = tomllib.loads(text)["data"].items()
    kinds = {column: rule["type"] for column, rule in section["contract"].items()}
    assert kinds == {
        "id": "int64",
        "x": "float64",
        "leak": "float64",
        "kind": "string",
        "y": "bool",
    }
    job = home / "job.toml"
    job.write_text(f'name = "again"\n[data.{name}]\npath = "data"\n{text}')
    found = json.loads(run(home, str(job), "--json"))
    assert found["ledger"]["good"] == 2 * ROWS
    job.write_text(job.read_text().replace("max = 1.", "max = 0."))
    found = json.loads(run(home, str(job), "--json"))
    bad = (pl.read_csv(home / "data" / "*.csv")["leak"] > 0.4).sum()
    assert found["ledger"]["quarantined"] == bad > 0


def test_a_job_file_with_several_tables_asks_which(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.write_text('name = "x"\n[data.a]\npath = "a"\n[data.b]\npath = "b"\n')
    with pytest.raises(SpecError, match="several tables: a, b"):
        profile_job(str(job), None, None, None, False)
    chosen = profile_job(str(job), "b", "y", None, False)
    assert chosen.profile is not None
    assert (chosen.profile.data, chosen.profile.target) == ("b", "y")
    with pytest.raises(SpecError, match=r"no \[data\.c\]"):
        profile_job(str(job), "c", None, None, False)
