"""Publication on an object store, which cannot rename: parts are copied, ``_SUCCESS`` comes last.

A version is there when ``_SUCCESS`` is: it is removed before anything else changes. Names of parts
carry their run, so that nobody can mistake a file of one version for that of another:

- A publisher that sleeps and wakes up after a newer version can remove only files of versions that
  were older than its own; no newer version has their names.
- It can copy nothing any more: the stage of a version is removed when readers have it, or when a
  newer version is about to be published.
- What it may still do where an older version is replaced, between its last look at the log and its
  request, is to remove or to put ``_SUCCESS`` itself. No row changes by that. A driver of the same
  run puts the marker back when it goes on; else the next run of the newest job does.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.commit.apart import is_apart
from engine.commit.layout import Layout
from engine.commit.manifest import KINDS, SUCCESS, Kind, Manifest
from engine.commit.versions import (
    ROUNDS,
    foreign,
    holds,
    lost,
    manifest_of,
    own,
    refuse_if_superseded,
    refused,
    same_job,
    shown,
)
from engine.errors import MillraceError
from engine.place.objects import ObjectPlace
from engine.place.place import each


@dataclass(frozen=True)
class Copying:
    """Publishes by server-side copies; see `engine.commit.publish.Publisher`.

    Attributes:
        layout: The output.
        place: The same place as the layout's.
    """

    layout: Layout
    place: ObjectPlace

    def admit(self, run: str, kind: Kind, manifest: Manifest | None, overwrite: bool) -> None:
        """Refuse objects of no version, and without ``overwrite`` those of another job's.

        A version may be there in part: its publisher died, and the next one goes on.
        """
        target = self.layout.target(kind)
        seen = shown(self.place, target)
        found = {name: size for name, size in seen.items() if not is_apart(name)}
        mine = _sizes(manifest, kind)
        rest = {name: size for name, size in found.items() if mine.get(name) != size}
        if len(seen) > len(found) and (not found or rest.keys() - {SUCCESS}):
            raise foreign(self.place, target)
        if not rest:
            return
        owners = self._owners(kind)
        if not owners and manifest is None:
            raise foreign(self.place, target)
        for name, size in rest.items():
            if (name, size) == (SUCCESS, 0):
                continue
            owner = owners.get((name, size))
            if owner is None:
                raise foreign(self.place, f"{target}/{name}")
            if not (overwrite or same_job(owner, run)):
                raise refused(self.place.told(target))

    def shows(self, manifest: Manifest) -> bool:
        """Tell whether the version is there with its marker, also that of the quarantine.

        A quarantine that somebody has deleted is not missed.
        """
        target, mine = self.layout.target("rejected"), _sizes(manifest, "rejected")
        unmarked = SUCCESS not in shown(self.place, target) and self._complete(target, mine)
        seen = holds(self.place, self.layout.target("data"), manifest.files("data"))
        return seen and not (mine and unmarked)

    def whole(self, manifest: Manifest) -> bool:
        """Tell whether all parts of the version are there, and nothing else."""
        found = own(self.place, self.layout.target("data"))
        return {n: size for n, size in found.items() if n != SUCCESS} == _sizes(manifest, "data")

    def publish(self, manifest: Manifest, kind: Kind, overwrite: bool) -> None:
        """Copy what is missing, remove what is older, put ``_SUCCESS``."""
        target, files = self.layout.target(kind), manifest.files(kind)
        for _ in range(ROUNDS):
            if holds(self.place, target, files):
                return
            refuse_if_superseded(self.layout, manifest.run)
            self.admit(manifest.run, kind, manifest, overwrite)
            self._bring(manifest, kind)
        what = "Other processes keep changing this output."
        raise MillraceError(what, where=self.place.told(target))

    def withdraw_stale_quarantine(self) -> None:
        """Remove the quarantine of older versions when the newest has none."""
        newest = manifest_of(self.layout, self.layout.versions()[-1])
        if newest is None or newest.files("rejected"):
            return
        target = self.layout.target("rejected")
        found = shown(self.place, target)
        ours = {name for name, _ in self._owners("rejected")} | {SUCCESS}
        if not found or set(found) - ours or not self.whole(newest):
            return
        self._clear(target, list(found), newest.run)

    def _bring(self, manifest: Manifest, kind: Kind) -> None:
        place, target, mine = self.place, self.layout.target(kind), _sizes(manifest, kind)
        found = own(place, target)
        missing = [name for name, size in mine.items() if found.get(name) != size]
        old = [name for name in found if name not in mine and name != SUCCESS]
        if SUCCESS in found and (missing or old):
            self._clear(target, [SUCCESS], manifest.run)
        self._fence(manifest.run)
        stage = self.layout.run(manifest.run).stage
        copied = each(place, lambda n: place.copy(f"{stage}/{n}", f"{target}/{n}"), missing)
        if not all(copied) and not self._complete(target, mine):
            refuse_if_superseded(self.layout, manifest.run)
            raise lost(self.layout, manifest)
        self._clear(target, old, manifest.run)
        place.put_if_absent(f"{target}/{SUCCESS}", b"")

    def _complete(self, target: str, mine: dict[str, int]) -> bool:
        """Tell whether all parts are there: another driver has copied them and cleared the stage.

        The marker may be missing all the same: we may have removed the other driver's.
        """
        found = shown(self.place, target)
        return all(found.get(name) == size for name, size in mine.items())

    def _clear(self, target: str, names: list[str], run: str) -> None:
        """Remove objects of ours, ``_SUCCESS`` first."""
        refuse_if_superseded(self.layout, run)
        place = self.place
        if SUCCESS in names:
            place.remove(f"{target}/{SUCCESS}")
        rest = [f"{target}/{name}" for name in names if name != SUCCESS]
        each(place, place.remove, rest)

    def _fence(self, run: str) -> None:
        """Take the stage away from versions that will not be published any more.

        A publisher of theirs that wakes up finds nothing to copy.
        """
        versions = self.layout.versions()
        for older in versions[: versions.index(run)]:
            folder = self.layout.run(older)
            manifest = manifest_of(self.layout, older)
            if manifest is not None and self.place.entries(folder.stage):
                files = [folder.file(file) for kind in KINDS for file in manifest.files(kind)]
                each(self.place, self.place.remove, files)

    def _owners(self, kind: Kind) -> dict[tuple[str, int], str]:
        """Return the run of every file that a version of this output ever had, by name and size."""
        owners: dict[tuple[str, int], str] = {}
        for run in self.layout.versions():
            for item in _sizes(manifest_of(self.layout, run), kind).items():
                owners[item] = run
        return owners


def _sizes(manifest: Manifest | None, kind: Kind) -> dict[str, int]:
    return {file.name: file.bytes for file in manifest.files(kind)} if manifest else {}
