"""The one manifest of a run: whoever puts it first has decided what the run is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from engine.commit.layout import load
from engine.commit.manifest import Manifest, PartRecord, StagedFile
from engine.commit.settling import settle
from engine.commit.staging import Run
from engine.errors import CommitUnknown, MillraceError
from engine.place.place import Place, each

Summary: TypeAlias = Callable[[Run, Sequence[PartRecord]], bytes | None]
"""Makes one file of the statistics of all parts, given in order; ``None``: there are none."""


def decided(run: Run, summary: Summary | None) -> Manifest:
    """Return the manifest of a run, ours or that of the driver who was first.

    Args:
        run: The run; all its parts are staged.
        summary: Makes its statistics.

    Raises:
        MillraceError: Parts are missing, or rows were lost or doubled.
        CommitUnknown: The manifest was written, and neither success nor failure can be read.
    """
    place, name = run.layout.place, run.folder.commit
    found = load(Manifest, place, name)
    if found is not None:
        return found
    manifest = settle(run.name, run.plan().planned, run.done())
    try:
        statistics = _summed(run, manifest, summary)
    except MillraceError:
        # Another driver may have committed, and cleared the stage under our eyes.
        if (found := load(Manifest, place, name)) is not None:
            return found
        raise
    manifest = manifest.model_copy(update={"statistics": statistics})
    try:
        place.put_if_absent(name, manifest.encode())
    except (OSError, MillraceError) as error:
        return _read_back(place, name, error)
    return load(Manifest, place, name) or manifest


def _summed(run: Run, manifest: Manifest, summary: Summary | None) -> StagedFile | None:
    """Put the summary of the parts beside the manifest, and return what the manifest says of it."""
    content = summary(run, manifest.parts) if summary else None
    if content is None:
        return None
    place, name = run.layout.place, run.folder.statistics
    if not place.put_if_absent(name, content):
        content = place.read(name) or content  # another driver's, who may commit before us
    digest = hashlib.sha256(content).hexdigest()
    called = name.rpartition("/")[2]
    return StagedFile(name=called, rows=manifest.scored, bytes=len(content), sha256=digest)


def _read_back(place: Place, name: str, error: OSError | MillraceError) -> Manifest:
    """Return the manifest that is there after a write of unknown outcome."""
    try:
        found = load(Manifest, place, name)
    except (OSError, MillraceError) as unreadable:
        why = error.what if isinstance(error, MillraceError) else error.strerror
        hint = "run again when the storage answers; nothing was deleted"
        what = f"Whether the commit landed cannot be told ({why})."
        raise CommitUnknown(what, where=place.told(name), hint=hint) from unreadable
    if found is None:
        raise error
    return found


def clear_stage(run: Run, manifest: Manifest) -> None:
    """Remove what is staged, so that deleting the output frees its space.

    Folders stay: a late writer may still put its copy there, and must not fail for it.
    """
    names = [run.folder.file(file) for part in manifest.parts for file in part.files]
    with suppress(OSError, MillraceError):
        each(run.layout.place, run.layout.place.remove, names)
