"""Objects of a real S3 protocol server: listed as files are, and read only while they are the same.

What moto's server does not do is not shown here: regions, throttling, TLS.
"""

from __future__ import annotations

import json
import pickle
import socket
import time
import uuid

import pytest
from storage_servers import CANARY, Bucket, client

from engine.errors import InputChanged, InputError, InputRefused, Outage, SpecError
from engine.storage import Access, list_files
from engine.storage.stores import RETRY_SECONDS

ENDINGS = (".parquet",)


def _keys(bucket: Bucket, below: str) -> list[str]:
    files = list_files(f"{bucket.url}{below}", ENDINGS, bucket.access)
    return [file.path.removeprefix(f"{bucket.url}/") for file in files]


@pytest.fixture
def months(bucket: Bucket) -> Bucket:
    """Two months of two files each, with what is not data around them."""
    for month in (2, 1):
        for part in (1, 0):
            bucket.put(f"sales/month={month}/p{part}.parquet", b"0123456789")
    for other in (
        "_SUCCESS",
        "_tmp/x.parquet",
        ".hidden.parquet",
        "readme.txt",
        "month=1/_x.parquet",
    ):
        bucket.put(f"sales/{other}")
    bucket.put("sales/month=1/", b"")
    bucket.put("sales2/other.parquet")
    return bucket


_ALL = [f"sales/month={month}/p{part}.parquet" for month in (1, 2) for part in (0, 1)]


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("/sales", _ALL),
        ("/sales/", _ALL),
        ("/sales/month=2", _ALL[2:]),
        ("/sales/month=1/p1.parquet", _ALL[1:2]),
        ("/sales/*/*.parquet", _ALL),
        ("/sales/month=[2-9]/p?.parquet", _ALL[2:]),
        ("/**/p0.parquet", _ALL[::2]),
        ("/sales/**", _ALL),
        ("/sal*/**/*.parquet", [*_ALL, "sales2/other.parquet"]),
        ("", [*_ALL, "sales2/other.parquet"]),
    ],
)
def test_a_key_a_prefix_and_a_glob_name_the_data_in_order(
    months: Bucket, below: str, expected: list[str]
) -> None:
    assert _keys(months, below) == expected


def test_folders_give_keys_also_above_the_prefix(months: Bucket) -> None:
    files = list_files(f"{months.url}/sales/month=2", ENDINGS, months.access)
    assert {file.keys for file in files} == {(("month", "2"),)}
    months.put("by/name=a%20b/x.parquet")
    (file,) = list_files(f"{months.url}/by", ENDINGS, months.access)
    assert file.keys == (("name", "a b"),)


def test_strange_keys_are_read_as_they_are(bucket: Bucket) -> None:
    for name in ("a b", "p%20q", "é", "h#h", "q?q", "plus+", "am&p"):
        bucket.put(f"odd/{name}.parquet", name.encode())
    files = list_files(f"{bucket.url}/odd", ENDINGS, bucket.access)
    assert len(files) == 7
    for file in files:
        assert f"/odd/{file.read(0, 100).decode()}.parquet" in file.path


def test_empty_objects_and_empty_places_are_errors(bucket: Bucket) -> None:
    bucket.put("zero/a.parquet", b"")
    with pytest.raises(InputError, match="0 bytes"):
        _keys(bucket, "/zero")
    with pytest.raises(InputError, match="0 bytes"):
        _keys(bucket, "/zero/a.parquet")
    with pytest.raises(SpecError, match="does not exist"):
        _keys(bucket, "/nowhere")
    with pytest.raises(InputError, match="no data files"):
        _keys(bucket, "/zero/*.csv")


def test_any_range_is_read_and_a_stream_seeks(bucket: Bucket) -> None:
    data = bytes(range(256)) * 100
    bucket.put("d/x.parquet", data)
    (file,) = list_files(f"{bucket.url}/d", ENDINGS, bucket.access)
    assert not file.local and file.size == len(data)
    for start, stop in [(0, 1), (5, 5), (100, 20_000), (25_000, 99_999), (99_999, 100_000)]:
        assert file.read(start, stop) == data[start:stop]
    with pickle.loads(pickle.dumps(file)).open() as stream:
        stream.seek(-8, 2)
        assert stream.read() == data[-8:]
        stream.seek(3)
        assert stream.read(4) == data[3:7]
        assert stream.tell() == 7
        stream.seek(0)
        assert stream.read() == data


def test_a_changed_or_deleted_object_is_told_before_its_bytes_are_used(bucket: Bucket) -> None:
    bucket.put("d/x.parquet", b"0123456789")
    (file,) = list_files(f"{bucket.url}/d", ENDINGS, bucket.access)
    file.assert_unchanged()
    stream = file.open()
    bucket.put("d/x.parquet", b"abcdefghij")
    for act in (file.assert_unchanged, lambda: file.read(2, 5), stream.read):
        with pytest.raises(InputChanged, match="changed") as caught:
            act()
        assert caught.value.where == f"{bucket.url}/d/x.parquet"
    bucket.delete("d/x.parquet")
    for act in (file.assert_unchanged, lambda: file.read(2, 5)):
        with pytest.raises(InputChanged, match="vanished"):
            act()


def test_a_bucket_that_is_not_there_is_named(bucket: Bucket) -> None:
    with pytest.raises(InputRefused, match="no such bucket") as caught:
        list_files("s3://not-there/d", ENDINGS, bucket.access)
    assert "NoSuchBucket" in caught.value.what
    assert caught.value.where == "s3://not-there/d"


def test_refused_credentials_are_told_without_the_secret(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user of the server whose signature is checked, with the right secret and a wrong one."""
    bucket.put("d/x.parquet")
    iam, user = client(bucket.endpoint, "iam"), f"u{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    settings = pytest.importorskip("moto.settings")
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
    monkeypatch.setenv("MILLRACE_SECRET_STORE_KEY", made["AccessKeyId"])
    with pytest.raises(InputRefused, match="refuses the credentials") as caught:
        list_files(f"{bucket.url}/d", ENDINGS, bucket.access)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    monkeypatch.setenv("MILLRACE_SECRET_RIGHT", made["SecretAccessKey"])
    right = Access(
        (*bucket.access.options[:3], ("secret_access_key", "${secret:RIGHT}")),
    )
    assert len(list_files(f"{bucket.url}/d", ENDINGS, right)) == 1


def test_no_credentials_at_all_is_told_as_that(bucket: Bucket) -> None:
    with pytest.raises(InputRefused, match="no credentials were found"):
        list_files(f"{bucket.url}/d", ENDINGS, Access((("endpoint", bucket.endpoint),)))


def test_a_store_that_does_not_answer_is_given_up_in_seconds() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
    access = Access((("endpoint", gone), ("skip_signature", "true")))
    began = time.monotonic()
    with pytest.raises(Outage, match="cannot reach the store"):
        list_files("s3://bucket/d", ENDINGS, access)
    assert time.monotonic() - began < RETRY_SECONDS + 10


def test_the_job_file_goes_before_the_environment(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("d/x.parquet")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    assert _keys(bucket, "/d") == ["d/x.parquet"]


def test_the_environment_alone_is_enough(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("d/x.parquet")
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    access = Access((("allow_http", "true"),))
    assert len(list_files(f"{bucket.url}/d", ENDINGS, access)) == 1


def test_the_canary_is_in_nothing_that_travels_or_is_shown(bucket: Bucket) -> None:
    bucket.put("d/x.parquet")
    (file,) = list_files(f"{bucket.url}/d", ENDINGS, bucket.access)
    assert bucket.access.resolved()["secret_access_key"] == CANARY
    bucket.delete("d/x.parquet")
    with pytest.raises(InputChanged) as caught:
        file.read(0, 2)
    for thing in (file, file.access, caught.value):
        for shown in (repr(thing), str(thing), pickle.dumps(thing).decode("latin-1")):
            assert CANARY not in shown
    assert file.read.__self__ == pickle.loads(pickle.dumps(file))  # type: ignore[attr-defined]
