"""A committed run becomes a folder that readers see: all of it or nothing.

The folder is built aside from hard links to the staged parts and moved into place by one rename.
Nothing is ever deleted but files that a manifest of this output lists, and scratch of our own.
"""

from __future__ import annotations

import errno
import math
import uuid
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from engine import atomic
from engine.errors import MillraceError, OutputRefused
from engine.manifest import SUCCESS, Kind, Layout, Manifest, StagedFile, load

_LOST_PLACE = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}
_ROUNDS = 20  # a second round means that another process changed the output meanwhile


def vacant(path: Path) -> bool:
    """Tell whether the folder is absent or empty, so that a rename can put ours there.

    Raises:
        NotADirectoryError: A file has the name.
    """
    try:
        return not any(path.iterdir())
    except FileNotFoundError:
        return True


def holds(path: Path, files: Collection[StagedFile]) -> bool:
    """Tell whether the folder holds exactly these files, in full size, and ``_SUCCESS``."""
    expected = {file.name: file.bytes for file in files} | {SUCCESS: 0}
    try:
        return {entry.name: entry.stat().st_size for entry in path.iterdir()} == expected
    except (FileNotFoundError, NotADirectoryError):
        return False


def _manifest(layout: Layout, run: str) -> Manifest | None:
    return load(Manifest, layout.run(run).commit)


def version_in(layout: Layout, kind: Kind, path: Path) -> int | None:
    """Return the newest version of the output whose files the folder holds; None: foreign."""
    for version, run in reversed(list(enumerate(layout.versions()))):
        manifest = _manifest(layout, run)
        if manifest is not None and holds(path, manifest.files(kind)):
            return version
    return None


def same_job(run: str, other: str) -> bool:
    """Tell whether two runs are generations of the same key."""
    return run.split(".")[0] == other.split(".")[0]


def replaceable(layout: Layout, run: str, kind: Kind, overwrite: bool) -> bool:
    """Tell whether a run may replace what the readers' folder holds.

    That is an older version, when asked to; without being asked, what the same job left there,
    such as the quarantine when only the predictions were deleted.
    """
    version = version_in(layout, kind, layout.target(kind))
    return version is not None and (overwrite or same_job(layout.versions()[version], run))


def publish(layout: Layout, manifest: Manifest, kind: Kind, overwrite: bool) -> None:
    """Make the readers' folder hold the files of the manifest, unless it does already.

    Args:
        layout: The output.
        manifest: Of the newest version.
        kind: Predictions or quarantined rows.
        overwrite: Whether the data of an older version may be replaced.

    Raises:
        OutputRefused: The folder holds something else, or a newer version came meanwhile.
        MillraceError: A staged file is missing.
        OSError: The file system refused.
    """
    target, files = layout.target(kind), manifest.files(kind)
    for _ in range(_ROUNDS):
        if holds(target, files):
            return
        _refuse_if_superseded(layout, manifest.run)
        fresh = _build(layout, manifest.run, files)
        if fresh is None:
            _refuse_if_lost(layout, manifest, kind)
        elif vacant(target):
            _place(fresh, target, files)
        else:
            _replace(layout, manifest, kind, fresh, overwrite)
    raise MillraceError("Other processes keep changing this output.", where=str(target))


def _refuse_if_superseded(layout: Layout, run: str) -> None:
    newest = layout.versions()[-1]
    if newest != run:
        raise OutputRefused(
            "Another job has replaced this output meanwhile; its data was left alone.",
            where=f"{layout.location}, run {newest}",
            hint="give the two jobs different outputs",
        )


def _refuse_if_lost(layout: Layout, manifest: Manifest, kind: Kind) -> None:
    """A staged file is missing: another driver has published and cleared, or somebody took it."""
    if not holds(layout.target(kind), manifest.files(kind)):
        raise MillraceError(
            "Staged files of this run are missing.",
            where=str(layout.run(manifest.run).stage),
            hint="run again: the parts are computed anew",
        )


def _build(layout: Layout, run: str, files: Collection[StagedFile]) -> Path | None:
    """Return a new folder of links to the staged files; None when one is missing."""
    fresh = layout.temp / f"publish-{uuid.uuid4().hex}"
    atomic.make_folder(fresh)
    try:
        for file in files:
            atomic.link(layout.run(run).stage / file.name, fresh / file.name)
    except FileNotFoundError:
        discard(fresh, files)
        return None
    atomic.put_if_absent(fresh / SUCCESS, b"", layout.temp)  # syncs the folder with all links
    return fresh


def _place(fresh: Path, target: Path, files: Collection[StagedFile]) -> None:
    try:
        atomic.rename(fresh, target)
    except OSError as error:
        discard(fresh, files)
        if error.errno not in _LOST_PLACE:
            raise


def _replace(layout: Layout, manifest: Manifest, kind: Kind, fresh: Path, overwrite: bool) -> None:
    """Swap the fresh folder for that of an older version; anything else is put back."""
    target, files = layout.target(kind), manifest.files(kind)
    if holds(target, files):
        discard(fresh, files)  # another driver of this run was faster
        return
    if not replaceable(layout, manifest.run, kind, overwrite):
        discard(fresh, files)
        raise refused(target)
    try:
        old = atomic.swap(fresh, target)
    except OSError as error:
        discard(fresh, files)
        if error.errno not in _LOST_PLACE:
            raise
        return
    _give_way(layout, kind, old, layout.versions().index(manifest.run))


def _give_way(layout: Layout, kind: Kind, aside: Path, mine: int) -> None:
    """Put back what is newer than our version, or foreign; discard what is older.

    The target may have changed between the look and the swap. Every further swap puts something
    newer in place, so processes that do this at the same time come to an end, at the newest.
    """
    target = layout.target(kind)
    for _ in range(_ROUNDS):
        if _age(layout, kind, aside) <= max(mine, _age(layout, kind, target)):
            _discard_version(layout, kind, aside)
            return
        try:
            if vacant(target):
                atomic.rename(aside, target)
                return
            aside = atomic.swap(aside, target)
        except OSError as error:
            if error.errno not in _LOST_PLACE:
                raise


def _age(layout: Layout, kind: Kind, path: Path) -> float:
    """Rank what a folder holds: nothing, versions in their order, foreign files above all."""
    if vacant(path):
        return -1
    version = version_in(layout, kind, path)
    return math.inf if version is None else version


def withdraw_stale_quarantine(layout: Layout) -> None:
    """Remove the quarantine of an older version once readers have the newest version's rows.

    Raises:
        OSError: The file system refused.
    """
    target, versions = layout.target("rejected"), layout.versions()
    version = None if vacant(target) else version_in(layout, "rejected", target)
    newest = _manifest(layout, versions[-1])
    if version is None or newest is None or version == len(versions) - 1:
        return
    if not holds(layout.location, newest.files("data")):
        return
    aside = layout.temp / f"publish-{uuid.uuid4().hex}"
    with suppress(FileNotFoundError):  # another driver was faster
        atomic.rename(target, aside)
        _give_way(layout, "rejected", aside, version)


def _discard_version(layout: Layout, kind: Kind, folder: Path) -> None:
    """Remove a folder that holds a version of ours; one with foreign files stays where it is."""
    version = version_in(layout, kind, folder)
    manifest = None if version is None else _manifest(layout, layout.versions()[version])
    if manifest is not None:
        discard(folder, manifest.files(kind))


def discard(folder: Path, files: Collection[StagedFile]) -> None:
    """Remove a folder of ours in the scratch space: the listed files only, as far as it goes."""
    with suppress(OSError):
        for name in [*(file.name for file in files), SUCCESS]:
            atomic.remove(folder / name)
        atomic.remove_folder(folder)


def refused(target: Path, what: str = "data of another job") -> OutputRefused:
    """Return the error that says that the output is taken."""
    return OutputRefused(
        f"The output holds {what}; nothing was touched.",
        where=str(target),
        hint="choose another output, or set `overwrite = true` to replace what millrace wrote",
    )
