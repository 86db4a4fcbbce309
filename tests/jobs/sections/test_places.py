"""Whole jobs whose data lie in an object store or a database, and where their secrets do not go."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from click.testing import Result as Outcome

from engine.errors import InputChanged, SpecError
from jobs import cli
from tests.engine.formats import postgres_server
from tests.engine.storage.storage_servers import Bucket, client, s3
from tests.jobs.input_jobs import (
    Heard,
    files,
    ledger,
    one_cluster,
    profiled,
    refused,
    run,
    scored,
    set_aside,
    table,
    write_job,
)
from tests.jobs.watched import CANARIES, forms, watched

pytest.importorskip("moto.server", reason="needs moto's S3 server")

_OTHERS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.fixture(scope="module", autouse=True)
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One secret in the environment, the others as files; no other credentials are there."""
    folder = tmp_path_factory.mktemp("secrets")
    with pytest.MonkeyPatch.context() as patch:
        for name in _OTHERS:
            patch.delenv(name, raising=False)
        patch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
        patch.setenv("MILLRACE_SECRETS", str(folder))
        patch.setenv("MILLRACE_SECRET_S3_KEY", CANARIES["S3_KEY"])
        for name in ("S3_SECRET", "PG"):
            (folder / name).write_text(CANARIES[name] + "\n")
        yield folder


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """URL of a server that speaks S3."""
    with s3() as url:
        yield url


@pytest.fixture(scope="module")
def cluster(secrets: Path) -> Iterator[None]:
    with one_cluster():
        yield


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    return Bucket(endpoint)


def stored(bucket: Bucket, **changes: str) -> str:
    """Return the options of ``[data.table]`` that reach the bucket."""
    options = {
        "endpoint": bucket.endpoint,
        "region": "us-east-1",
        "access_key_id": "${secret:S3_KEY}",
        "secret_access_key": "${secret:S3_SECRET}",
        **changes,
    }
    return "storage = { " + ", ".join(f'{k} = "{v}"' for k, v in options.items()) + " }"


def upload(bucket: Bucket, folder: Path) -> None:
    for path in sorted(folder.rglob("*.*")):
        bucket.put(f"in/{path.relative_to(folder)}", path.read_bytes())


def local_table(folder: Path, ending: str) -> None:
    """Write two files of a table, with a row that breaks ``x < 3``."""
    for number, first in enumerate((0, 300)):
        (folder / f"data/part={number}").mkdir(parents=True)
        path = folder / f"data/part={number}/rows.{ending}"
        high = pl.when(pl.col("id") == 7).then(9.0).otherwise(pl.col("x").clip(upper_bound=3))
        frame = table(300, first).with_columns(high.alias("x"))
        frame.write_parquet(path) if ending == "parquet" else frame.write_csv(
            path, compression="gzip"
        )


ENDINGS = ["parquet", pytest.param("csv.gz", marks=pytest.mark.long)]


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_job_on_s3_is_bit_for_bit_the_one_on_local_files(
    tmp_path: Path, bucket: Bucket, cluster: None, ending: str
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    local_table(here, ending)
    upload(bucket, here / "data")
    rule = "contract.x = { max = 3 }"
    path = f"{bucket.url}/in/part=*/*.{ending}"
    results = []
    for folder, data, location in (
        (here, rule, f"data/part=*/*.{ending}"),
        (there, f"{stored(bucket)}\n{rule}", path),
    ):
        run(write_job(folder, "profile", data=data, path=location))
        results.append(run(write_job(folder, "train", "score", data=data, path=location)))
    assert parts(there) == parts(here)
    models = [(result.model or here) / "model.txt" for result in results]
    assert models[0].read_bytes() == models[1].read_bytes()
    places = ("rows_in", "scored", "quarantined", "filtered", "reasons")
    assert [[result.ledger[name] for name in places] for result in results] == [
        [600, 599, 1, 0, {"x: max 3": 1}]
    ] * 2
    assert profiled(here / "job.toml")["columns"] == profiled(there / "job.toml")["columns"]
    (bad,) = set_aside(there / "job.toml").rows(named=True)
    assert bad["file"] == f"{bucket.url}/in/part=0/rows.{ending}" and bad["row"] == 7
    listed = json.loads(Path(results[1].folder, "plan.json").read_text())["inputs"]["table"]
    assert all(one["etag"] and one["path"].startswith("s3://") for one in listed)


def test_predictions_on_s3_are_byte_for_byte_those_on_a_disk(
    tmp_path: Path, bucket: Bucket, cluster: None
) -> None:
    local_table(tmp_path, "parquet")
    rule = "contract.x = { max = 3 }"
    here = write_job(tmp_path, "train", "score", data=rule, path="data/part=*/*.parquet")
    run(here)
    url, text = f"{bucket.url}/deep/predictions", here.read_text()
    assert text.count('output = "out"') == 1
    there = tmp_path / "s3.toml"
    there.write_text(text.replace('output = "out"', f'output = "{url}/"\n{stored(bucket)}'))
    result = run(there)
    assert "train" in result.skipped and "score" not in result.skipped
    for suffix in ("", ".quarantine"):
        on_disk = [path.read_bytes() for path in sorted((tmp_path / f"out{suffix}").iterdir())]
        assert list(bucket.contents(f"deep/predictions{suffix}/").values()) == on_disk
    assert result.to_dict()["predictions"] == f"{url}/"
    assert "score" in run(there).skipped
    options = ("endpoint", "region", "access_key_id", "secret_access_key")
    given = (bucket.endpoint, "us-east-1", "${secret:S3_KEY}", "${secret:S3_SECRET}")
    stores = [f"--storage={name}={value}" for name, value in zip(options, given, strict=True)]
    told = CliRunner().invoke(cli.main, ["verify", url, *stores, "--json"])
    assert told.exit_code == 0 and json.loads(told.stdout)["problems"] == []
    last = next(reversed(bucket.contents("deep/predictions/part")))
    bucket.put(last, b"changed")
    told = CliRunner().invoke(cli.main, ["verify", url, *stores])
    assert told.exit_code == 1 and "7 bytes instead of" in told.stdout
    told = CliRunner().invoke(cli.main, ["gc", url, *stores, "--days=0", "--dry-run"])
    assert told.exit_code == 0 and told.stdout == "nothing to delete\n"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("act", ["overwritten", "deleted"])
def test_an_object_that_changes_after_the_plan_ends_the_job(
    tmp_path: Path, bucket: Bucket, cluster: None, act: str, ending: str
) -> None:
    local_table(tmp_path, ending)
    upload(bucket, tmp_path / "data")
    key = f"in/part=1/rows.{ending}"
    same = (tmp_path / f"data/part=0/rows.{ending}").read_bytes()
    change = (lambda: bucket.delete(key)) if act == "deleted" else lambda: bucket.put(key, same)
    for step, section in (("profile", "profile"), ("train", "train")):
        path = f"{bucket.url}/in/**/*.{ending}"
        job = write_job(tmp_path / step, section, data=stored(bucket), path=path)
        told = "vanished" if act == "deleted" else "changed"
        refused(job, InputChanged, told, f"{bucket.url}/{key}", reporter=Heard(step, change))
        assert not (job.parent / "models").exists()
        upload(bucket, tmp_path / "data")


def test_a_secret_that_only_the_driver_knows_is_told_by_name(
    tmp_path: Path, bucket: Bucket, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets never travel: each worker looks them up itself."""
    files(tmp_path, table(50))
    upload(bucket, tmp_path / "data")
    monkeypatch.setenv("MILLRACE_SECRET_LATE", "of the driver alone")
    late = stored(bucket, secret_access_key="${secret:LATE}")
    job = write_job(tmp_path, "profile", data=late, path=f"{bucket.url}/in")
    error = refused(job, SpecError, "no value on this machine", "${secret:LATE}")
    assert error.exit_code == 2 and "of the driver" not in str(error)


def millrace(*args: object) -> Outcome:
    return CliRunner().invoke(cli.main, [str(arg) for arg in args])


@pytest.mark.parametrize("command", [("plan",), ("plan", "--json"), ("run",), ("profile",)])
def test_a_secret_that_is_nowhere_is_told_by_name(
    tmp_path: Path, bucket: Bucket, command: tuple[str, ...]
) -> None:
    files(tmp_path, table(50))
    upload(bucket, tmp_path / "data")
    gone = stored(bucket, secret_access_key="${secret:NOBODY}")
    job = write_job(tmp_path, "train", data=gone, path=f"{bucket.url}/in")
    outcome = millrace(*command, job)
    assert outcome.exit_code == 2 and outcome.stdout == ""
    assert "${secret:NOBODY}" in outcome.stderr and "MILLRACE_SECRET_NOBODY" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert_hidden(outcome.output)


def test_a_wrong_secret_is_refused_without_showing_it(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, table(50))
    upload(bucket, tmp_path / "data")
    key = user_with_all_rights(bucket)["AccessKeyId"]
    settings = pytest.importorskip("moto.settings")
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
    monkeypatch.setenv("MILLRACE_SECRET_S3_USER", key)
    wrong = stored(bucket, access_key_id="${secret:S3_USER}")
    job = write_job(tmp_path, "train", data=wrong, path=f"{bucket.url}/in")
    for command in ("plan", "run"):
        outcome = millrace(command, job)
        assert outcome.exit_code == 1 and outcome.stdout == ""
        assert "the store refuses the credentials (403" in outcome.stderr
        assert f"{bucket.url}/in" in outcome.stderr and "Traceback" not in outcome.stderr
        assert_hidden(outcome.output)
        assert key not in outcome.output


def user_with_all_rights(bucket: Bucket) -> dict[str, str]:
    """Return the access key of a user whose signatures the server checks."""
    iam, user = client(bucket.endpoint, "iam"), f"u{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy)
    made: dict[str, str] = iam.create_access_key(UserName=user)["AccessKey"]
    return made


def assert_hidden(text: str) -> None:
    assert not [form for form in forms() if form.decode() in text]


def test_the_search_for_canaries_finds_one(tmp_path: Path) -> None:
    """The tests below prove something only if this one holds."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_bytes(b"..." + CANARIES["PG"].encode() + b"...")
    told = (
        "import sys, time; print(sys.argv[1]); open('left', 'w').write(sys.argv[2]); time.sleep(1)"
    )
    found = watched(["-c", told, CANARIES["S3_KEY"], CANARIES["S3_SECRET"]], tmp_path, tmp_path)
    assert found.code == 0
    assert {"stdout", "command line", "deep/file", "left"} <= found.leaks


@pytest.fixture(scope="module")
def database() -> Iterator[postgres_server.Postgres]:
    pytest.importorskip("adbc_driver_postgresql.dbapi", reason="needs millrace[sql]")
    if not postgres_server.BINARIES.exists():
        pytest.skip(f"PostgreSQL 15 is not installed: no {postgres_server.BINARIES}")
    with postgres_server.running() as started:
        columns = "id bigint primary key, x float8, n bigint, kind text"
        started.run(
            f"create table today ({columns})",
            "insert into today select i, i / 50.0 - 1, i % 50, substr('abc', i % 3 + 1, 1) "
            "from generate_series(1, 200) as i",
        )
        yield started


_SCORE_DATABASE = """
[data.today]
path = "{path}"
key = ["id"]
sql = {{ table = "today" }}
storage = {{ user = "mill", password = "${{secret:PG}}" }}
contract.x = {{ max = 2.5 }}
"""


@pytest.fixture
def canary_job(tmp_path: Path, bucket: Bucket, database: postgres_server.Postgres) -> Path:
    """A job that profiles and trains from S3 and scores a database table."""
    files(tmp_path / "source", table(400))
    upload(bucket, tmp_path / "source/data")
    job = write_job(
        tmp_path / "job",
        "profile",
        "train",
        "score",
        data=stored(bucket) + _SCORE_DATABASE.format(path=database.location),
        path=f"{bucket.url}/in/",
    )
    head, tail = job.read_text().split("[score]")
    job.write_text(head + "[score]" + tail.replace('data = "table"', 'data = "today"'))
    return job


@pytest.mark.slow
def test_no_secret_is_left_anywhere(canary_job: Path, tmp_path: Path) -> None:
    """Run folder, bundle, records, page, output, workers' folders, command lines and streams."""
    folder = canary_job.parent
    found = watched(
        ["-m", "jobs.cli", "run", canary_job, "--store", folder / "runs"], tmp_path, folder
    )
    assert found.code == 0, found.stderr
    assert found.leaks == set()
    assert scored(canary_job).height == 175
    assert ledger(canary_job) == {"postgres#public.today": (200, 175, 25, 0)}
    for name in ("job.json", "plan.json", "events.jsonl", "report.html"):
        assert list(folder.glob(f"runs/*/{name}")), name
    assert list(folder.glob("models/m/v1/provenance.json")) and profiled(canary_job)["rows"] == 400
    assert found.searched["worker folders"] > 0
    planned = watched(["-m", "jobs.cli", "plan", canary_job, "--json"], tmp_path, folder)
    assert planned.code == 0 and planned.leaks == set()
    assert json.loads(planned.stdout)["inputs"].keys() == {"table", "today"}


@pytest.mark.slow
@pytest.mark.long
def test_no_secret_is_left_by_a_cluster_that_stays_up(
    canary_job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers resolve the secrets in processes that outlive the run: logs, keeper's files."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    section = '[cluster]\nworkers = 1\nmemory = "1 GiB"\n'
    (tmp_path / "kept.toml").write_text(section)
    text = canary_job.read_text()
    assert section in text
    canary_job.write_text(text.replace(section, '[cluster]\nkind = "address"\naddress = "kept"\n'))
    command = ["-m", "jobs.cli", "cluster"]
    try:
        up = watched([*command, "up", tmp_path / "kept.toml"], tmp_path, tmp_path)
        assert (up.code, up.leaks) == (0, set()), up.stderr
        run_it = ["-m", "jobs.cli", "run", canary_job, "--store", tmp_path / "runs"]
        found = watched(run_it, tmp_path, canary_job.parent)
        assert (found.code, found.leaks) == (0, set()), found.stderr
        assert scored(canary_job).height == 175
        told = watched([*command, "status", "kept", "--json"], tmp_path, tmp_path)
        assert (told.code, told.leaks) == (0, set()), told.stderr
        kept = tmp_path / "home/.millrace/clusters/kept"
        searched = {path.name for path in told.seen if kept in path.parents}
        assert {"spec.json", "keeper.json", "cluster.json", "log"} <= searched
    finally:
        down = watched([*command, "down", "kept"], tmp_path, tmp_path)
    assert (down.code, down.leaks) == (0, set()), down.stderr
    assert not kept.exists()


def test_no_secret_is_shown_when_a_job_fails(
    canary_job: Path, tmp_path: Path, bucket: Bucket
) -> None:
    """With --debug too, which shows the traceback."""
    folder = canary_job.parent
    canary_job.write_text(canary_job.read_text().replace(bucket.url, "s3://not-there"))
    for debug in ([], ["--debug"]):
        found = watched(["-m", "jobs.cli", "run", canary_job, *debug], tmp_path, folder)
        assert found.code == 1 and "no such bucket" in found.stderr
        assert ("Traceback" in found.stderr) == bool(debug)
        assert found.leaks == set()


def test_a_wrong_password_of_a_database_is_not_shown(
    canary_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLRACE_SECRET_PG", CANARIES["S3_SECRET"])
    outcome = millrace("plan", canary_job)
    assert outcome.exit_code == 1 and "Traceback" not in outcome.stderr
    assert "postgresql://127.0.0.1" in outcome.stderr
    assert_hidden(outcome.output)
