"""What dead processes have left behind, and nothing else."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.commit.apart import begun, is_apart, opened
from engine.commit.layout import Layout, RunFolder, load
from engine.commit.manifest import SUCCESS, Kind, PartRecord
from engine.commit.versions import manifest_of
from engine.place import durable, folders
from engine.place.local import LocalPlace
from engine.place.place import Entry
from engine.storage import PLAIN, Access

_DAY = 86_400  # seconds
_SCRATCH = re.compile(r"(put|probe|publish|trash)-[0-9a-f]{32}(-old)?")
_OURS = re.compile(rf"(part|rejected)(-\d{{5,}}){{1,2}}-[0-9a-f]{{12}}(\.[a-z0-9]+)+|{SUCCESS}")


@dataclass(frozen=True)
class Leftover:
    """One thing that nobody needs any more.

    Attributes:
        where: Path or URL; a folder of scratch counts as one.
        bytes: Its size; deleting a file that has a second name frees nothing.
    """

    where: str
    bytes: int


def garbage(
    location: str | Path, access: Access = PLAIN, *, delete: bool = False, days: float = 7.0
) -> list[Leftover]:
    """List, or delete, what dead processes have left behind.

    That is scratch, and staged files that no record names or that readers have. Never a record,
    never the only copy of a file that a record names, never a file of somebody else. So it is safe
    after a commit whose outcome is unknown: all that such a commit may have committed is named.

    Args:
        location: The folder that readers see: a path or URL.
        access: How an object store is reached.
        delete: Whether to delete what is listed.
        days: Younger files are left alone: their writer may live.

    Raises:
        MillraceError: A record is damaged or cannot be read; nothing was deleted.
    """
    layout, before = opened(location, access)[0], time.time() - days * _DAY
    with layout.refusals():
        found = _scratch(layout, before)
        for one in (layout, *begun(layout)):
            found += _staged(one, before)
        for name, _ in found if delete else ():
            _delete(layout, name)
        return [Leftover(layout.place.told(name), size) for name, size in found]


def _scratch(layout: Layout, before: float) -> list[tuple[str, int]]:
    """Return scratch files and folders with their bytes; a folder is as young as it is itself."""
    groups: dict[str, list[Entry]] = {}
    for entry in layout.place.entries(layout.temp):
        groups.setdefault(entry.name[len(layout.temp) + 1 :].split("/")[0], []).append(entry)
    found = []
    for top, entries in sorted(groups.items()):
        name = f"{layout.temp}/{top}"
        if _SCRATCH.fullmatch(top) and _changed(layout, name, entries) < before:
            found.append((name, sum(entry.size for entry in entries)))
    return found


def _changed(layout: Layout, name: str, entries: list[Entry]) -> float:
    place = layout.place
    if isinstance(place, LocalPlace):
        # Links in a folder have the age of their files, which may be old parts.
        with suppress(FileNotFoundError):
            return place.path(name).lstat().st_mtime
    return max(entry.changed for entry in entries)


def _staged(layout: Layout, before: float) -> Iterator[tuple[str, int]]:
    place = layout.place
    runs: dict[str, list[Entry]] = {}
    for entry in place.entries(layout.runs):
        run, _, rest = entry.name[len(layout.runs) + 1 :].partition("/")
        if rest.startswith("stage/") and not rest.endswith("/"):
            runs.setdefault(run, []).append(entry)
    for run, entries in runs.items():
        folder = layout.run(run)
        named, seen = _named(layout, folder), folder.has(folder.published)
        for entry in entries:
            name = entry.name[len(folder.stage) + 1 :]
            unneeded = name not in named or (seen and _shown(layout, entry, name))
            if unneeded and entry.changed < before:
                yield entry.name, entry.size


def _named(layout: Layout, run: RunFolder) -> set[str]:
    """Return the files that the run's records name."""
    manifest = manifest_of(layout, run.name)
    if manifest:
        return {file.name for record in manifest.parts for file in record.files}
    place = layout.place
    records = [load(PartRecord, place, entry.name) for entry in place.entries(run.parts)]
    return {file.name for record in records if record for file in record.files}


def _shown(layout: Layout, staged: Entry, name: str) -> bool:
    """Tell whether readers have the same file under its own name, or what was made of it."""
    if name.startswith("statistics-"):
        return True  # summed up before anything was committed
    kind: Kind = "rejected" if name.rpartition("/")[2].startswith("rejected") else "data"
    place, seen = layout.place, f"{layout.target(kind)}/{name}"
    if isinstance(place, LocalPlace):
        with suppress(FileNotFoundError):
            return place.path(seen).samefile(place.path(staged.name))
        return False
    return place.size(seen) == staged.size


def _delete(layout: Layout, name: str) -> None:
    """Delete a file, or a scratch folder with the files in it that are certainly ours."""
    place = layout.place
    if not (isinstance(place, LocalPlace) and place.path(name).is_dir()):
        place.remove(name)
        return
    # Under another name first: a publisher that wakes up must not move a half-empty folder.
    trash = place.path(layout.temp) / f"trash-{uuid.uuid4().hex}"
    with suppress(OSError):
        folders.rename(place.path(name), trash)
        inside = sorted(trash.rglob("*"))
        for path in inside:
            # Rows that others added to a folder while it was replaced may have no other name.
            added = is_apart(path.relative_to(trash).as_posix())
            if not (path.is_dir() or added) and _OURS.fullmatch(path.name):
                durable.remove(path)
        for folder in [*(path for path in reversed(inside) if path.is_dir()), trash]:
            durable.remove_folder(folder)
