"""The output folder in the hands of other libraries, after it is written and while it is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from engine.commit import Output, run_key
from engine.encoding import encoded
from tests.engine.commit import readers

PARTS, ROWS = 4, 500
WHOLE = PARTS * ROWS
TOTAL = WHOLE * (WHOLE - 1) // 2


def table(part: int, version: int) -> pa.Table:
    ids = range(part * ROWS, (part + 1) * ROWS)
    return pl.DataFrame(
        {
            "id": ids,
            "name": [None if i % 7 == 0 else f"né {i}" for i in ids],
            "p": [i / 7 for i in ids],
            "label": [i % 2 == 0 for i in ids],
            "version": [version] * ROWS,
        },
        schema_overrides={"p": pl.Float32},
    ).to_arrow()


def write(folder: Path, version: int, *, hive: bool = False) -> None:
    """Write a version of the output, over the one before."""
    spec, planned = {"version": version}, [ROWS] * PARTS
    output = Output(folder, run_key(spec, planned), if_exists="overwrite")
    output.preflight()
    run = output.begin(spec, planned)
    for part in range(PARTS):
        file = encoded(table(part, version))
        file = replace(file, folder=f"month={part + 1}") if hive else file
        run.stage(part, [file], rows_in=ROWS)
    output.commit(run)


@pytest.mark.parametrize("library", readers.LIBRARIES)
def test_every_row_and_value_is_read(tmp_path: Path, library: str) -> None:
    write(tmp_path / "out", 1)
    found = readers.LIBRARIES[library](str(tmp_path / "out"))
    whole = pa.concat_tables([table(part, 1) for part in range(PARTS)]).to_pydict()
    assert list(found) == list(whole)
    assert found["id"] == whole["id"]  # rows are in the order of the parts
    assert found["p"] == pytest.approx(whole["p"], abs=0)
    assert found["label"] == whole["label"]
    names = [name if isinstance(name, str) else None for name in found["name"]]  # pandas: NaN
    assert names == whole["name"]


@pytest.mark.parametrize("library", readers.LIBRARIES)
def test_folders_by_value_are_a_column(tmp_path: Path, library: str) -> None:
    write(tmp_path / "out", 1, hive=True)
    found = readers.LIBRARIES[library](str(tmp_path / "out"))
    months = [int(month) for month in found["month"]]
    assert sorted(zip(found["id"], months, strict=True)) == [
        (i, i // ROWS + 1) for i in range(WHOLE)
    ]


@pytest.mark.slow
def test_readers_see_a_whole_version_or_nothing_while_it_is_written(tmp_path: Path) -> None:
    folder, stop = tmp_path / "out", tmp_path / "stop"
    program = [sys.executable, readers.__file__]
    running = {
        library: subprocess.Popen(
            [*program, library, str(folder), str(stop)], stdout=subprocess.PIPE, text=True
        )
        for library in readers.LIBRARIES
    }
    try:
        for process in running.values():
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        until, version = time.monotonic() + 4, 0
        while version < 5 or time.monotonic() < until:
            version += 1
            write(folder, version)
            time.sleep(0.1)
    finally:
        stop.touch()
    for library, process in running.items():
        seen: dict[str, int] = json.loads(process.communicate(timeout=120)[0])
        whole = {f"[{one}] {WHOLE} {TOTAL}" for one in range(1, version + 1)}
        assert seen.keys() & whole, library
        # A reader that has listed one version and opens files of the next finds them gone: it
        # fails, and never mixes the two.
        assert seen.keys() <= whole | {readers.GONE}, (library, seen)
