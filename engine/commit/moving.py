"""Publication on a file system: all of a version appears in one step, or nothing of it.

The folder is built aside from hard links to the staged parts and moved into place by one rename.
Nothing is ever deleted but files that a manifest of this output lists, and scratch of our own.
"""

from __future__ import annotations

import errno
import math
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from engine.commit.layout import Layout
from engine.commit.manifest import SUCCESS, Kind, Manifest, StagedFile
from engine.commit.versions import (
    ROUNDS,
    foreign,
    holds,
    manifest_of,
    refuse_if_lost,
    refuse_if_superseded,
    refused,
    same_job,
    vacant,
    version_in,
)
from engine.errors import MillraceError
from engine.place import durable, folders
from engine.place.local import LocalPlace

_LOST_PLACE = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}


@dataclass(frozen=True)
class Moving:
    """Publishes by renaming folders; see `engine.commit.publish.Publisher`.

    Attributes:
        layout: The output.
        place: The same place as the layout's.
    """

    layout: Layout
    place: LocalPlace

    def admit(self, run: str, kind: Kind, manifest: Manifest | None, overwrite: bool) -> None:
        """Refuse what is not, as a whole, a version that the run may replace."""
        target = self.layout.target(kind)
        if vacant(self.place, target):
            return
        if manifest and holds(self.place, target, manifest.files(kind)):
            return
        if version_in(self.layout, kind, target) is None:
            raise foreign(self.place, target)
        if not self._replaceable(run, kind, overwrite):
            raise refused(self.place.told(target))

    def shows(self, manifest: Manifest) -> bool:
        """Tell whether the folder is that of the version."""
        return self.whole(manifest)

    def whole(self, manifest: Manifest) -> bool:
        """Tell whether the folder is that of the version."""
        return holds(self.place, self.layout.target("data"), manifest.files("data"))

    def publish(self, manifest: Manifest, kind: Kind, overwrite: bool) -> None:
        """Move the version's folder into place, or swap it for an older one."""
        target, files = self.layout.target(kind), manifest.files(kind)
        for _ in range(ROUNDS):
            if holds(self.place, target, files):
                return
            refuse_if_superseded(self.layout, manifest.run)
            fresh = self._build(manifest.run, files)
            if fresh is None:
                refuse_if_lost(self.layout, manifest, kind)
            elif vacant(self.place, target):
                durable.make_folder(self.place.path(target).parent)
                _place(self.place.path(fresh), self.place.path(target), files)
            else:
                self._replace(manifest, kind, fresh, overwrite)
        what = "Other processes keep changing this output."
        raise MillraceError(what, where=self.place.told(target))

    def withdraw_stale_quarantine(self) -> None:
        """Move the quarantine of an older version aside, and remove it there."""
        layout, target = self.layout, self.layout.target("rejected")
        versions = layout.versions()
        version = None if vacant(self.place, target) else version_in(layout, "rejected", target)
        newest = manifest_of(layout, versions[-1])
        if version is None or newest is None or version == len(versions) - 1:
            return
        if not self.whole(newest):
            return
        aside = f"{layout.temp}/publish-{uuid.uuid4().hex}"
        with suppress(FileNotFoundError):  # another driver was faster
            folders.rename(self.place.path(target), self.place.path(aside))
            self._give_way("rejected", aside, version)

    def _replaceable(self, run: str, kind: Kind, overwrite: bool) -> bool:
        """Tell whether a run may replace what the readers' folder holds.

        That is an older version, when asked to; without being asked, what the same job left there,
        such as the quarantine when only the predictions were deleted.
        """
        version = version_in(self.layout, kind, self.layout.target(kind))
        return version is not None and (overwrite or same_job(self.layout.versions()[version], run))

    def _build(self, run: str, files: Collection[StagedFile]) -> str | None:
        """Return a new folder of links to the staged files; None when one is missing."""
        name = f"{self.layout.temp}/publish-{uuid.uuid4().hex}"
        fresh, stage = self.place.path(name), self.place.path(self.layout.run(run).stage)
        durable.make_folder(fresh)
        try:
            for folder in _folders(files):
                durable.make_folder(fresh / folder)
            for file in files:
                durable.link(stage / file.name, fresh / file.name)
        except FileNotFoundError:
            discard(fresh, files)
            return None
        for folder in _folders(files):
            durable.sync_folder(fresh / folder)
        # This syncs the folder with all its links.
        durable.put_if_absent(fresh / SUCCESS, b"", self.place.temp)
        return name

    def _replace(self, manifest: Manifest, kind: Kind, fresh: str, overwrite: bool) -> None:
        """Swap the fresh folder for that of an older version; anything else is put back."""
        target, files = self.layout.target(kind), manifest.files(kind)
        path = self.place.path(fresh)
        if holds(self.place, target, files):
            discard(path, files)  # another driver of this run was faster
            return
        if not self._replaceable(manifest.run, kind, overwrite):
            discard(path, files)
            raise refused(self.place.told(target))
        try:
            old = folders.swap(path, self.place.path(target))
        except OSError as error:
            discard(path, files)
            if error.errno not in _LOST_PLACE:
                raise
            return
        self._give_way(kind, self._name(old), self.layout.versions().index(manifest.run))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.place.folder).as_posix()

    def _give_way(self, kind: Kind, aside: str, mine: int) -> None:
        """Put back what is newer than our version, or foreign; discard what is older.

        The target may have changed between the look and the swap. Every further swap puts
        something newer in place, so processes that do this at the same time come to an end, at the
        newest.
        """
        target = self.layout.target(kind)
        for _ in range(ROUNDS):
            if self._age(kind, aside) <= max(mine, self._age(kind, target)):
                self._discard_version(kind, aside)
                return
            old, new = self.place.path(aside), self.place.path(target)
            try:
                if vacant(self.place, target):
                    folders.rename(old, new)
                    return
                aside = self._name(folders.swap(old, new))
            except OSError as error:
                if error.errno not in _LOST_PLACE:
                    raise

    def _age(self, kind: Kind, folder: str) -> float:
        """Rank what a folder holds: nothing, versions in their order, foreign files above all."""
        if vacant(self.place, folder):
            return -1
        version = version_in(self.layout, kind, folder)
        return math.inf if version is None else version

    def _discard_version(self, kind: Kind, folder: str) -> None:
        """Remove a folder that holds a version of ours; one with foreign files stays as it is."""
        version = version_in(self.layout, kind, folder)
        if version is None:
            return
        manifest = manifest_of(self.layout, self.layout.versions()[version])
        if manifest is not None:
            discard(self.place.path(folder), manifest.files(kind))


def _folders(files: Collection[StagedFile]) -> list[str]:
    """Return the folders that files lie in, the outer before the inner ones."""
    parents = {parent for file in files for parent in PurePosixPath(file.name).parents}
    return sorted(str(parent) for parent in parents if parent.name)


def _place(fresh: Path, target: Path, files: Collection[StagedFile]) -> None:
    try:
        folders.rename(fresh, target)
    except OSError as error:
        discard(fresh, files)
        if error.errno not in _LOST_PLACE:
            raise


def discard(folder: Path, files: Collection[StagedFile]) -> None:
    """Remove a folder of ours in the scratch space: the listed files only, as far as it goes."""
    with suppress(OSError):
        for name in [*(file.name for file in files), SUCCESS]:
            durable.remove(folder / name)
        for name in [*reversed(_folders(files)), ""]:
            durable.remove_folder(folder / name)
