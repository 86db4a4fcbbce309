"""Lines that only grow: read from any mark, whole ones alone, on a disk and in segments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Outage
from engine.place.local import LocalPlace
from engine.place.place import Entry, Place
from jobs.runs.journal import journal


class Bucket:
    """What a journal asks of an object store, in memory."""

    at_once = 16

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.failing = False

    def put_if_absent(self, name: str, data: bytes) -> bool:
        if self.failing:
            raise Outage("away")
        assert name not in self.objects
        self.objects[name] = data
        return True

    def entries(self, folder: str) -> list[Entry]:
        names = sorted(name for name in self.objects if name.startswith(f"{folder}/"))
        return [Entry(name, len(self.objects[name]), 0.0) for name in names]

    def read(self, name: str) -> bytes | None:
        return self.objects.get(name)


LINES = st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"") + b"\n"), max_size=30)


@pytest.mark.parametrize("kind", ["disk", "store"])
@given(lines=LINES, looks=st.sets(st.integers(0, 30)))
def test_any_marks_give_every_line_once(
    kind: str, lines: list[bytes], looks: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    place: Place = LocalPlace(folder, folder) if kind == "disk" else Bucket()  # type: ignore[assignment]
    writer, reader = journal(place, "events"), journal(place, "events")
    found, mark = b"", ""
    for number, line in enumerate(lines):
        writer.write(line)
        if number in looks:
            writer.flush()
            new, mark = reader.read(mark)
            found += new
    writer.flush()
    assert found + reader.read(mark)[0] == b"".join(lines)
    assert reader.read()[0] == b"".join(lines)


def test_half_a_line_is_not_read_yet(tmp_path: Path) -> None:
    lines = journal(LocalPlace(tmp_path, tmp_path), "events")
    lines.write(b"one\n")
    (tmp_path / "events").write_bytes(b"one\ntw")
    found, mark = lines.read()
    assert found == b"one\n"
    (tmp_path / "events").write_bytes(b"one\ntwo\n")
    assert lines.read(mark)[0] == b"two\n"


def test_a_store_that_is_away_loses_no_line() -> None:
    bucket = Bucket()
    lines = journal(bucket, "events")  # type: ignore[arg-type]
    lines.write(b"one\n")
    bucket.failing = True
    with pytest.raises(Outage):
        lines.flush()
    lines.write(b"two\n")
    bucket.failing = False
    lines.flush()
    assert lines.read()[0] == b"one\ntwo\n"


def test_a_line_that_is_told_while_a_segment_is_put_is_in_the_next() -> None:
    bucket = Bucket()
    lines = journal(bucket, "events")  # type: ignore[arg-type]
    put = bucket.put_if_absent

    def slowly(name: str, data: bytes) -> bool:
        if not bucket.objects:
            lines.write(b"two\n")
        return put(name, data)

    bucket.put_if_absent = slowly  # type: ignore[method-assign]
    lines.write(b"one\n")
    lines.flush()
    lines.flush()
    assert lines.read()[0] == b"one\ntwo\n"
