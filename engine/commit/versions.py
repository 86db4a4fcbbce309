"""What readers see of an output, and which version of it that is."""

from __future__ import annotations

from collections.abc import Collection

from engine.commit.apart import is_apart
from engine.commit.layout import Layout, load
from engine.commit.manifest import SUCCESS, Kind, Manifest, StagedFile
from engine.errors import LostRace, MillraceError, OutputRefused
from engine.place.place import Place

ROUNDS = 20
"""Tries of a step that others may spoil: a second one means that another process changed the output
meanwhile."""


def shown(place: Place, folder: str) -> dict[str, int]:
    """Return the size in bytes of every file below a folder, by its name in it.

    Raises:
        NotADirectoryError: It is a file.
    """
    skip = len(folder) + 1
    return {entry.name[skip:]: entry.size for entry in place.entries(folder)}


def own(place: Place, folder: str) -> dict[str, int]:
    """Return what `shown` does, without the runs that have a folder of their own below it."""
    return {name: size for name, size in shown(place, folder).items() if not is_apart(name)}


def holds(place: Place, folder: str, files: Collection[StagedFile]) -> bool:
    """Tell whether the folder holds exactly these files, in full size, and ``_SUCCESS``.

    Others may have appended their rows since.
    """
    try:
        return own(place, folder) == _expected(files)
    except NotADirectoryError:
        return False


def _expected(files: Collection[StagedFile]) -> dict[str, int]:
    return {file.name: file.bytes for file in files} | {SUCCESS: 0}


def vacant(place: Place, folder: str) -> bool:
    """Tell whether the folder is absent or empty.

    Raises:
        NotADirectoryError: A file has the name.
    """
    return not place.entries(folder)


def manifest_of(layout: Layout, run: str) -> Manifest | None:
    """Return the manifest of a run; None when it was not committed."""
    return load(Manifest, layout.place, layout.run(run).commit)


def version_in(layout: Layout, kind: Kind, folder: str) -> int | None:
    """Return the newest version of the output that is all that the folder holds; None: foreign."""
    try:
        found = shown(layout.place, folder)
    except NotADirectoryError:
        return None
    for version, run in reversed(list(enumerate(layout.versions()))):
        manifest = manifest_of(layout, run)
        if manifest is not None and found == _expected(manifest.files(kind)):
            return version
    return None


def same_job(run: str, other: str) -> bool:
    """Tell whether two runs are generations of the same key."""
    return key_of(run) == key_of(other)


def key_of(run: str) -> str:
    """Return the key that a run's name begins with."""
    return run.partition(".")[0]


class Taken(OutputRefused):
    """The output holds what another job has committed, or has begun to."""


def refuse_if_superseded(layout: Layout, run: str) -> None:
    """Refuse to publish a run when a newer version came meanwhile."""
    newest = layout.versions()[-1]
    if newest != run:
        raise lost_race(f"{layout.told}, run {newest}")


def lost_race(where: str) -> LostRace:
    """Return the error that says that another job was faster."""
    return LostRace(
        "LOST_RACE: another job has committed to this output while this one was at work; its rows "
        "were left alone.",
        where=where,
        hint="give the two jobs different outputs",
    )


def refuse_if_lost(layout: Layout, manifest: Manifest, kind: Kind) -> None:
    """A staged file is missing: another driver has published and cleared, or somebody took it."""
    if not holds(layout.place, layout.target(kind), manifest.files(kind)):
        raise lost(layout, manifest)


def lost(layout: Layout, manifest: Manifest) -> MillraceError:
    """Return the error that says that staged files are gone."""
    return MillraceError(
        "Staged files of this run are missing.",
        where=layout.place.told(layout.run(manifest.run).stage),
        hint="run again: the parts are computed anew",
    )


def refused(target: str, what: str = "data of another job") -> Taken:
    """Return the error that says that the output is taken."""
    return Taken(
        f"The output holds {what}; nothing was touched.",
        where=target,
        hint='choose another output, or set `if_exists`: "overwrite" replaces what millrace wrote',
    )


def foreign(place: Place, folder: str) -> OutputRefused:
    """Return the error that says that a folder holds what cannot be replaced by any job."""
    apart = any(is_apart(name) for name in shown(place, folder))
    what = "rows that jobs have added in folders of their own" if apart else FOREIGN
    return OutputRefused(
        f"The output holds {what}; nothing was touched.",
        where=place.told(folder),
        hint='choose another output, or add the rows: `if_exists = "append"`',
    )


FOREIGN = "files that millrace did not write, or that were changed since"
"""What cannot be replaced, not even with ``overwrite``."""
