"""One file of a place, for who needs no more of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.place.local import LocalPlace
from engine.place.objects import ObjectPlace
from engine.place.place import Place
from engine.storage import Access
from engine.storage.places import in_store


@dataclass(frozen=True)
class Kept:
    """A name in a place, which may have a file or not.

    Attributes:
        place: The place.
        name: Relative to it.
    """

    place: Place
    name: str

    @classmethod
    def of(cls, path: Path) -> Kept:
        """Return a file of the local file system."""
        folder = path.parent.absolute()
        return cls(LocalPlace(folder, folder), path.name)

    def below(self, name: str) -> Kept:
        """Return a file in this one, which is a folder then."""
        return Kept(self.place, f"{self.name}/{name}")

    @classmethod
    def at(cls, location: str, access: Access) -> Kept:
        """Return the file at a path or URL.

        Raises:
            OutputRefused: The URL names no object of a store.
        """
        if not in_store(location):
            return cls.of(Path(location))
        place, name = ObjectPlace.of(location, access)
        return cls(place, name)

    def __str__(self) -> str:
        """Return its path or URL."""
        return self.place.told(self.name)

    def read(self) -> bytes | None:
        """Return all bytes; None when there is no file."""
        return self.place.read(self.name)

    def replace(self, data: bytes) -> None:
        """Put these bytes, whatever was there."""
        self.place.replace(self.name, data)

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self.place.remove(self.name)
