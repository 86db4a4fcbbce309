"""Rows that break the contract: they are kept apart, or the job ends with exit code 3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from engine.errors import ContractRefused
from jobs import cli
from tests.jobs.input_jobs import (
    files,
    ledger,
    one_cluster,
    profiled,
    refused,
    run,
    set_aside,
    table,
    trained,
    write_job,
)

SECTIONS = ("train", "score", "profile")
BAD = (60, 260, 261)  # ids; 60 is row 60 of file 0, the others rows 10 and 11 of file 1


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A trained model, while a cluster stands that all jobs of this module use."""
    with one_cluster():
        yield trained(tmp_path_factory.mktemp("model"))


def job_of(folder: Path, model: Path, section: str, data: str) -> Path:
    """Write a job over two files of 250 rows, three rows of which break ``x < 100``."""
    high = pl.when(pl.col("id").is_in(BAD)).then(200.0).otherwise("x").alias("x")
    files(folder, *(table(250, first).with_columns(high) for first in (0, 250)))
    rule = f"{data}\ncontract.x = {{ max = 100 }}"
    return write_job(folder, section, data=rule, model=model if section == "score" else None)


@pytest.mark.parametrize("section", SECTIONS)
def test_bad_rows_are_kept_with_their_place_and_the_job_goes_on(
    tmp_path: Path, model: Path, section: str
) -> None:
    job = job_of(tmp_path, model, section, "max_bad = 0.0061")
    result = run(job)
    bad = set_aside(job)
    here = [str(tmp_path / f"data/{number}.parquet") for number in (0, 1)]
    assert bad.select("file", "place", "row", "column", "rule", "value", "reason").rows() == [
        (path, "row group 0", row, "x", "max 100", "200.0", "x = 200.0 is over max 100")
        for path, row in ((here[0], 60), (here[1], 10), (here[1], 11))
    ]
    assert section == "train" or bad["id"].to_list() == list(BAD)  # training reads no key
    if section == "score":
        assert ledger(job) == {"0.parquet": (250, 249, 1, 0), "1.parquet": (250, 248, 2, 0)}
    elif section == "profile":
        found = profiled(job)["ledger"]
        assert (found["rows"], found["quarantined"]) == (500, 3)
        assert found["reasons"] == {"x: max 100": 3}
    else:
        assert result.model is not None
        assert '"rejected":3' in (result.model / "provenance.json").read_text().replace(" ", "")


@pytest.mark.parametrize("section", SECTIONS)
def test_one_bad_row_fails_the_job_where_that_is_asked_for(
    tmp_path: Path, model: Path, section: str
) -> None:
    job = job_of(tmp_path, model, section, 'on_bad_rows = "fail"')
    error = refused(job, ContractRefused, "x = 200.0 is over max 100", "3 rows")
    assert error.exit_code == 3
    assert error.where == f"{tmp_path}/data/0.parquet, row group 0, row 60"
    assert section == "score" or not (tmp_path / "models").exists()


@pytest.mark.parametrize("section", ["train", "score"])
def test_too_many_bad_rows_fail_the_job(tmp_path: Path, model: Path, section: str) -> None:
    job = job_of(tmp_path, model, section, "max_bad = 0.0059")
    told = ("3 of 500 rows (0.60%) break the contract", "0.59% are allowed", "x: max 100 (3)")
    error = refused(job, ContractRefused, *told)
    assert error.exit_code == 3 and error.where == "data.table.max_bad"
    assert section == "score" or not (tmp_path / "models").exists()
    if section == "train":  # staged parts of a score are no quarantine yet
        assert set_aside(job)["row"].to_list() == [60, 10, 11]


@pytest.mark.parametrize("section", SECTIONS)
def test_the_command_line_ends_with_code_3(
    tmp_path: Path, model: Path, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path, model, section, 'on_bad_rows = "fail"')
    monkeypatch.chdir(tmp_path)
    outcome = CliRunner().invoke(cli.main, ["run", str(job)])
    assert outcome.exit_code == 3 and outcome.stdout == ""
    assert "0.parquet, row group 0, row 60" in outcome.stderr
    assert "is over max 100" in outcome.stderr and "Traceback" not in outcome.stderr


def test_a_job_profiles_and_trains_on_the_same_data_with_bad_rows(
    tmp_path: Path, model: Path
) -> None:
    job_of(tmp_path, model, "train", "")
    run(write_job(tmp_path, "profile", "train", data="contract.x = { max = 100 }"))


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "ndjson", "arrow"])
def test_a_bad_row_is_named_in_every_format(tmp_path: Path, model: Path, ending: str) -> None:
    frame = table(20).with_columns(x=pl.when(pl.col("id") == 7).then(200.0).otherwise("x"))
    (tmp_path / "data").mkdir()
    file = tmp_path / f"data/0.{ending}"
    if ending == "arrow":
        frame.write_ipc(file, record_batch_size=5)
    elif ending == "ndjson":
        frame.write_ndjson(file)
    else:
        frame.write_csv(file, compression="gzip" if ending == "csv.gz" else "uncompressed")
    job = write_job(tmp_path, "score", model=model, data="contract.x = { max = 100 }")
    run(job)
    assert ledger(job) == {file.name: (20, 19, 1, 0)}
    (bad,) = set_aside(job).rows(named=True)
    places = {"csv": "line 9", "csv.gz": "line 9", "ndjson": "line 8", "arrow": "record batch 1"}
    assert (bad["file"], bad["place"], bad["row"]) == (str(file), places[ending], 7)
    assert (bad["column"], bad["rule"], float(bad["value"])) == ("x", "max 100", 200)
