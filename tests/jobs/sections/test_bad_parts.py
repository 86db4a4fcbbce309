"""Parts that fail: one ends the job, or is set aside with every row accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from engine.commit import Manifest
from engine.data.dataset import Dataset
from engine.errors import ContractRefused, InputError, OutputRefused, TaskFailed
from jobs import cli
from tests.jobs.input_jobs import (
    Heard,
    one_cluster,
    refused,
    run,
    scored,
    set_aside,
    table,
    trained,
    write_job,
)

ASIDE = 'on_bad_part = "quarantine"\n'
ROWS, GROUP = 240, 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A trained model, while a cluster stands that all jobs of this module use."""
    with one_cluster():
        yield trained(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the data into several parts: three row groups each."""
    monkeypatch.setattr(Dataset, "target_bytes", lambda *_: 6_000)


def write(folder: Path, number: int, *damaged: int, column: str = "x") -> Path:
    """Write a file of `ROWS` rows in groups of `GROUP`, with a bit flipped in some groups."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    path = folder / f"data/{number}.parquet"
    rows = table(ROWS, number * ROWS).to_arrow()
    pq.write_table(
        rows,
        path,
        row_group_size=GROUP,
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )
    content = bytearray(path.read_bytes())
    meta = pq.read_metadata(path)
    for group in damaged:
        chunk = meta.row_group(group).column(rows.schema.names.index(column))
        content[chunk.data_page_offset + chunk.total_compressed_size - 3] ^= 1
    path.write_bytes(content)
    return path


def job_of(folder: Path, model: Path, more: str = ASIDE, data: str = "", damaged: int = 4) -> Path:
    """Write a job over three files; one row group of the second is damaged."""
    for number in range(3):
        write(folder, number, *((damaged,) if number == 1 else ()))
    return write_job(folder, "score", model=model, more=more, data=data)


def manifest_of(job: Path) -> Manifest:
    (record,) = job.parent.glob("out.millrace/runs/*/commit.json")
    return Manifest.model_validate_json(record.read_bytes())


def test_a_damaged_page_costs_its_part_and_no_row_is_lost(tmp_path: Path, model: Path) -> None:
    heard = Heard()
    job = job_of(tmp_path, model)
    result = run(job, heard)
    manifest, path = manifest_of(job), str(tmp_path / "data/1.parquet")
    (bad,) = manifest.bad_parts
    assert bad.bad is not None and bad.data == () and path in bad.bad.error
    assert heard.warnings == [f"part {bad.part} is set aside: {bad.bad.error}"]
    # The unreadable rows are those of the damaged group, to a 64th of what was read at once.
    unread = [range(one.first, one.first + one.rows) for one in bad.bad.unread]
    lost = {row for rows in unread for row in rows}
    assert {one.file for one in bad.bad.unread} == {path}
    assert lost == set(range(4 * GROUP, 5 * GROUP)) and manifest.unread == {path: GROUP}
    aside = set_aside(job)
    assert aside["reason"].str.starts_with("part failed: ").all()
    assert aside["row"].to_list() == [row for row in rows_of(manifest, bad.part) if row not in lost]
    assert aside["id"].to_list() == [ROWS + row for row in aside["row"]]
    assert sum(manifest.reasons.values()) == manifest.quarantined == aside.height
    assert manifest.inputs[path][:3] == (ROWS - GROUP, ROWS - GROUP - aside.height, aside.height)
    assert manifest.rows_in == 3 * ROWS == manifest.scored + aside.height + GROUP
    ids = {*scored(job)["id"], *aside["id"], *(ROWS + row for row in lost)}
    assert len(ids) == 3 * ROWS and scored(job).height == manifest.scored
    assert result.ledger["unread"] == GROUP and f"part {bad.part}" in result.ledger["bad_parts"]


def rows_of(manifest: Manifest, part: int) -> range:
    """Return the rows, within its one file, of a part: parts are in file order."""
    first = sum(record.rows_in for record in manifest.parts[:part]) - ROWS
    return range(first, first + manifest.parts[part].rows_in)


def test_the_other_parts_are_what_they_would_be_without_it(tmp_path: Path, model: Path) -> None:
    whole = tmp_path / "whole"
    for number in range(3):
        write(whole, number)
    job, clean = job_of(tmp_path / "bad", model), write_job(whole, "score", model=model)
    run(job)
    run(clean)
    ids = scored(job)["id"]
    assert ids.len() == 2 * ROWS + ROWS // 2
    assert scored(job).equals(scored(clean).filter(pl.col("id").is_in(ids.implode())))


def test_a_job_that_says_nothing_fails_and_goes_on_when_it_does(
    tmp_path: Path, model: Path
) -> None:
    job = job_of(tmp_path, model, "")
    refused(job, InputError, "1.parquet")
    kept = [*tmp_path.glob("out.millrace/runs/*/parts/*.json")]
    stamps = {path: path.stat().st_mtime_ns for path in kept}
    assert kept
    job = write_job(tmp_path, "score", more=ASIDE)
    run(job)
    assert len(manifest_of(job).bad_parts) == 1
    assert {path: path.stat().st_mtime_ns for path in kept} == stamps


def test_what_an_earlier_run_set_aside_is_no_result_for_a_job_that_wants_none(
    tmp_path: Path, model: Path
) -> None:
    job = job_of(tmp_path, model)
    run(job)
    assert run(job).skipped == ["score"]
    strict = write_job(tmp_path, "score")
    with pytest.raises(TaskFailed, match="has set part") as caught:
        run(strict)
    assert caught.value.where == "score.on_bad_part" and caught.value.exit_code == 1


def test_a_mended_file_makes_another_run(tmp_path: Path, model: Path) -> None:
    job = job_of(tmp_path, model)
    run(job)
    write(tmp_path, 1)
    with pytest.raises(OutputRefused):
        run(job)
    run(write_job(tmp_path, "score", more=f'{ASIDE}if_exists = "overwrite"\n'))
    assert scored(job)["id"].to_list() == list(range(3 * ROWS))
    assert not (tmp_path / "out.quarantine").exists()


@pytest.mark.parametrize(("allowed", "fits"), [("0.11", False), ("0.25", True)])
def test_bad_parts_count_for_the_share_that_is_allowed(
    tmp_path: Path, model: Path, allowed: str, fits: bool
) -> None:
    job = job_of(tmp_path, model, data=f"max_bad = {allowed}")
    if fits:
        run(job)
        return
    error = refused(job, ContractRefused, "could not be read", "part failed")
    assert error.where == "data.table.max_bad"


def test_when_every_part_fails_it_is_not_the_parts(tmp_path: Path, model: Path) -> None:
    for number in range(2):
        write(tmp_path, number, *range(ROWS // GROUP))
    job = write_job(tmp_path, "score", model=model, more=ASIDE)
    refused(job, InputError, ".parquet")
    assert not [*tmp_path.glob("out.millrace/runs/*/parts/*.json")]  # a rerun tries them again


def test_rows_of_a_bad_part_keep_the_reason_that_is_their_own(tmp_path: Path, model: Path) -> None:
    rules = "contract.n = { max = 30 }\nwhere = \"kind <> 'a'\""
    job = job_of(tmp_path, model, data=rules)
    run(job)
    manifest = manifest_of(job)
    (bad,) = manifest.bad_parts
    data = pl.concat([table(ROWS, number * ROWS) for number in range(3)])
    part = data.filter(pl.col("id").is_in([ROWS + row for row in rows_of(manifest, bad.part)]))
    lost = [ROWS + row for row in range(4 * GROUP, 5 * GROUP)]
    left = part.filter(~pl.col("id").is_in(lost))
    broken, rest = left.filter(pl.col("n") > 30), left.filter(pl.col("n") <= 30)
    assert bad.reasons["n: max 30"] == broken.height > 0
    assert bad.filtered == rest.filter(pl.col("kind") == "a").height > 0
    assert bad.quarantined == broken.height + rest.filter(pl.col("kind") != "a").height
    assert bad.lost == 0
    aside = set_aside(job).filter(pl.col("id").is_in(part["id"].implode()))
    assert set(aside.filter(pl.col("rule") == "max 30")["id"]) == set(broken["id"])


def test_a_row_that_must_not_be_bad_ends_the_job_in_a_bad_part_too(
    tmp_path: Path, model: Path
) -> None:
    # Only rows of the bad part break the rule, and that part is never checked before.
    for number in range(3):
        write(tmp_path, number, *((4,) if number == 1 else ()))
    rule = f'on_bad_rows = "fail"\ncontract.checks = ["id <> {ROWS + 5 * GROUP + 1}"]'
    job = write_job(tmp_path, "score", model=model, more=ASIDE, data=rule)
    refused(job, ContractRefused, "break the contract")


def test_the_command_line_and_the_page_show_what_was_set_aside(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path, model)
    monkeypatch.chdir(tmp_path)
    outcome = CliRunner().invoke(cli.main, ["run", str(job), "--json"])
    assert outcome.exit_code == 0
    found = json.loads(outcome.stdout)
    ledger = found["ledger"]
    assert ledger["rows_in"] == ledger["scored"] + ledger["quarantined"] + ledger["unread"]
    page = Path(found["report"]).read_text()
    assert "Balanced" in page and "Parts set aside" in page and "Could not be read" in page
    outcome = CliRunner().invoke(cli.main, ["status"])
    assert "unread" in outcome.stdout and "bad_parts" in outcome.stdout
    outcome = CliRunner().invoke(cli.main, ["head", "-n", "2", "--json"])
    shown = json.loads(outcome.stdout)
    assert [row["id"] for row in shown["head"]] == [0, 1]
    assert (shown["rows"], shown["bad_parts"]) == (ledger["scored"], 1)
