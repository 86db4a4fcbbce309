"""A committed run becomes what readers see: how depends on what the storage can do in one step."""

from __future__ import annotations

from typing import Protocol

from engine.commit.copying import Copying
from engine.commit.layout import Layout
from engine.commit.manifest import Kind, Manifest
from engine.commit.moving import Moving
from engine.place.local import LocalPlace
from engine.place.objects import ObjectPlace


class Publisher(Protocol):
    """Shows the newest version of one output to readers; deletes nothing that it did not write."""

    def admit(self, run: str, kind: Kind, manifest: Manifest | None, overwrite: bool) -> None:
        """Refuse when readers' folder holds what this run may not replace.

        Args:
            run: The run that is to be published.
            kind: Predictions or quarantined rows.
            manifest: Its manifest, when it is committed.
            overwrite: Whether the data of an older version may be replaced.

        Raises:
            OutputRefused: It does.
        """
        ...

    def shows(self, manifest: Manifest) -> bool:
        """Tell whether readers have all predictions of a version, and nothing is left to do."""
        ...

    def whole(self, manifest: Manifest) -> bool:
        """Tell whether readers have all predictions of a version; the marker may be missing."""
        ...

    def publish(self, manifest: Manifest, kind: Kind, overwrite: bool) -> None:
        """Make the readers' folder hold the files of the manifest, unless it does already.

        Args:
            manifest: Of the newest version.
            kind: Predictions or quarantined rows.
            overwrite: Whether the data of an older version may be replaced.

        Raises:
            OutputRefused: The folder holds something else, or a newer version came meanwhile.
            MillraceError: A staged file is missing, or the store fails.
            OSError: The file system refused.
        """
        ...

    def withdraw_stale_quarantine(self) -> None:
        """Remove the quarantine of an older version once readers have the newest version's rows.

        Raises:
            MillraceError: The store fails.
            OSError: The file system refused.
        """
        ...


def publisher(layout: Layout) -> Publisher:
    """Return what publishes the output."""
    place = layout.place
    if isinstance(place, LocalPlace):
        return Moving(layout, place)
    assert isinstance(place, ObjectPlace)
    return Copying(layout, place)
