"""What readers see against what the manifest of an output says."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.commit.layout import Layout, located
from engine.commit.manifest import KINDS, SUCCESS, Kind, Manifest, StagedFile
from engine.commit.versions import manifest_of, shown
from engine.storage import PLAIN, Access


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the manifest says.

    Attributes:
        file: Path or URL.
        what: What is wrong, in words.
    """

    file: str
    what: str


@dataclass(frozen=True)
class Verified:
    """What looking at every byte of an output came to.

    Attributes:
        location: The output.
        run: The run that made its newest version; None when nothing was ever committed.
        files: Files that were read.
        rows: Rows that the manifest says are in the output.
        bytes: Bytes that it says are in them, quarantine included.
        problems: What is wrong; empty when all is well.
    """

    location: str
    run: str | None
    files: int
    rows: int
    bytes: int
    problems: tuple[Problem, ...]


def verify(location: str | Path, access: Access = PLAIN) -> Verified:
    """Check every byte of an output's newest version against its manifest.

    Reads all files: sizes, SHA-256, the checksum of every Parquet page, row counts, and that
    nothing is missing or was added. An object is held in memory while it is looked at.

    Args:
        location: The folder that readers see: a path or URL.
        access: How an object store is reached.

    Raises:
        MillraceError: A record is damaged or cannot be read, or the store cannot be reached.
    """
    layout = located(location, access)
    with layout.refusals():
        versions = layout.versions()
        manifest = manifest_of(layout, versions[-1]) if versions else None
        if manifest is None:
            nothing = Problem(layout.told, "nothing was ever committed here")
            return Verified(layout.told, None, 0, 0, 0, (nothing,))
        problems = [p for kind in KINDS for p in _verify_target(layout, manifest, kind)]
        files = [file for kind in KINDS for file in manifest.files(kind)]
        size = sum(file.bytes for file in files)
        told, rows = layout.told, manifest.scored
        return Verified(told, manifest.run, len(files), rows, size, tuple(problems))


def _verify_target(layout: Layout, manifest: Manifest, kind: Kind) -> Iterator[Problem]:
    place, target, files = layout.place, layout.target(kind), manifest.files(kind)
    expected = {file.name for file in files} | ({SUCCESS} if files or kind == "data" else set())
    present = shown(place, target)
    for name in sorted(expected - present.keys()):
        yield Problem(place.told(f"{target}/{name}"), "missing")
    for name in sorted(present.keys() - expected):
        yield Problem(place.told(f"{target}/{name}"), "not in the manifest")
    for file in files:
        if file.name not in present:
            continue
        name = f"{target}/{file.name}"
        if present[file.name] != file.bytes:
            what = f"{present[file.name]} bytes instead of {file.bytes}"
            yield Problem(place.told(name), what)
        with place.open(name) as stream:
            for what in _wrong(stream, file):
                yield Problem(place.told(name), what)


def _wrong(stream: io.BufferedIOBase, file: StagedFile) -> Iterator[str]:
    if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
        yield "its SHA-256 is not that of the manifest"
    if not file.name.endswith(".parquet"):
        return
    stream.seek(0)
    try:
        rows = _read_pages(stream)
    except (OSError, pa.ArrowException) as error:
        yield f"cannot be read: {error}"
        return
    if rows != file.rows:
        yield f"{rows} rows instead of {file.rows}"


def _read_pages(stream: io.BufferedIOBase) -> int:
    """Decode every page, a row group at a time, with its checksum; returns the rows."""
    with pq.ParquetFile(stream, page_checksum_verification=True) as parquet:
        groups = range(parquet.metadata.num_row_groups)
        return sum(parquet.read_row_group(group).num_rows for group in groups)
