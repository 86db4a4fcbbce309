"""What is on the disk against what the records of an output say."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine import atomic
from engine.manifest import (
    KINDS,
    SUCCESS,
    Kind,
    Layout,
    Manifest,
    PartRecord,
    RunFolder,
    StagedFile,
    load,
)

_DAY = 86_400  # seconds
_SCRATCH = re.compile(r"(put|probe|publish|trash)-[0-9a-f]{32}(-old)?")
_OURS = re.compile(rf"(part|rejected)-\d{{5,}}-[0-9a-f]{{12}}\.parquet|{SUCCESS}")


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the manifest says.

    Attributes:
        file: Where.
        what: What is wrong, in words.
    """

    file: Path
    what: str


def verify(location: Path) -> list[Problem]:
    """Check every byte of an output's newest version against its manifest.

    Reads all files: sizes, SHA-256, the checksum of every page, row counts, and that nothing is
    missing or was added.

    Args:
        location: The folder that readers see.

    Returns:
        What is wrong; empty when all is well.

    Raises:
        MillraceError: A record is damaged or cannot be read.
    """
    with atomic.refusals(location):
        layout = Layout(location.resolve())
        versions = layout.versions()
        manifest = load(Manifest, layout.run(versions[-1]).commit) if versions else None
        if manifest is None:
            return [Problem(location, "nothing was ever committed here")]
        return [p for kind in KINDS for p in _verify_target(layout, manifest, kind)]


def _verify_target(layout: Layout, manifest: Manifest, kind: Kind) -> Iterator[Problem]:
    target, files = layout.target(kind), manifest.files(kind)
    expected = {file.name for file in files} | ({SUCCESS} if files or kind == "data" else set())
    present = {path.name for path in target.iterdir()} if target.is_dir() else set()
    for name in sorted(expected - present):
        yield Problem(target / name, "missing")
    for name in sorted(present - expected):
        yield Problem(target / name, "not in the manifest")
    for file in files:
        if file.name in present:
            yield from _verify_file(target / file.name, file)


def _verify_file(path: Path, file: StagedFile) -> Iterator[Problem]:
    size = path.stat().st_size
    if size != file.bytes:
        yield Problem(path, f"{size} bytes instead of {file.bytes}")
    with path.open("rb") as handle:
        if hashlib.file_digest(handle, "sha256").hexdigest() != file.sha256:
            yield Problem(path, "its SHA-256 is not that of the manifest")
    try:
        rows = _read_pages(path)
    except (OSError, pa.ArrowException) as error:
        yield Problem(path, f"cannot be read: {error}")
        return
    if rows != file.rows:
        yield Problem(path, f"{rows} rows instead of {file.rows}")


def _read_pages(path: Path) -> int:
    """Decode every page, a row group at a time, with its checksum; returns the rows."""
    with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
        groups = range(parquet.metadata.num_row_groups)
        return sum(parquet.read_row_group(group).num_rows for group in groups)


def garbage(location: Path, *, delete: bool = False, days: float = 7.0) -> list[Path]:
    """List, or delete, what dead processes have left behind.

    That is scratch, and staged files that no record names or that are published. Never a record,
    never the only name of a file that a record names, never a file of somebody else.

    Args:
        location: The folder that readers see.
        delete: Whether to delete what is listed.
        days: Younger files are left alone: their writer may live.

    Raises:
        MillraceError: A record is damaged or cannot be read.
    """
    with atomic.refusals(location):
        layout, before = Layout(location.resolve()), time.time() - days * _DAY
        found = [path for path in _scratch(layout) if path.stat().st_mtime < before]
        found += [path for path in _staged(layout) if path.stat().st_mtime < before]
        for path in found if delete else ():
            _delete(path, layout)
        return found


def _scratch(layout: Layout) -> list[Path]:
    return [path for path in _entries(layout.temp) if _SCRATCH.fullmatch(path.name)]


def _staged(layout: Layout) -> list[Path]:
    found: list[Path] = []
    for path in _entries(layout.runs):
        run = layout.run(path.name)
        named = _named(run)
        for staged in _entries(run.stage):
            if staged.name not in named or (run.published.exists() and _seen(layout, staged)):
                found.append(staged)
    return found


def _named(run: RunFolder) -> set[str]:
    manifest = load(Manifest, run.commit)
    records = manifest.parts if manifest else [load(PartRecord, p) for p in _entries(run.parts)]
    return {file.name for record in records if record for file in record.files}


def _seen(layout: Layout, staged: Path) -> bool:
    """Tell whether the readers' folder has the same file under its own name."""
    kind: Kind = "rejected" if staged.name.startswith("rejected") else "data"
    with suppress(FileNotFoundError):
        return (layout.target(kind) / staged.name).samefile(staged)
    return False


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _delete(path: Path, layout: Layout) -> None:
    """Delete a file, or a scratch folder with the files in it that are certainly ours."""
    if not path.is_dir():
        atomic.remove(path)
        return
    # Under another name first: a publisher that wakes up must not move a half-empty folder.
    trash = layout.temp / f"trash-{uuid.uuid4().hex}"
    with suppress(OSError):
        atomic.rename(path, trash)
        for entry in _entries(trash):
            if _OURS.fullmatch(entry.name):
                atomic.remove(entry)
        atomic.remove_folder(trash)
