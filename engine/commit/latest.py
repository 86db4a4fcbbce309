"""Which version of an output readers should take: a link on a disk, a small object on a store.

``predictions/latest`` leads to ``version-0003``; on a store, ``predictions/latest.json`` says so.
It follows from the records and is made anew at any time. Whoever sets it looks again afterwards, so
the highest number stays. Only a driver that slept through another one's commit and is killed right
after it has set the pointer leaves an older version there; the next run of any job puts it right.
"""

from __future__ import annotations

import json
import os

from engine.canonical import canonical
from engine.commit.apart import numbered
from engine.commit.layout import Layout
from engine.commit.versions import ROUNDS, vacant
from engine.errors import MillraceError, OutputRefused
from engine.place import durable
from engine.place.local import LocalPlace
from engine.place.objects import ObjectPlace

LINK = "latest"


def of(base: Layout) -> str | None:
    """Return the folder that the pointer leads to; None when there is no pointer.

    Args:
        base: The output.

    Raises:
        OutputRefused: A file has its name, and is no pointer.
    """
    place = base.place
    if isinstance(place, LocalPlace):
        path = place.path(f"{base.name}/{LINK}")
        found = os.readlink(path) if path.is_symlink() else "" if path.exists() else None
    else:
        data = place.read(f"{base.name}/{LINK}.json")
        found = None if data is None else _folder(data)
    if found is None or found.startswith("version-"):
        return found
    raise OutputRefused(
        f"The output holds a file {LINK!r} that millrace did not write; nothing was touched.",
        where=base.told,
        hint="choose another output",
    )


def point(base: Layout) -> None:
    """Make the pointer lead to the version with the highest number that readers have.

    Args:
        base: The output.

    Raises:
        OutputRefused: A file has its name, and is no pointer.
        MillraceError: The store fails, or others keep changing it.
        OSError: The file system refused.
    """
    for _ in range(ROUNDS):
        newest = _newest(base)
        if newest is None or of(base) == newest.folder:
            return
        _set(base, newest)
    raise MillraceError("Other processes keep changing this output.", where=base.told)


def _set(base: Layout, version: Layout) -> None:
    place = base.place
    if isinstance(place, LocalPlace):
        durable.point(place.path(f"{base.name}/{LINK}"), version.folder, place.path(base.temp))
        return
    assert isinstance(place, ObjectPlace)
    told = {"folder": version.folder, "url": version.told}
    place.replace(f"{base.name}/{LINK}.json", canonical(told))


def _newest(base: Layout) -> Layout | None:
    for layout in reversed(numbered(base, "versions")):
        runs = layout.versions()
        seen = runs and (run := layout.run(runs[-1])).has(run.published)
        if seen and not vacant(layout.place, layout.target("data")):
            return layout
    return None


def _folder(data: bytes) -> str:
    try:
        found = json.loads(data)["folder"]
    except (ValueError, TypeError, KeyError):
        return ""
    return str(found)
