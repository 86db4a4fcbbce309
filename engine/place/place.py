"""Where an output and its records lie: what the commit asks of any storage.

A place is the folder, or the prefix of a bucket, that holds the output and its records side by
side. Names are relative to it, with ``/`` between folders. The protocol stands on one operation:
of all writers who put the same name, one is first, and nobody changes what it put.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, TypeVar

from engine.cores import together

T = TypeVar("T")


class Entry(NamedTuple):
    """One file of a listing.

    Attributes:
        name: Relative to the place.
        size: Bytes.
        changed: Seconds since the epoch.
    """

    name: str
    size: int
    changed: float


class Place(Protocol):
    """A storage that can create a name once. Travels to workers; holds no secret."""

    @property
    def at_once(self) -> int:
        """How many requests are worth making at the same time."""
        ...

    def told(self, name: str) -> str:
        """Return the path or URL of a name, for messages and for readers."""
        ...

    def mark(self, run: str) -> str:
        """Return what makes names of published files differ from run to run; empty if nothing."""
        ...

    def refusals(self, name: str) -> AbstractContextManager[None]:
        """Say what the storage's refusals inside mean for the output of this name.

        Raises:
            OutputRefused: It is read-only, forbidden, or not fit.
            MillraceError: The storage is full, cannot be reached, or failed.
        """
        ...

    def assert_fit(self, name: str) -> None:
        """Refuse a name that no output can have here."""
        ...

    def probe(self, temp: str, output: str) -> None:
        """Prove, before anything is computed, that names can be created here, and only once.

        Args:
            temp: Name of the folder for scratch.
            output: Name of the output.
        """
        ...

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        """Create a file with these bytes, unless the name is taken.

        When it returns, the file is whole and durable, whoever wrote it.

        Returns:
            True when the file is ours. After a lost reply it may be False although it is: what
            depends on it reads back.
        """
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Put a file, whatever was there: a reader sees the old one or the new one.

        For what can be made again at any time: after a crash of the machine it may be the old one.
        """
        ...

    def read(self, name: str) -> bytes | None:
        """Return all bytes of a file; None when there is none."""
        ...

    def open(self, name: str) -> io.BufferedIOBase:
        """Return a file as a seekable stream."""
        ...

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None when there is none."""
        ...

    def entries(self, folder: str) -> list[Entry]:
        """Return all files below a folder at any depth, by name.

        An empty folder below it counts as a file of 0 bytes whose name ends in a slash.
        """
        ...

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted; ``""`` stands for the place."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""
        ...


def each(place: Place, ask: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """Return the answers for all names, in their order; a store is asked for several at once."""
    return together(ask, names, place.at_once)
