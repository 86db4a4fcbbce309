"""What readers see against what the manifest of an output says."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.commit.apart import opened
from engine.commit.layout import Layout
from engine.commit.manifest import KINDS, SUCCESS, Kind, Manifest, StagedFile
from engine.commit.versions import manifest_of, own
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
        location: The output, or the folder of one run in it.
        run: The run that came last; None when nothing was ever committed.
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
    """Check every byte of an output against the manifests of all rows that it should hold.

    That is its newest version; of runs that have a folder of their own, each of them.
    Reads all files: sizes, SHA-256, the checksum of every Parquet page, row counts, and that
    nothing is missing or was added. An object is held in memory while it is looked at.

    Args:
        location: The folder that readers see, or that of one run in it: a path or URL.
        access: How an object store is reached.

    Raises:
        MillraceError: A record is damaged or cannot be read, or the store cannot be reached.
    """
    base, layouts = opened(location, access)
    told = layouts[0].told if len(layouts) == 1 else base.told
    with base.refusals():
        found = [one for layout in layouts if (one := _verified(layout)) is not None]
        if not found:
            nothing = Problem(told, "nothing was ever committed here")
            return Verified(told, None, 0, 0, 0, (nothing,))
        return Verified(
            told,
            found[-1].run,
            files=sum(one.files for one in found),
            rows=sum(one.rows for one in found),
            bytes=sum(one.bytes for one in found),
            problems=tuple(problem for one in found for problem in one.problems),
        )


def _verified(layout: Layout) -> Verified | None:
    """Check the newest version at one place; None when nothing was committed there."""
    manifest = manifest_of(layout, layout.versions()[-1])
    if manifest is None:
        return None
    files = [file for kind in KINDS for file in manifest.files(kind)]
    problems = [p for kind in KINDS for p in _verify_target(layout, manifest, kind)]
    problems += _verify_statistics(layout, manifest)
    size = sum(file.bytes for file in files)
    told, run = layout.told, manifest.run
    return Verified(told, run, len(files), manifest.scored, size, tuple(problems))


def _verify_target(layout: Layout, manifest: Manifest, kind: Kind) -> Iterator[Problem]:
    place, target, files = layout.place, layout.target(kind), manifest.files(kind)
    expected = {file.name for file in files} | ({SUCCESS} if files or kind == "data" else set())
    present = own(place, target)
    if layout.folder and files and not present:
        yield Problem(place.told(target), f"all {len(files)} files are gone")
        return
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


def _verify_statistics(layout: Layout, manifest: Manifest) -> Iterator[Problem]:
    file, name = manifest.statistics, layout.run(manifest.run).statistics
    if file is None:
        return
    content = layout.place.read(name)
    if content is None:
        yield Problem(layout.place.told(name), "missing")
    elif hashlib.sha256(content).hexdigest() != file.sha256:
        yield Problem(layout.place.told(name), "its SHA-256 is not that of the manifest")


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
