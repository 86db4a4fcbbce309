"""The first two commands of a new user, on every kind of data: `init` and `plan`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from jobs import cli
from jobs.spec.jobfile import load_job
from tests.engine.storage.storage_servers import Bucket, s3
from tests.jobs.input_jobs import table

ROWS = table(300)
Millrace = Callable[..., Result]


@pytest.fixture
def millrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Millrace:
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(cli.main, [str(arg) for arg in args])


def _csv_gz(folder: Path) -> None:
    (folder / "data").mkdir()
    for number in (0, 1):
        part = ROWS[150 * number : 150 * (number + 1)]
        part.write_csv(folder / f"data/{number}.csv.gz", compression="gzip")


def _hive(folder: Path) -> None:
    for (kind,), part in ROWS.group_by("kind"):
        (folder / f"data/kind={kind}").mkdir(parents=True)
        part.drop("kind").write_parquet(folder / f"data/kind={kind}/0.parquet")


def _delta(folder: Path, by: str | None = None) -> None:
    pytest.importorskip("deltalake", reason="needs millrace[delta]")
    options = {"partition_by": [by]} if by else {}
    ROWS.write_delta(folder / "data", delta_write_options=options)


WRITERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "csv.gz": (_csv_gz, "data"),
    "csv.gz glob": (_csv_gz, "data/*.csv.gz"),
    "tsv": (lambda folder: ROWS.write_csv(folder / "rows.tsv", separator="\t"), "rows.tsv"),
    "ndjson": (lambda folder: ROWS.write_ndjson(folder / "rows.ndjson"), "rows.ndjson"),
    "ipc": (lambda folder: ROWS.write_ipc(folder / "rows.arrow"), "rows.arrow"),
    "feather": (lambda folder: ROWS.write_ipc(folder / "rows.feather"), "rows.feather"),
    "delta": (_delta, "data"),
    "delta by kind": (lambda folder: _delta(folder, "kind"), "data"),
    "hive": (_hive, "data"),
    "hive glob": (_hive, "data/kind=*/*.parquet"),
    "hive deep glob": (_hive, "data/**/*.parquet"),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_init_and_plan_of_every_kind_of_data(millrace: Millrace, tmp_path: Path, kind: str) -> None:
    write, location = WRITERS[kind]
    write(tmp_path)
    made = millrace("init", location)
    assert made.exit_code == 0, made.stderr
    job = load_job("job.toml")
    assert job.train is not None and job.features is not None
    assert (job.train.target, job.train.task) == ("label", "binary")
    assert job.data["table"].key == ("id",)
    used = {column for step in job.features.steps for column in step.columns}
    assert used == {"x", "n", "kind"}
    planned = millrace("plan", "job.toml")
    assert planned.exit_code == 0, planned.stderr
    assert planned.stderr == "" and "the job fits" in planned.stdout
    lines = [line.split() for line in planned.stdout.splitlines()]
    assert lines[1][0] == "table" and "300" in lines[1]
    assert [line[2] for line in lines[4:8]] == ["300"] * 4
    values = json.loads(millrace("plan", "job.toml", "--json").stdout)
    for listed in values["inputs"]["table"]:
        assert Path(listed["path"]).is_file() and listed["size"] and listed["digest"]


@pytest.mark.parametrize(
    ("name", "content", "code", "told"),
    [
        ("empty", None, 1, "no data files here"),
        ("dlog/_delta_log", None, 1, "no Delta table here"),
        ("zero.csv", b"", 1, "empty (0 bytes)"),
        ("cut.parquet", b"PAR1 and no more", 1, "not a readable Parquet file"),
        ("no.arrow", b"this is not Arrow", 1, "no.arrow"),
        ("binary.csv", b"\xff\xfe\x00\xd8junk", 1, "binary.csv"),
        ("no.csv.gz", b"\x1f\x8b and no more", 1, "no.csv.gz"),
        ("no.ndjson", b"no json\n", 1, "no.ndjson"),
        ("nested.ndjson", b'{"a": [1, 2], "b": 1}\n', 0, "wrote"),
        ("header.csv", b"a,b,a\n1,2,3\n", 1, "repeated column names: a"),
    ],
)
def test_what_cannot_be_read_is_named_in_a_line(
    millrace: Millrace, tmp_path: Path, name: str, content: bytes | None, code: int, told: str
) -> None:
    path = tmp_path / name
    if content is None:
        path.mkdir(parents=True)
    else:
        path.write_bytes(content)
    location = name.split("/")[0]
    result = millrace("init", location)
    assert result.exit_code == code, result.output
    assert told in result.output and "Traceback" not in result.output
    assert "defect in millrace" not in result.output
    assert code == 0 or (location in result.stderr and not Path("job.toml").exists())


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket that the environment alone says how to reach."""
    with s3() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
        yield Bucket(url)


def test_init_and_plan_of_a_url(millrace: Millrace, bucket: Bucket, tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "0.parquet")
    bucket.put("in/0.parquet", (tmp_path / "0.parquet").read_bytes())
    assert millrace("init", f"{bucket.url}/in").exit_code == 0
    planned = millrace("plan", "job.toml")
    assert planned.exit_code == 0, planned.stderr


def test_an_endpoint_of_the_environment_without_tls_is_refused_off_this_machine(
    millrace: Millrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.example")
    result = millrace("init", "s3://bucket/in")
    assert result.exit_code == 2 and "without TLS" in result.stderr


def test_a_profile_of_a_format_that_only_the_job_file_knows(
    millrace: Millrace, tmp_path: Path
) -> None:
    """A file without a known ending is planned when its format is said."""
    ROWS.write_csv(tmp_path / "rows.txt", separator="|")
    text = '[data.t]\npath = "rows.txt"\ncsv = { delimiter = "|" }\n[profile]\ndata = "t"\n'
    (tmp_path / "job.toml").write_text('name = "x"\n' + text)
    result = millrace("plan", "job.toml")
    assert result.exit_code == 0 and "300" in result.stdout
    assert pl.read_csv(tmp_path / "rows.txt", separator="|").height == 300
