"""The file-system primitives: exactly one winner, whole files, clear refusals."""

from __future__ import annotations

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.canonical import canonical
from engine.errors import MillraceError, Outage, OutputRefused
from engine.place import durable, folders
from engine.place.refusals import refusals

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_the_first_writer_wins_and_nothing_is_left_over(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert durable.put_if_absent(path, b"first")
    assert not durable.put_if_absent(path, b"second")
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["record.json"]


def test_of_many_writers_exactly_one_wins_each_name(tmp_path: Path) -> None:
    writers, names = 4, 50
    start = threading.Barrier(writers)

    def write(me: int) -> list[int]:
        start.wait()
        return [
            name
            for name in range(names)
            if durable.put_if_absent(tmp_path / str(name), f"{me}".encode() * 1000)
        ]

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(write, range(writers)))
    assert sorted(name for mine in won for name in mine) == list(range(names))
    for me, mine in enumerate(won):
        assert all((tmp_path / str(name)).read_bytes() == f"{me}".encode() * 1000 for name in mine)


def test_a_lost_reply_to_link_is_still_our_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def replies_late(source: Path, target: Path) -> None:
        real(source, target)
        real(source, target)  # NFS repeats the request

    monkeypatch.setattr(os, "link", replies_late)
    assert durable.put_if_absent(tmp_path / "a", b"x")


def test_a_failed_link_is_no_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(source: Path, target: Path) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "link", refuses)
    with pytest.raises(OSError, match="input/output"):
        durable.put_if_absent(tmp_path / "a", b"x")
    assert os.listdir(tmp_path) == []


def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        durable.put_if_absent(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data[:3])))
    durable.put_if_absent(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@given(JSON)
def test_canonical_json_reads_back_and_does_not_depend_on_key_order(value: object) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    if isinstance(value, dict):
        assert canonical(dict(reversed(list(value.items())))) == text


def test_canonical_json_refuses_what_has_no_one_text() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


@pytest.mark.parametrize("exchange", [True, False])
def test_swap_keeps_both_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(folders, "_renameat2", lambda: None)
    new, target = tmp_path / "new", tmp_path / "target"
    for folder in (new, target):
        folder.mkdir()
        (folder / folder.name).touch()
    old = folders.swap(new, target)
    assert os.listdir(target) == ["new"]
    assert os.listdir(old) == ["target"]


def test_swap_says_when_the_target_is_gone(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(FileNotFoundError):
        folders.swap(tmp_path / "new", tmp_path / "target")


def test_rename_never_replaces_a_folder_with_content(tmp_path: Path) -> None:
    for name in ("new", "full", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(OSError, match="not empty"):
        folders.rename(tmp_path / "new", tmp_path / "full")
    folders.rename(tmp_path / "new", tmp_path / "empty")


def test_make_folder_refuses_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(FileExistsError):
            durable.make_folder(path)


def test_the_probe_leaves_nothing(tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    folders.probe(temp, tmp_path)
    assert os.listdir(tmp_path) == ["temp"]
    assert os.listdir(temp) == []


def test_the_probe_finds_a_file_system_without_exclusive_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", os.replace)
    with pytest.raises(OutputRefused, match="two writers"):
        folders.probe(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("code", "kind", "exit_code", "says"),
    [
        (errno.ENOSPC, Outage, 75, "full"),
        (errno.EDQUOT, Outage, 75, "full"),
        (errno.EROFS, OutputRefused, 2, "written"),
        (errno.EACCES, OutputRefused, 2, "written"),
        (errno.ENOTDIR, OutputRefused, 2, "folder"),
        (errno.EIO, Outage, 75, "could not be written"),
        (errno.ENOENT, MillraceError, 1, "could not be written"),
    ],
)
def test_what_the_system_refuses_is_said_with_a_hint(
    code: int, kind: type[MillraceError], exit_code: int, says: str
) -> None:
    with pytest.raises(kind, match=says) as caught, refusals(Path("/out")):
        raise OSError(code, os.strerror(code), "/out/x")
    assert caught.value.exit_code == exit_code
    assert caught.value.hint
    assert caught.value.where == "/out/x"
