"""Where the rows go: folders, CSV, Delta Lake; one job each, and what is refused before it runs."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from engine.errors import MillraceError, SpecError
from engine.formats.database.postgres import Server
from engine.storage import Access
from engine.targets import DeltaTarget
from jobs.runs.store import Store
from jobs.show.head import head
from jobs.show.outputs import verified
from jobs.spec.jobfile import JobFileError, load_job
from tests.engine.formats import postgres_server
from tests.jobs.input_jobs import (
    files,
    one_cluster,
    plan,
    refused_by_plan,
    run,
    scored,
    table,
    trained,
    write_job,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A trained model, and one worker for all jobs."""
    with one_cluster():
        yield trained(tmp_path_factory.mktemp("trained"))


def job(folder: Path, model: Path, more: str) -> Path:
    """A job over three files, one of which has a bad row."""
    files(folder, table(400), table(300, 400), table(200, 700))
    bound = "contract.n = { max = 48 }"
    return write_job(folder, "score", data=bound, model=model, more=f'columns = ["kind"]\n{more}')


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_folders_and_files_of_so_many_rows(tmp_path: Path, model: Path) -> None:
    plain = job(tmp_path / "plain", model, "")
    result = run(plain)
    cut = job(tmp_path / "cut", model, 'partition_by = ["kind"]\nrows_per_file = 50\n')
    run(cut)
    out = tmp_path / "cut/out"
    assert {path.name for path in out.iterdir()} == {"_SUCCESS", "kind=a", "kind=b", "kind=c"}
    found = pl.read_parquet(f"{out}/**/*.parquet", hive_schema={"kind": pl.String})
    assert_frame_equal(found.sort("id"), scored(plain).sort("id"), check_column_order=False)
    assert result.ledger["quarantined"] == pl.read_parquet(tmp_path / "cut/out.quarantine").height
    written = sorted(out.rglob("*.parquet"))
    sizes = [pq.read_metadata(path).num_rows for path in written]
    assert max(sizes) == 50 and len(written) > 18
    kinds = {tuple(pq.read_schema(path).names) for path in written}
    assert len(kinds) == 1 and "kind" not in kinds.pop()
    facts = {tuple(sorted(pq.read_metadata(path).metadata.items())) for path in written}
    (told,) = ({k.decode(): v.decode() for k, v in fact} for fact in facts)
    assert len(told["millrace.model"]) == len(told["millrace.input"]) == 64
    before = digests(out)
    assert run(cut).skipped == ["score"] and digests(out) == before


def test_rows_are_appended_once_and_versions_are_numbered(tmp_path: Path, model: Path) -> None:
    path = job(tmp_path, model, 'if_exists = "append"\npartition_by = ["kind"]\n')
    (tmp_path / "out/kind=a").mkdir(parents=True)
    theirs = pl.DataFrame({"id": [-1], "prediction": [True], "probability": [0.5]})
    theirs.write_parquet(tmp_path / "out/kind=a/theirs.parquet")
    first = run(path)
    assert run(path).skipped == ["score"]
    data = (tmp_path / "data").rename(tmp_path / "before")
    files(tmp_path, table(50, 5_000))
    second = run(path)
    assert str(second.predictions) in Path(second.report).read_text()
    assert first.predictions != second.predictions
    found = pl.read_parquet(tmp_path / "out/**/*.parquet", columns=["id"])["id"]
    assert found.len() == found.n_unique() == first.ledger["scored"] + second.ledger["scored"] + 1
    assert verified(str(tmp_path / "out"), Access())["problems"] == []
    shutil.rmtree(tmp_path / "data")
    data.rename(tmp_path / "data")
    again = run(path)
    assert (again.skipped, again.predictions) == (["score"], first.predictions)
    assert (
        head("@last", Store.at(Path(again.folder).parent), Access(), 3)["rows"]
        == first.ledger["scored"]
    )
    path.write_text(path.read_text().replace('"append"', '"version"').replace('"out"', '"all"'))
    assert run(path).predictions == run(path).predictions == tmp_path / "all/version-0001"
    latest = pl.read_parquet(tmp_path / "all/latest/**/*.parquet")["id"]
    assert set(latest) | {-1} | set(range(5_000, 5_050)) == set(found) | set(range(5_000, 5_050))


def test_csv_for_a_spreadsheet(tmp_path: Path, model: Path) -> None:
    path = job(tmp_path, model, 'format = "csv.gz"\nrename = { probability = "=p" }\n')
    data = [pl.read_parquet(tmp_path / f"data/{i}.parquet") for i in range(3)]
    evil = pl.when(pl.col("kind") == "b").then(pl.lit("=b")).otherwise("kind").alias("kind")
    files(tmp_path, *(frame.with_columns(evil) for frame in data))
    run(path)
    written = sorted((tmp_path / "out").glob("part-*.csv.gz"))
    assert written and list((tmp_path / "out.quarantine").glob("*.parquet"))
    found = pl.concat(pl.read_csv(one) for one in written)
    assert found.columns == ["id", "kind", "prediction", "'=p"]
    assert set(found["kind"]) == {"a", "'=b", "c"}
    assert found["id"].is_sorted() and found["'=p"].is_between(0, 1).all()


@pytest.mark.parametrize(
    ("more", "where", "told"),
    [
        ('partition_by = ["x"]\ncolumns = ["x"]', "score.partition_by", "which is Float64"),
        ('partition_by = ["z"]', "score.partition_by", "the output has no column 'z'"),
        ('format = "csv"\ncolumns = ["span"]', "format", "CSV cannot hold column 'span'"),
        ('format = "delta"\ncolumns = ["at"]', "format", "cannot hold column 'at'"),
    ],
)
def test_what_does_not_go_into_files_is_refused_by_the_plan(
    tmp_path: Path, model: Path, more: str, where: str, told: str
) -> None:
    frame = table(20).with_columns(span=pl.duration(hours=1), at=pl.time(8))
    files(tmp_path, frame)
    error = refused_by_plan(
        write_job(tmp_path, "score", model=model, more=more + "\n"), SpecError, told
    )
    assert error.where == where


@pytest.mark.parametrize(
    ("more", "key", "told"),
    [
        ("formula_safe = false", "score.formula_safe", "is an option of CSV"),
        ('rows_per_file = 5\nfile_size = "1 MiB"', "score.file_size", "give one of them"),
        ('file_size = "1 MB"', "score.file_size", "should be a size such as"),
        ('file_size = "0 MiB"', "score.file_size", "should be a size such as"),
        ('if_exists = "replace"', "score.if_exists", "version"),
        ('format = "delta"\nif_exists = "version"', "score.if_exists", "keeps its versions itself"),
        ('format = "csv.bz2"', "score.format", "csv.gz"),
        ('partition_by = ["_k", "a=b"]', "score.partition_by[0]", "no name of a folder"),
        ('partition_by = ["a=b"]', "score.partition_by[0]", "no name of a folder"),
        ('database = { url = "postgresql://h/d", table = "t" }', "score.database.table", "schema"),
        (
            'format = "csv"\ndatabase = { url = "postgresql://h/d", table = "s.t" }',
            "score.database",
            "goes with Parquet files",
        ),
    ],
)
def test_problems_of_the_section_have_their_key(
    tmp_path: Path, more: str, key: str, told: str
) -> None:
    with pytest.raises(JobFileError) as refused:
        load_job(write_job(tmp_path, "score", more=more + "\n"))
    assert f"{key}: " in str(refused.value) and told in str(refused.value)


def test_a_size_is_read(tmp_path: Path, model: Path) -> None:
    files(tmp_path, table(20))
    path = write_job(tmp_path, "score", model=model, more='file_size = "1.5 MiB"\n')
    scoring = plan(path).scoring
    assert scoring is not None
    assert scoring.spec.encoding({}).file_bytes == 3 * 2**19


def test_a_delta_table_of_two_runs(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deltalake = pytest.importorskip("deltalake", reason="needs millrace[delta]")
    path = job(tmp_path, model, 'format = "delta"\nif_exists = "append"\npartition_by = ["kind"]\n')
    with monkeypatch.context() as patch:
        patch.setattr(DeltaTarget, "_landed", _lost)
        with pytest.raises(MillraceError, match="power cut"):
            run(path)
    assert not (tmp_path / "out/_delta_log").exists()
    result = run(path)
    assert result.skipped == [] and run(path).skipped == ["score"]
    first = pl.read_delta(str(tmp_path / "out"))
    assert first.height == result.ledger["scored"] == first["id"].n_unique()
    assert set(first["kind"]) == {"a", "b", "c"}
    bad = pl.read_parquet(tmp_path / "out.parts/*.quarantine/*.parquet")
    assert bad.height == result.ledger["quarantined"] > 0
    shutil.rmtree(tmp_path / "data")
    files(tmp_path, table(50, 5_000))
    added = run(path).ledger["scored"]
    found = pl.read_delta(str(tmp_path / "out"))
    assert found["id"].n_unique() == found.height > first.height
    assert deltalake.DeltaTable(tmp_path / "out").version() == 1
    assert found.height == first.height + added


def _lost(*_: object) -> bool:
    raise MillraceError("power cut")


def test_a_database_gets_the_rows_that_the_files_have(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("adbc_driver_postgresql", reason="needs millrace[sql]")
    if not postgres_server.BINARIES.is_dir():
        pytest.skip("needs a PostgreSQL server")
    monkeypatch.setenv("MILLRACE_SECRET_PG", postgres_server.PASSWORD)
    with postgres_server.running() as server:
        path = job(
            tmp_path,
            model,
            "[score.database]\n"
            f'url = "{server.location}"\ntable = "public.scores"\n'
            'options = { user = "mill", password = "${secret:PG}" }\n',
        )
        run(path)
        assert run(path).skipped == ["score"]
        reader = Server.of(server.location, server.access)
        with reader.transaction("a test") as transaction:
            rows = transaction.rows("select id, kind, probability from scores order by id")
    expected = scored(path).sort("id").select("id", "kind", "probability")
    assert pl.DataFrame(rows, schema=expected.schema).equals(expected)
